"""Files of earlier versions: every one from version 6 on is read, and becomes one of this version.

A migration is a function from the rows of one version to those of the next. A reader migrates in
memory and leaves the file as it is; a writer copies the files beside it to where they belong, puts
a migrated file in its place, and then removes what was copied.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.files import is_folder, sweep
from hpsearch.study.folder import refuse_links
from hpsearch.study.layout import LAYOUT, VERSION, Contents, Layout, TableRow

_LAYOUT_6 = Layout(
    trials={
        "trial": (
            *("number", "params", "why", "wave", "cohort", "of", "replicate", "promise"),
            *("start", "upto", "lot", "state", "reason", "loss", "metric", "seconds", "flops"),
            *("steps", "epochs", "best_epoch", "loss_se", "paused", "weights"),
        ),
        "epoch": ("number", "epoch", "train_loss", "loss", "metric"),
        "replicate": ("number", "replicate", "fold", "loss", "metric", "best_epoch"),
    },
    study={
        "sqlite_master": ("type", "name", "sql"),
        "study": (
            *("id", "name", "strategy", "seed", "time_weight", "config", "file", "folder"),
            *("overrides", "rows", "budget", "threads", "device", "data", "baseline_loss"),
            *("baseline_metric", "created", "versions"),
        ),
        "look": ("id", "number", "loss", "metric", "weights"),
        "session": ("id", "wall_seconds", "exit"),
    },
)

_FOLDER_6 = "weights"
_PAUSE_6 = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\.pause\.safetensors")
_SCALE_6 = ".spread"  # how the names of a posterior's scales ended, which are log_scale now

LAYOUTS: Mapping[int, Layout] = {6: _LAYOUT_6, VERSION: LAYOUT}
"""The layout of each version that can be read."""

_ORIGINS = {
    "default": "default",
    "hand-picked": "picked",
    "random": "random",
    "grid": "grid",
    "near": "guided",
    "expected": "model",
    "confirm,": "repeat",
    "one": "promoted",
}
"""In version 6 only the words that said why a trial was asked for told where it came from: the
first word of each, and the origin that it stands for."""


def migrate(found: Contents, version: int) -> Contents:
    """Return the rows of a file of this version as rows of the present one."""
    for step in range(version, VERSION):
        found = _MIGRATIONS[step](found)
    return found


def adopt_files(folder: Path, found: Contents) -> Contents:
    """Copy the files beside a study of version 6 to its artefacts; return the rows that name them.

    Weights lay in `weights/<run>.safetensors`, where the run is the number of a training's first
    segment, whichever segment they were of. What a training had paused with lay in
    `weights/<run>.<replicate>.<fold>.<epoch>.pause.safetensors`, and no row named it.

    Raises:
        CannotWrite, DiskFull: they cannot be copied.
        DamagedStudy: one is a link.
    """
    refuse_links(folder, _FOLDER_6)
    pauses: dict[tuple[int, int], list[tuple[str, str]]] = {}
    adopted: dict[str, str] = {}
    artefacts = Artefacts(folder / FOLDER)
    for file in sorted((folder / _FOLDER_6).glob("*.safetensors")):
        data, pause = file.read_bytes(), _PAUSE_6.fullmatch(file.name)
        if pause is None:
            adopted[hashlib.sha256(data).hexdigest()] = artefacts.write(_renamed(data))
        elif _is_whole(data):
            run, replicate, fold, epoch = map(int, pause.groups())
            named = f"pause {replicate}.{fold}", artefacts.write(_renamed(data))
            pauses.setdefault((run, epoch), []).append(named)
    trials = {}
    for number, (row, epochs, replicates, kept) in found.trials.items():
        trial = _named("trial", row[0], LAYOUT)
        run = trial["parent"] if trial["start_epoch"] else number
        mine = pauses.get((run, trial["until_epoch"]), []) if trial["state"] == "done" else []
        was = [(name, adopted.get(digest, digest)) for _, name, digest in kept]
        named_by_row = [(number, name, digest) for name, digest in [*was, *mine]]
        trials[number] = [row, epochs, replicates, named_by_row]
    evaluations = [
        (*row[:-1], adopted.get(row[-1], row[-1])) for row in found.study["test_evaluation"]
    ]
    return Contents(trials, {**found.study, "test_evaluation": evaluations})


def remove_adopted(folder: Path) -> None:
    """Remove the files that `adopt_files` has copied."""
    old = folder / _FOLDER_6
    if is_folder(old):
        sweep(old)
        for file in old.glob("*.safetensors"):
            file.unlink()
        with suppress(OSError):  # somebody keeps something else there
            old.rmdir()


def _renamed(data: bytes) -> bytes:
    """Return a file of tensors with the names that they have now; a damaged one as it is."""
    end = 8 + int.from_bytes(data[:8], "little")
    if _SCALE_6.encode() not in data[8:end]:
        return data
    try:
        found = json.loads(data[8:end])
    except ValueError:
        return data
    head = {
        f"{name.removesuffix(_SCALE_6)}.log_scale" if name.endswith(_SCALE_6) else name: place
        for name, place in found.items()
    }
    return _length_and_text(head) + data[end:]


def _length_and_text(head: Mapping[str, Any]) -> bytes:
    """Return the beginning of a safetensors file: where each tensor lies, after its length."""
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _is_whole(data: bytes) -> bool:
    """Return whether what a training had paused with is what was written.

    It has a digest of itself within: of its run, and of the tensors as a file of their own.
    """
    try:
        end = 8 + int.from_bytes(data[:8], "little")
        head = json.loads(data[8:end])
        said = head.pop("__metadata__")
        tensors = _length_and_text(head) + data[end:]
        found = hashlib.sha256(said["run"].encode() + tensors).hexdigest()
        return bool(said["sha256"] == found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _named(table: str, row: TableRow, layout: Layout) -> dict[str, Any]:
    columns = {**layout.trials, **layout.study}[table]
    return dict(zip(columns, row, strict=True))


def _ordered(table: str, values: Mapping[str, Any]) -> TableRow:
    columns = {**LAYOUT.trials, **LAYOUT.study}[table]
    return tuple(values[name] for name in columns)


def _from_6(found: Contents) -> Contents:
    """Version 7: words, origins, kinds of failure, artefacts by digest, objectives."""
    trials = {}
    for number, ((row,), epochs, replicates) in found.trials.items():
        old = _named("trial", row, _LAYOUT_6)
        kind, _, message = (old["reason"] or "").partition(": ")
        new = old | {
            "reason": old["why"],
            "parent": old["of"],
            "expected_improvement": old["promise"],
            "start_epoch": old["start"],
            "until_epoch": old["upto"],
            "seed_group": old["lot"],
            "origin": _ORIGINS.get(old["why"].partition(" ")[0], "strategy"),
            "failure_kind": kind or None,
            "failure_message": message if kind else None,
        }
        artefacts = [(number, "weights", old["weights"])] if old["weights"] else []
        trials[number] = [[_ordered("trial", new)], epochs, replicates, artefacts]
    (row,) = found.study["study"]
    study = _named("study", row, _LAYOUT_6)
    task = json.loads(study["data"]).get("task")
    metric = "accuracy" if task == "classification" else "r2"
    study |= {"objective": "networks", "metric": metric, "has_cost": 1, "semantics": 1}
    return Contents(
        trials,
        {
            "sqlite_master": [],
            "study": [_ordered("study", study)],
            "test_evaluation": found.study["look"],
            "session": found.study["session"],
        },
    )


_MIGRATIONS: Mapping[int, Callable[[Contents], Contents]] = {6: _from_6}
