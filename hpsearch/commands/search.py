"""`manual`, `grid`, `random` and `bayes`: a YAML goes in, a leaderboard comes out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpsearch.commands.basis import computed_by
from hpsearch.commands.flags import SMOKE_ROWS, SearchFlags, overrides
from hpsearch.commands.inputs import read_input, read_stdin
from hpsearch.commands.session import (
    RunOptions,
    announce,
    ask_for_device,
    chosen_device,
    finish,
    plan_of,
    resources,
)
from hpsearch.commands.spaces import find_space, without_config
from hpsearch.config.document import LARGEST
from hpsearch.config.spaces import example
from hpsearch.config.spec import Override, Spec, parse
from hpsearch.data.prepare import prepare
from hpsearch.errors import Problem, SpecError
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.networks import Networks
from hpsearch.search.plan import Plan
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.files import write
from hpsearch.study.folder import CONFIG
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store
from hpsearch.text import one_line

_PROJECT_FILES = (Path("hpsearch.yaml"), Path("hpsearch.yml"))
_MANY = 1_000  # grid points that nobody runs without meaning to
_USUAL = 50  # trials of a search without a budget


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """The source of a search space.

    Attributes:
        text: what it holds.
        file: its name, for messages.
        folder: what paths in it are relative to.
        note: what a person is told of it; empty where it was named.
    """

    text: str
    file: str
    folder: Path
    note: str = ""


def search(strategy: str, **given: Any) -> int:
    """Run a new search; `given` are the flags of the command line. Return the exit code."""
    started, flags = time.monotonic(), SearchFlags.of(given)
    source = find_config(flags.config, flags.data, flags.target, flags.space)
    notes = [source.note] if source.note else []
    said = list(overrides(flags, strategy, notes.append))
    rows = SMOKE_ROWS if flags.smoke else None
    spec = parse(source.text, source.file, source.folder, said, rows, strategy)
    options = run_options(flags, spec, started)
    options.note(*notes)
    networks = Networks(spec)
    plan = plan_of(strategy, networks)
    budget = _budget(plan, flags, options)
    options.note(*plan.remarks(budget))
    name = f"{spec.name}-{strategy}"
    study = Path(flags.study) if flags.study is not None else _free(Path("runs"), name)
    artefacts = Artefacts(study / FOLDER)
    with options.build(artefacts) as runner:
        work = ask_for_device(runner, options)
        data = prepare(spec.data)
        device, processor = chosen_device(runner, work)
        threads = options.resources.threads
        networks = networks.on(data, None, device, threads)
        options.note(*networks.remarks())
        plan = plan_of(strategy, networks)
        plan.search(budget)  # what does not go together is refused before anything is kept
        computes = computed_by(processor)
        meta = _meta(study.name, plan, spec, source, said, budget, threads, device, computes)
        announce(data, options)
        with Store.create(study, meta) as store:
            _keep(study, source.text, strategy, said)
            with stored_data(data, artefacts) as (data, held):
                plan = plan_of(strategy, replace(networks, data=data, held=held))
                return finish(plan, options, runner, store, [held.digest])


def run_options(flags: SearchFlags, spec: Spec, started: float) -> RunOptions:
    """Return how a search is run."""
    return RunOptions(
        resources=resources(flags.workers, flags.threads, spec.search.memory),
        runner=spec.runner,
        device=flags.device,
        json=flags.json,
        quiet=flags.quiet,
        no_color=flags.no_color,
        started=started,
    )


def find_config(
    config: str | None,
    data: str | None = None,
    target: str | None = None,
    space: str | None = None,
) -> ConfigSource:
    """Return the YAML that is named, ./hpsearch.yaml or .yml, or the built-in example.

    Where neither is there, and `data` or `space` is, it is what `hpsearch init` would write.

    Raises:
        SpecError: it cannot be read; or both files are there; or a space is named beside it.
    """
    path = _project_file() if config is None else Path(config)
    if path is not None and space is not None:
        message = f"{path} says what is searched, and --space {space} says it as well"
        raise SpecError(Problem("E015", message, help="leave one of the two out"))
    if path is None and (data is not None or space is not None):
        found = find_space(space)
        text = without_config(data, target, found)
        return ConfigSource(text, "--data", Path.cwd(), found.note)
    if path is None:
        note = "no hpsearch.yaml is here: this is the built-in example, scikit-learn's digits"
        return ConfigSource(example(), "default.yaml", Path.cwd(), note)
    name = "<stdin>" if config == "-" else str(path)
    try:
        content = read_stdin(LARGEST) if config == "-" else read_input(path, LARGEST)
        # what is not UTF-8 is answered by the parser, with its place
        text = content.decode("utf-8", "surrogateescape")
        return ConfigSource(text, name, path.resolve().parent if path.is_file() else Path.cwd())
    except OSError as error:
        message = f"cannot read {name}: {error.strerror}"
        raise SpecError(Problem("E001", message, help="hpsearch bayes CONFIG.yaml")) from error


def _project_file() -> Path | None:
    """Return the file that is searched where none is named; None where there is none.

    Raises:
        SpecError: there are two.
    """
    found = [path for path in _PROJECT_FILES if os.path.lexists(path)]  # a broken link is there
    if len(found) > 1:
        message = f"there are both {found[0]} and {found[1]}"
        raise SpecError(Problem("E001", message, help=f"name one:  hpsearch bayes {found[0]}"))
    return found[0] if found else None


def _budget(plan: Plan, flags: SearchFlags, options: RunOptions) -> int | None:
    """Return the total of trials; None for all that the strategy has."""
    budget, count = plan.keys.budget, plan.count
    if not plan.options.has_default and count is not None:
        if budget is None and count.trials > _MANY and not flags.all:
            message = f"this {plan.strategy} search has {count}"
            help = "--all runs them all, --budget N some of them, --points N thins a grid out"
            raise SpecError(Problem("E030", message, help=help))
        options.note(f"the {plan.strategy} search has {count}")
        return budget
    if budget is None and plan.keys.time and not plan.halves:
        return None  # as many as there is time for
    if budget is None:
        options.note(f"no budget given: {_USUAL} trials (--budget N for another number)")
    budget = budget or _USUAL
    if plan.halves:
        options.note(plan.describe_brackets(budget))
    elif count is not None and count.trials < budget:
        options.note(f"the space has {count}: each is tried once")
    return budget


def _free(folder: Path, name: str) -> Path:
    """Return the first of name, name-2, name-3, ... that is not there yet."""
    path, k = folder / name, 1
    while path.exists():
        k += 1
        path = folder / f"{name}-{k}"
    return path


def _meta(
    name: str,
    plan: Plan,
    spec: Spec,
    source: ConfigSource,
    flags: Sequence[Override],
    budget: int | None,
    threads: int,
    device: str,
    computes: Mapping[str, str],
) -> StudyMeta:
    info = plan.objective.describe()
    return StudyMeta(
        name=name,
        objective="networks",
        strategy=plan.strategy,
        seed=plan.keys.seed,
        time_weight=plan.keys.time_weight,
        config=source.text,
        file=source.file,
        folder=str(source.folder),
        overrides=json.dumps(flags),
        rows=spec.data.rows,
        budget=budget,
        threads=threads,
        device=device,
        metric=info.metric,
        has_cost=info.has_cost,
        baseline_loss=info.baseline_loss,
        baseline_metric=info.baseline_metric,
        data=json.dumps(info.data),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps(computes),
    )


def _keep(study: Path, text: str, strategy: str, flags: Sequence[Override]) -> None:
    """Keep the config as it was run, for people; the study's own copy is in its file."""
    command = " ".join(["hpsearch", strategy, "CONFIG", *(source for _, _, source in flags)])
    text = text.removeprefix(
        "\N{ZERO WIDTH NO-BREAK SPACE}"
    )  # which may stand at the beginning only
    kept = f"# run as: {one_line(command)}\n{text}".encode("utf-8", "surrogateescape")
    if len(kept) > LARGEST:  # it is read again
        kept = text.encode("utf-8", "surrogateescape")
    write(study / CONFIG, kept)
