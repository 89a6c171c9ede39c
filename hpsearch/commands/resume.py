"""`resume`: go on with a study that was interrupted, or give it a larger budget."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hpsearch.commands import console
from hpsearch.commands.basis import SOURCE, check_template, moved_data, other_basis, same_data
from hpsearch.commands.flags import runner_overrides, search_overrides
from hpsearch.commands.inputs import read_input
from hpsearch.commands.prepared import prepared, what_runs
from hpsearch.commands.session import RunOptions, finish, plan_of, resources
from hpsearch.commands.studies import find_study
from hpsearch.config.diagnostics import Diagnostics, written
from hpsearch.config.document import LARGEST, Document, KeyPath, dotted, read
from hpsearch.config.schema import OPERATIONAL, runner_keys, validate
from hpsearch.config.spec import Override, spec_of
from hpsearch.errors import ConfigDiffers, Place, Problem, SpecError
from hpsearch.objectives.from_config import objective_of
from hpsearch.objectives.trainers import folder_gone
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.folder import CONFIG
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store

Kind = Literal["fixed", "grows", "free"]
_BUDGET = ("search", "budget")
_COMMAND = ("command",)
KINDS: Mapping[KeyPath, Kind] = {
    _BUDGET: "grows",
    ("name",): "free",
    **{("runner", name): "free" for name in sorted(runner_keys())},
    ("search", "time"): "free",
    **{("search", name): "free" for name in sorted(OPERATIONAL)},
}
"""What may become of a key once the study has begun.

A total may grow, and what says how the search is run may change. All other keys are fixed, since
what the search finds rests on them.
"""


def resume(
    *,
    study: str | None,
    data: str | None,
    folder: str | None,
    budget: int | None,
    workers: int | None,
    quiet: bool,
    no_color: bool,
    **others: Any,
) -> int:
    """Go on where the study stands, and return the exit code.

    `others` are --json, those of the runner, and the flags that are keys of `search:`.
    """
    started, as_json = time.monotonic(), others.pop("json")
    where = [*runner_overrides(others.pop("runner"), others.pop("address"))]
    with Store.open(find_study(study)) as store:
        kept = store.study()
        meta = _in_folder(_resumed(kept.meta, store.folder, budget), folder)
        moved = moved_data(data)
        said = [*search_overrides(others), *where]
        spec = spec_of(meta, *moved, *said)
        objective = objective_of(spec, store.folder, meta.threads)
        plan = plan_of(meta.strategy, spec, objective)
        asked = -(-kept.history.epochs(plan.epochs) // plan.epochs)
        if meta.budget is not None and meta.budget < asked:
            message = f"the study has {asked} trials already, more than a budget of {meta.budget}"
            raise SpecError(Problem("E061", message, help="a budget is a total"))
        used = resources(workers, meta.threads, spec.search.memory, spec.runner, meta.device)
        options = RunOptions(used, spec.runner, meta.device, as_json, quiet, no_color, started)
        artefacts = Artefacts(store.folder / FOLDER)
        with options.build(artefacts) as runner:
            ready = prepared(
                objective,
                options,
                runner,
                lambda networks: same_data(networks, meta, "resume", bool(moved)),
                meta,
            )
            check_template(meta, ready.rests_on.get("template"))
            meta = _with_data(meta, moved)
            # said in any case: it is not the one who resumes a study who has written this
            console.note(*what_runs(objective), no_color=no_color)
            if otherwise := other_basis(meta, ready.device, ready.computes):
                console.note(f"begun with {otherwise}", no_color=no_color)
            with ready.in_study(artefacts) as (objective, held):
                plan = plan_of(meta.strategy, spec, objective)
                if meta != kept.meta:
                    store.amend(meta)
                return finish(plan, options, runner, store, held)


def _resumed(meta: StudyMeta, folder: Path, budget: int | None) -> StudyMeta:
    """Return the study as it goes on: with an edited config, and with another budget.

    Raises:
        SpecError: it is the study of a function that was begun in Python, which alone can call it.
        ConfigDiffers: it has other settings.
    """
    if meta.objective == "function":
        message = f"{meta.name} searches a Python function"
        help = f"go on with it:  hpsearch.minimize(..., study={str(folder)!r})"
        raise SpecError(Problem("E063", message, help=help))
    meta = edited(meta, folder / CONFIG)
    return meta if budget is None else replace(meta, budget=budget)


def _in_folder(meta: StudyMeta, folder: str | None) -> StudyMeta:
    """Return the study with the folder that its trainer has moved to, where one is given.

    Raises:
        SpecError: it has no trainer of one's own, or there is no such folder.
    """
    if folder is None:
        return meta
    if meta.objective == "networks":
        message = f"{meta.name} trains networks, whose data alone can have moved"
        place, help = Place(f"--folder {folder}", 0, 0), "--data PATH  says where these are"
        raise SpecError(Problem("E012", message, place, help=help))
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        raise folder_gone(path)
    return replace(meta, folder=str(path))


def _with_data(meta: StudyMeta, moved: Sequence[Override]) -> StudyMeta:
    """Return the study with the place that its data have moved to, from where it goes on later."""
    if not moved:
        return meta
    ((_, source, _),) = moved
    kept = [one for one in json.loads(meta.overrides) if tuple(one[0]) != SOURCE]
    data = json.loads(meta.data) | {"source": source}
    return replace(meta, overrides=json.dumps([*kept, *moved]), data=json.dumps(data))


def edited(meta: StudyMeta, path: Path) -> StudyMeta:
    """Return the study with what a person has changed in its config, as far as that may change.

    What was changed last stands over the flags that the study was begun with.

    Raises:
        ConfigDiffers: something has changed that may not; it has all that has.
        SpecError: the config cannot be read.
    """
    if not path.is_file():
        return meta  # the study has its own copy
    try:
        text = read_input(path, LARGEST).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise SpecError(Problem("E001", f"cannot read {path}: {error.strerror}")) from error
    old, new = read(meta.config, meta.file), read(text, str(path))
    for key, value, source in json.loads(meta.overrides):
        if tuple(key) == _COMMAND:  # it says of both what keys they have
            for document in (old, new):
                document.override(_COMMAND, value, source)
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


def kind(key: KeyPath) -> Kind:
    """Return what may become of a key."""
    return KINDS.get(key, "fixed")


def keys(document: Document) -> Mapping[KeyPath, object]:
    """Return all keys of a file with their values, also those that are not written there.

    Mistakes are left to the parser. The order of the parameters is one key, since it is that of the
    space.
    """
    found = validate(Diagnostics(document))
    return {**dict(_leaves((), found.model_dump())), ("parameters",): [*found.parameters]}


def _leaves(key: KeyPath, value: object) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves((*key, name), one)
    else:
        yield key, value


def _differs(
    key: KeyPath,
    before: Mapping[KeyPath, object],
    after: Mapping[KeyPath, object],
    document: Document,
) -> Problem:
    was, now = (
        written(values[key]) if values.get(key) is not None else "not set"
        for values in (before, after)
    )
    help = f"put it back, or begin a new study; without {CONFIG} a study goes on as it was begun"
    if key == SOURCE:
        help = "put it back; where the data have moved to:  hpsearch resume STUDY --data PATH"
    return Problem("E178", f"{dotted(key)}: {was} -> {now}", document.value_place(key), help=help)
