"""`manual`, `grid`, `random` and `bayes`: a YAML goes in, a leaderboard comes out."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from hpsearch import __version__
from hpsearch.commands import console
from hpsearch.commands.flags import SMOKE_ROWS, overrides
from hpsearch.commands.launch import Run, finish
from hpsearch.config.spec import Override, Spec, parse
from hpsearch.data import Dataset, baseline
from hpsearch.data.prepare import prepare
from hpsearch.errors import Problem, SpecError
from hpsearch.search.plan import Plan
from hpsearch.study.files import write
from hpsearch.study.store import CONFIG, Meta, Store

_PROJECT_FILE = Path("hpsearch.yaml")
_MANY = 1_000  # grid points that nobody runs without meaning to
_USUAL = 50  # trials of a search without a budget


def search(strategy: str, given: Mapping[str, Any]) -> int:
    """Run a new search; `given` holds what the command line says. Returns the exit code."""
    text, file, folder = find_config(given["config"])
    flags = list(overrides(given))
    rows = SMOKE_ROWS if given["smoke"] else None
    spec = parse(text, file, folder, flags, rows)
    plan = Plan(strategy, spec)
    budget = _budget(plan, given)
    run = Run.of(given)
    with run.runner(spec.search.memory) as runner:  # its processes start while the data is read
        data = prepare(spec.data)
        device = run.device(runner)
        plan.check(data)
        study = (
            Path(given["study"])
            if given["study"]
            else _free(Path("runs"), f"{spec.name}-{strategy}")
        )
        meta = _meta(
            study.name, plan, (text, file, folder, flags), budget, run.threads, device, data
        )
        with Store.create(study, meta) as store:
            _keep(study, text, strategy, flags)
            return finish(plan, run, runner, data, store)


def find_config(config: str | None) -> tuple[str, str, Path]:
    """The text of the YAML, its name, and its folder: the one named, ./hpsearch.yaml, or the default experiment."""
    if config == "-":
        return sys.stdin.read(), "<stdin>", Path.cwd()
    path = Path(config) if config else _PROJECT_FILE
    if config is None and not path.exists():
        return (
            files("hpsearch").joinpath("default.yaml").read_text(encoding="utf-8"),
            "default.yaml",
            Path.cwd(),
        )
    try:
        # what is not UTF-8 is answered by the parser, with its place
        return (
            path.read_bytes().decode("utf-8", "surrogateescape"),
            str(path),
            path.resolve().parent,
        )
    except OSError as error:
        raise SpecError(
            Problem(
                "E001", f"cannot read {path}: {error.strerror}", help="hpsearch bayes CONFIG.yaml"
            )
        ) from error


def _budget(plan: Plan, given: Mapping[str, Any]) -> int | None:
    """The total of trials; None for all that the strategy has."""
    budget = plan.spec.search.budget
    notes = console.progress(given["no_color"])
    if plan.strategy == "grid":
        count = plan.points
        if budget is None and count > _MANY and not given["all"]:
            raise SpecError(
                Problem(
                    "E030",
                    f"this grid has {count:,} points",
                    help="--all runs them all, --budget N the first N, --points N thins them out",
                )
            )
        if not given["quiet"]:
            notes.print(f"the grid has {count:,} points")
        return budget
    if plan.strategy == "manual":
        return min(budget or len(plan.trials), len(plan.trials))
    if budget is None and plan.spec.search.time and not plan.spec.search.halving:
        return None  # as many as there is time for
    if budget is None and not given["quiet"]:
        notes.print(f"no budget given: {_USUAL} trials (--budget N for another number)")
    if plan.spec.search.halving and not given["quiet"]:
        notes.print(plan.halved(budget or _USUAL), soft_wrap=True)
    return budget or _USUAL


def _free(folder: Path, name: str) -> Path:
    """The first of name, name-2, name-3, ... that is not there yet."""
    path, k = folder / name, 1
    while path.exists():
        k += 1
        path = folder / f"{name}-{k}"
    return path


def _meta(
    name: str,
    plan: Plan,
    source: tuple[str, str, Path, list[Override]],
    budget: int | None,
    threads: int,
    device: str,
    data: Dataset,
) -> Meta:
    text, file, folder, flags = source
    floor = baseline(data)
    return Meta(
        name=name,
        strategy=plan.strategy,
        seed=plan.spec.search.seed,
        time_weight=plan.spec.search.time_weight,
        config=text,
        file=file,
        folder=str(folder),
        overrides=json.dumps(flags),
        rows=plan.spec.data.rows,
        budget=budget,
        threads=threads,
        device=device,
        data=json.dumps(described(plan.spec, data)),
        baseline_loss=plan.objective(floor.loss, floor.metric),
        baseline_metric=floor.metric,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps(versions()),
    )


def versions() -> dict[str, str]:
    """Of all that computes."""
    packages = {
        package: metadata.version(package) for package in ("torch", "numpy", "scikit-optimize")
    }
    return {"hpsearch": __version__, "python": platform.python_version(), **packages}


def described(spec: Spec, data: Dataset) -> dict[str, object]:
    """What is trained on, for the record."""
    first = data.folds[0]
    parts = {"train": len(first.train), "validation": len(first.validation), "test": len(data.test)}
    return {
        "source": spec.data.source,
        "task": data.task,
        "rows": parts,
        "folds": len(data.folds),
        "inputs": list(data.shape),
        "outputs": data.outputs,
        "digest": data.digest,
    }


def _keep(study: Path, text: str, strategy: str, flags: list[Override]) -> None:
    """The config as it was run, for people; the study's own copy is in its file."""
    command = " ".join(["hpsearch", strategy, "CONFIG", *(source for _, _, source in flags)])
    write(study / CONFIG, f"# run as: {command}\n{text}".encode("utf-8", "surrogateescape"))
