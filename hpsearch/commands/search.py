"""`manual`, `grid`, `random` and `bayes`: a YAML goes in, a leaderboard comes out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpsearch.commands.dry_run import dry_run
from hpsearch.commands.flags import AUTO, SMOKE_ROWS, SearchFlags, overrides
from hpsearch.commands.inputs import read_input, read_stdin
from hpsearch.commands.prepared import Prepared, prepared, what_runs
from hpsearch.commands.session import RunOptions, finish, plan_of, resources
from hpsearch.commands.spaces import find_space, without_config
from hpsearch.config.diagnostics import TRAINERS
from hpsearch.config.document import LARGEST, read
from hpsearch.config.spaces import example
from hpsearch.config.spec import Override, Spec, TrainerSpec, parse
from hpsearch.data.prepare import prepare
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.objectives.from_config import kind_of, objective_of
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
    source = find_config(flags.config, flags.data, flags.target, flags.space, flags.command)
    notes = [source.note] if source.note else []
    said = list(overrides(flags, strategy, notes.append))
    rows = SMOKE_ROWS if flags.smoke else None
    spec = parse(source.text, source.file, source.folder, said, rows, strategy)
    _check_device(flags, spec)
    options = run_options(flags, spec, started)
    options.note(*notes)
    name = f"{spec.name}-{strategy}"
    study = Path(flags.study) if flags.study is not None else _free(Path("runs"), name)
    threads = options.resources.threads
    objective = objective_of(spec, study, threads)
    plan = plan_of(strategy, spec, objective)
    announced: list[str] = []  # once nothing can refuse the search any more
    budget = _budget(plan, flags, announced.append)
    announced += [*plan.remarks(budget), *what_runs(objective)]
    if flags.dry_run:
        return dry_run(plan, budget, announced, options)
    artefacts = Artefacts(study / FOLDER)
    with options.build(artefacts) as runner:
        ready = prepared(objective, options, runner, lambda networks: prepare(networks.data))
        plan = plan_of(strategy, spec, ready.objective)
        plan.search(budget)  # what does not go together is refused before anything is kept
        meta = _meta(study.name, plan, kind_of(spec), ready, source, said, rows, budget, threads)
        with Store.create(study, meta) as store:
            _keep(study, source.text, strategy, said)
            options.note(*announced, *ready.remarks)
            with ready.in_study(artefacts) as (objective, held):
                return finish(plan_of(strategy, spec, objective), options, runner, store, held)


def _check_device(flags: SearchFlags, spec: Spec) -> None:
    """Refuse a device for a trainer that decides itself where it trains."""
    if isinstance(spec, TrainerSpec) and flags.device != AUTO:
        message = "a trainer of one's own decides itself where it trains"
        place, help = Place(f"--device {flags.device}", 0, 0), "leave it out"
        raise SpecError(Problem("E012", message, place, help=help))


def run_options(flags: SearchFlags, spec: Spec, started: float) -> RunOptions:
    """Return how a search is run."""
    device = "" if isinstance(spec, TrainerSpec) else flags.device
    memory = spec.search.memory
    return RunOptions(
        resources=resources(flags.workers, flags.threads, memory, spec.runner, device),
        runner=spec.runner,
        device=device,
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
    command: Sequence[str] = (),
) -> ConfigSource:
    """Return the YAML that is named, ./hpsearch.yaml or .yml, or the built-in example.

    Where neither is there, and `data` or `space` is, it is what `hpsearch init` would write.

    Raises:
        SpecError: it cannot be read; or both files are there; or a space is named beside it; or
            a command is given, and there is no file, or one that has a trainer already.
    """
    found = _find_config(config, data, target, space, bool(command))
    if command:
        _check_without_trainer(found)
    return found


def _check_without_trainer(source: ConfigSource) -> None:
    """Refuse a file that names a trainer beside the command after `--`."""
    document = read(source.text, source.file)
    for name in TRAINERS:
        if document.at((name,)) is not None:
            message = f"'{name}' says what a trial runs, and what stands after -- says it as well"
            help = "leave one of the two out"
            raise SpecError(Problem("E012", message, document.key_place((name,)), help=help))


def _find_config(
    config: str | None, data: str | None, target: str | None, space: str | None, has_command: bool
) -> ConfigSource:
    path = _project_file() if config is None else Path(config)
    if path is not None and space is not None:
        message = f"{path} says what is searched, and --space {space} says it as well"
        raise SpecError(Problem("E015", message, help="leave one of the two out"))
    if path is None and has_command:
        message = "a command is searched over the parameters of a file, and none is here"
        help = "hpsearch bayes CONFIG.yaml -- COMMAND"
        raise SpecError(Problem("E015", message, help=help))
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


def _budget(plan: Plan, flags: SearchFlags, note: Callable[[str], None]) -> int | None:
    """Return the total of trials; None for all that the strategy has."""
    budget, count = plan.keys.budget, plan.count
    if not plan.options.has_default and count is not None:
        if budget is None and count.trials > _MANY and not flags.all:
            message = f"this {plan.strategy} search has {count}"
            help = "--all runs them all, --budget N some of them, --points N thins a grid out"
            raise SpecError(Problem("E030", message, help=help))
        note(f"the {plan.strategy} search has {count}")
        return budget
    if budget is None and plan.keys.time and not plan.halves:
        return None  # as many as there is time for
    if budget is None:
        note(f"no budget given: {_USUAL} trials (--budget N for another number)")
    budget = budget or _USUAL
    if plan.halves:
        note(plan.describe_brackets(budget))
    elif count is not None and count.trials < budget:
        note(f"the space has {count}: each is tried once")
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
    kind: str,
    ready: Prepared,
    source: ConfigSource,
    flags: Sequence[Override],
    rows: int | None,
    budget: int | None,
    threads: int,
) -> StudyMeta:
    info = plan.objective.describe()
    return StudyMeta(
        name=name,
        objective=kind,
        strategy=plan.strategy,
        seed=plan.keys.seed,
        time_weight=plan.keys.time_weight,
        config=source.text,
        file=source.file,
        folder=str(source.folder),
        overrides=json.dumps(flags),
        rows=rows,
        budget=budget,
        threads=threads,
        device=ready.device,
        metric=info.metric,
        has_cost=info.has_cost,
        baseline_loss=info.baseline_loss,
        baseline_metric=info.baseline_metric,
        data=json.dumps({**info.data, **ready.rests_on}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps(ready.computes),
        device_memory=ready.device_memory,
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
