"""`resume`: go on with a study that was interrupted, or give it a larger budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hpsearch.commands import console
from hpsearch.commands.flags import OPERATIONAL, searching
from hpsearch.commands.launch import Run, finish
from hpsearch.commands.search import versions
from hpsearch.commands.studies import find_study
from hpsearch.config.diagnostics import Mistakes, written
from hpsearch.config.document import Document, dotted, read
from hpsearch.config.document import Path as Key
from hpsearch.config.schema import OF_TRAININGS, validate
from hpsearch.data.prepare import prepare
from hpsearch.errors import ConfigDiffers, Problem, SpecError
from hpsearch.search.loop import spent
from hpsearch.search.plan import Plan
from hpsearch.study.store import CONFIG, Meta, Store

Kind = Literal["fixed", "grows", "free"]
_BUDGET = ("search", "budget")
KINDS: Mapping[Key, Kind] = {
    _BUDGET: "grows",
    ("name",): "free",
    ("search", "time"): "free",
    **{("search", name): "free" for name in sorted(OF_TRAININGS)},
}
"""What may become of a key once the study has begun: a total may grow; what says how the search is run may change.

What it finds rests on all others, which are fixed.
"""


def resume(given: Mapping[str, Any]) -> int:
    """Go on where the study stands. Returns the exit code."""
    with Store.open(find_study(given["study"])) as store:
        study = store.study()
        begun, history = study.meta, study.history
        meta = edited(begun, store.folder / CONFIG)
        if given["budget"] is not None:
            meta = replace(meta, budget=given["budget"])
        plan = Plan.of(meta, *searching(given, OPERATIONAL))
        asked = -(-spent(history, plan.epochs) // plan.epochs)
        if meta.budget is not None and meta.budget < asked:
            raise SpecError(
                Problem(
                    "E061",
                    f"the study has {asked} trials already, more than a budget of {meta.budget}",
                    help="a budget is a total",
                )
            )
        if told := other_versions(meta):
            console.progress(given["no_color"]).print(told, markup=False, soft_wrap=True)
        run = Run.of({**given, "threads": meta.threads, "device": meta.device})
        with run.runner(plan.spec.search.memory) as runner:
            data = prepare(plan.spec.data)
            if data.digest != json.loads(meta.data)["digest"]:
                raise ConfigDiffers(
                    Problem(
                        "E178",
                        f"the data ({plan.spec.data.source}) is not what this study was begun with",
                        help="begin a new study",
                    )
                )
            if meta != begun:
                store.amend(meta)
            return finish(plan, run, runner, data, store)


def edited(meta: Meta, path: Path) -> Meta:
    """The study with what a person has changed in its config, as far as that may change.

    What was changed last stands over the flags that the study was begun with.

    Raises:
        ConfigDiffers: something has changed that may not; with all that has.
        SpecError: it cannot be read.
    """
    if not path.is_file():
        return meta  # the study has its own copy
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise SpecError(Problem("E001", f"cannot read {path}: {error.strerror}")) from error
    old, new = read(meta.config, meta.file), read(text, str(path))
    before, after = keys(old), keys(new)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    refused = [
        key
        for key in changed
        if kind(key) == "fixed" or (kind(key) == "grows" and after[key] is None)
    ]
    if refused:
        raise ConfigDiffers(*(_differs(key, before, after, new) for key in refused))
    if not changed and old.value == new.value:
        return meta
    overrides = [one for one in json.loads(meta.overrides) if tuple(one[0]) not in changed]
    meta = replace(meta, config=text, file=str(path), overrides=json.dumps(overrides))
    budget = after[_BUDGET] if _BUDGET in changed else None
    return replace(meta, budget=budget) if isinstance(budget, int) else meta


def kind(key: Key) -> Kind:
    """What may become of a key."""
    return KINDS.get(key, "fixed")


def keys(document: Document) -> Mapping[Key, object]:
    """All keys of a file with their values, also those that are not written there. Mistakes are left to the parser.

    The order of the parameters is one, since it is that of the space.
    """
    found = validate(Mistakes(document))
    return {**dict(_leaves((), found.model_dump())), ("parameters",): [*found.parameters]}


def _leaves(key: Key, value: object) -> Iterator[tuple[Key, object]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves((*key, name), one)
    else:
        yield key, value


def _differs(
    key: Key, before: Mapping[Key, object], after: Mapping[Key, object], document: Document
) -> Problem:
    was, now = (
        written(values[key]) if values.get(key) is not None else "not set"
        for values in (before, after)
    )
    help = f"put it back, or begin a new study; without {CONFIG} a study goes on as it was begun"
    return Problem("E178", f"{dotted(key)}: {was} -> {now}", document.value_place(key), help=help)


def other_versions(meta: Meta) -> str:
    """Says which versions are others than those that the study was begun with; empty where they are the same."""
    begun, here = json.loads(meta.versions), versions()
    others = [
        f"{name} {begun[name]} (now {here[name]})"
        for name in here
        if begun.get(name, here[name]) != here[name]
    ]
    return (
        f"begun with {', '.join(others)}: across versions results need not be the same"
        if others
        else ""
    )
