"""`diagnose`: train for a few epochs, and see layer by layer what is wrong with a training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, compress, product
from json import dumps
from math import prod
from typing import Any

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.flags import SMOKE_ROWS, SearchFlags, overrides
from hpsearch.commands.page import writable, write
from hpsearch.commands.search import ConfigSource, find_config, run_options
from hpsearch.commands.session import (
    RunOptions,
    ask_for_device,
    chosen_device,
    collect,
)
from hpsearch.config.spec import NetworkSpec, networks_of, parse
from hpsearch.data.notes import announcement
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.diagnosis import Probe
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.memory import data_bytes
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.errors import EXIT_OK, Place, Problem, SpecError
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.jobs import DataRef, DiagnosisJob
from hpsearch.objectives.networks import Networks, set_up
from hpsearch.report.diagnosis.page import as_page
from hpsearch.report.diagnosis.text import as_text
from hpsearch.report.diagnosis.view import Diagnosis, record
from hpsearch.runners import Runner, Work, WorkKey
from hpsearch.space.space import Params
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.files import temporary_folder

_EPOCHS = 5  # where nobody says how many: what is wrong shows in the first ones
_MOST = 12  # configurations side by side that a person can still compare


def diagnose(*, page: str | None, force: bool, seed: int | None, **given: Any) -> int:
    """Train, look and tell; return the exit code.

    `given` are the flags that it has in common with a search.
    """
    started, path = time.monotonic(), writable(page, force)
    flags = replace(SearchFlags.of(given), own={"seed": seed}, workers=1)
    source = find_config(flags.config)
    named = _configurations(flags, source)
    (_, spec), *_ = named
    options = run_options(flags, spec, started)
    if source.note:
        options.note(source.note)
    with temporary_folder() as folder:
        artefacts = Artefacts(folder)
        with options.build(artefacts) as runner:
            diagnoses = _diagnosed(named, flags.epochs, options, runner, artefacts)
    title = f"{spec.name}: diagnosis, seed {spec.search.seed}"
    if path:
        write(path, as_page(title, diagnoses))
    results = console.result(options.no_color)
    if options.json:
        found = record(spec.name, spec.search.seed, diagnoses)
        output.emit(dumps(found, indent=2, allow_nan=False))
    else:
        console.emit(as_text(title, diagnoses, results.width), results)
    if path:
        options.note("", f"the page is in {path}")
    return EXIT_OK


def _configurations(flags: SearchFlags, source: ConfigSource) -> list[tuple[str, NetworkSpec]]:
    """Return each configuration by its name, which says what tells it from the others.

    Raises:
        SpecError: it has the mistakes in all of them; or they are too many.
    """
    rows = SMOKE_ROWS if flags.smoke else None
    named: list[tuple[str, NetworkSpec]] = []
    problems: dict[Problem, None] = {}
    for name, settings in _combined(flags.settings):
        try:
            said = list(overrides(replace(flags, settings=settings), None))
            found = parse(source.text, source.file, source.folder, said, rows)
            spec = networks_of(found, "diagnose")
            named.append((name or spec.name, spec))
            _point(spec)
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise SpecError(*problems)
    _tell_apart(named)
    return named


def _combined(settings: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return every combination of what each `--set` lists.

    Each has a name, which says what varies, and `--set`s of its own.
    """
    options: dict[str, list[str]] = {}
    for flag in settings:
        key, values = _values(flag)
        options.pop(key, None)  # a later one stands over it
        options[key] = values
    count = prod(map(len, options.values()))
    if count > _MOST:
        message = f"these are {count:,} configurations"
        raise SpecError(Problem("E091", message, help=f"at most {_MOST} are trained side by side"))
    vary = [len(values) > 1 for values in options.values()]
    return [(" ".join(compress(flags, vary)), flags) for flags in product(*options.values())]


def _tell_apart(named: Sequence[tuple[str, NetworkSpec]]) -> None:
    """Refuse two names of one training, as with two momenta beside an optimizer without one."""
    for (first, one), (second, other) in combinations(named, 2):
        if _point(one) == _point(other):
            message = (
                f"'{first}' and '{second}' are the same training: "
                "what tells them apart has no meaning there"
            )
            raise SpecError(Problem("E094", message, help="leave one of the two out"))


def _values(flag: str) -> tuple[str, list[str]]:
    """Return the key of a `--set`, and a `--set` for each of the values that it lists.

    Only settings of a training take several values.
    """
    key, equals, text = flag.partition("=")
    key = key.strip().removeprefix("train.")
    values = [value.strip() for value in text.split(",")]
    if not equals or key not in SETTINGS or len(values) == 1:
        return key, [flag]
    if not all(values) or len(set(values)) < len(values):
        message = f"'{text}' is no list of different values"
        place, help = Place(f"--set {flag}", 0, 0), f"such as  --set {key}=A,B,C"
        raise SpecError(Problem("E010", message, place, help=help))
    return key, [f"{key}={value}" for value in values]


def _point(spec: NetworkSpec) -> Params:
    """Return all settings of the training: where some are searched, those of the default point."""
    default = spec.default()
    if default is None:
        message = "the constraints forbid the default point, which is diagnosed"
        raise SpecError(Problem("E092", message, help="fix settings with  --set KEY=VALUE"))
    return spec.settings(default)


def _diagnosed(
    named: Sequence[tuple[str, NetworkSpec]],
    asked: int | None,
    options: RunOptions,
    runner: Runner,
    artefacts: Artefacts,
) -> list[Diagnosis]:
    """Return each configuration with its probes; those that fit together are trained together."""
    (_, spec), *_ = named
    work = ask_for_device(runner, options)
    data = prepare(spec.data)
    device = chosen_device(runner, work)
    threads = options.resources.threads
    for _, one in named:
        Networks(one).on(data, None, device, threads)  # refuses data that does not suit the model
    options.note(*announcement(data))
    settings = [_point(one) for _, one in named]
    probes: dict[int, list[Probe]] = {}
    beside = device.holding(data_bytes(data))
    with stored_data(data, artefacts) as (data, held):
        for positions in cohorts(settings, data.shape, data.outputs, beside):
            members = tuple(Member(position, settings[position]) for position in positions)
            whole = int(settings[positions[0]]["epochs"])
            epochs = whole if asked else min(whole, _EPOCHS)
            names = ", ".join(named[position][0] for position in positions)
            options.note(f"{epochs} epoch{'s' * (epochs > 1)} of {names} ...")
            job = DiagnosisJob(members, DataRef(held), spec.search.seed, beside, epochs)
            call, environment = "hpsearch.objectives.training:diagnose", set_up(threads)
            key = WorkKey(-1, positions[0] + 2)
            work = Work(key, call, job, set_up=environment, needs=(held,))
            runner.submit(work)
            for probe in collect(runner, work):
                probes.setdefault(probe.number, []).append(probe)
    return [Diagnosis(name, settings[k], tuple(probes[k])) for k, (name, _) in enumerate(named)]
