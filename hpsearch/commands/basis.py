"""What the results of a study rest on, and whether it is here: its data, and what computes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hpsearch.config.spec import NetworkSpec, Override
from hpsearch.data import Dataset
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.device import Device
from hpsearch.errors import ConfigDiffers, DataGone, Problem, SpecError
from hpsearch.study.layout import StudyMeta
from hpsearch.versions import versions

SOURCE = ("data", "source")
"""The key that says where data lie."""

_NOT_THERE = ("E070", "E071")  # there is no such data, or it cannot be opened or fetched


def moved_data(path: str | None) -> Sequence[Override]:
    """Return what `--data` says over the config."""
    if path is None:
        return ()
    return [(SOURCE, str(Path(path).expanduser().absolute()), f"--data {path}")]


def same_data(spec: NetworkSpec, meta: StudyMeta, command: str, is_moved: bool) -> Dataset:
    """Return the data that a study was begun with.

    Args:
        spec: the study's, with the place of the data.
        meta: the study.
        command: the one that needs them, for messages.
        is_moved: whether `--data` says where they are.

    Raises:
        DataGone: they are not there.
        ConfigDiffers: they are others.
        SpecError: they are not where `--data` says.
    """
    moved = f"where they have moved to:  hpsearch {command} STUDY --data PATH"
    differs = f"the data ({spec.data.source}) is not what this study was begun with"
    try:
        data = prepare(spec.data)
    except SpecError as error:
        first = error.problems[0]
        if first.code not in _NOT_THERE:  # they could be read when the study was begun
            raise ConfigDiffers(
                Problem("E178", f"{differs}: {first.message}", help=moved)
            ) from error
        if is_moved:
            raise
        raise DataGone(Problem("E166", first.message, help=moved)) from error
    if data.digest != json.loads(meta.data)["digest"]:
        raise ConfigDiffers(Problem("E178", differs, help=f"begin a new study; or, {moved}"))
    return data


def check_template(meta: StudyMeta, template: str | None) -> None:
    """Refuse to go on with another template than a study was begun with.

    Args:
        meta: the study.
        template: the digest of the template that is there; None where a trainer has none.

    Raises:
        ConfigDiffers: it is another one.
    """
    if (json.loads(meta.data) or {}).get("template") != template:
        message = "the template is not what this study was begun with"
        raise ConfigDiffers(Problem("E178", message, help="put it back, or begin a new study"))


def computed_by(processor: str | None = None) -> Mapping[str, str]:
    """Return what computes here, as a study keeps it.

    Without a processor, which is where networks train, no network does: a trainer of one's own
    knows what it computes with, and trials are chosen without torch.
    """
    if processor is None:
        return {name: version for name, version in versions().items() if name != "torch"}
    return {**versions(), "processor": processor}


def other_basis(meta: StudyMeta, device: str, computes: Mapping[str, str]) -> str:
    """Return in words what computes otherwise here than where the study was begun; or nothing."""
    begun = {**json.loads(meta.versions), "device": meta.device}
    here = {**computes, "device": device}
    others = [
        f"{name} {begun[name]} (now {here[name]})"
        for name in here
        if begun.get(name, here[name]) != here[name]
    ]
    return f"{', '.join(others)}: results need not be the same" if others else ""


def planned_on(meta: StudyMeta, device: Device) -> Device:
    """Return the device with the memory by which the study was planned: cohorts go by it.

    On one with less, arrays that do not fit are halved.
    """
    return replace(device, memory=meta.device_memory)
