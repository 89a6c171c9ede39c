"""The study of a search that Python has asked for: begun in a folder, or gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hpsearch.config.diagnostics import flow, written
from hpsearch.errors import ConfigDiffers, Problem
from hpsearch.search.plan import Plan
from hpsearch.study.folder import FILE
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store
from hpsearch.versions import versions


def opened(folder: Path, plan: Plan, budget: int | None, kept: Mapping[str, object]) -> Store:
    """Return the study in a folder, begun now or earlier; `kept` is all that its trials rest on.

    Raises:
        ConfigDiffers: it was begun with other arguments, or by a version that asked otherwise.
    """
    meta = _meta(folder, plan, budget, kept)
    if not (folder / FILE).exists():
        return Store.create(folder, meta)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(folder))
        begun = store.study().meta
        if problems := [Problem("E178", one) for one in _differences(begun, meta)]:
            raise ConfigDiffers(*problems)
        is_larger = begun.budget is not None and (budget is None or budget > begun.budget)
        if is_larger:
            store.amend(replace(begun, budget=budget))
        stack.pop_all()
        return store


def _meta(folder: Path, plan: Plan, budget: int | None, kept: Mapping[str, object]) -> StudyMeta:
    info = plan.objective.describe()
    return StudyMeta(
        name=folder.name,
        objective="function",
        strategy=plan.strategy,
        seed=plan.keys.seed,
        time_weight=plan.keys.time_weight,
        config=json.dumps(kept, default=str),
        file="parameters",
        folder="",
        overrides="[]",
        rows=None,
        budget=budget,
        threads=1,
        device="cpu",
        metric=info.metric,
        has_cost=info.has_cost,
        baseline_loss=info.baseline_loss,
        baseline_metric=info.baseline_metric,
        data=json.dumps(dict(info.data)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps(versions()),
    )


def _differences(begun: StudyMeta, meta: StudyMeta) -> Iterator[str]:
    """Give each argument that is another than the study was begun with."""
    for name in ("objective", "strategy", "seed"):
        if (was := getattr(begun, name)) != (now := getattr(meta, name)):
            yield f"{name}: {was} -> {now}"
    if begun.objective != meta.objective:
        return
    before, after = json.loads(begun.config), json.loads(meta.config)
    before["search"].setdefault("lag", 0)  # which was not kept where it was not given
    if before["constraints"] != after["constraints"]:
        yield f"constraints: {flow(before['constraints'])} -> {flow(after['constraints'])}"
    for section in ("parameters", "search", "reporting"):
        old, new = before.get(section, {}), after.get(section, {})
        for name in {**old, **new}:
            # as text: 0 and 0.0 are equal, and ends of two ranges that are not the same
            texts = [json.dumps(one.get(name), sort_keys=True) for one in (old, new)]
            if name not in old or name not in new or texts[0] != texts[1]:
                said = (written(one[name]) if name in one else "not set" for one in (old, new))
                yield f"{section}.{name}: {' -> '.join(said)}"
    was, now = [*before["parameters"]], [*after["parameters"]]
    if was != now and sorted(was) == sorted(now):
        yield f"parameters: {flow(was)} -> {flow(now)}"
