"""`diagnose`: one training, or a few side by side, for a few epochs: what is wrong with it, layer by layer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, compress, product
from math import prod
from typing import Any

from hpsearch.commands import console
from hpsearch.commands.flags import SMOKE_ROWS, overrides
from hpsearch.commands.launch import Run, call
from hpsearch.commands.page import writable, write
from hpsearch.commands.search import find_config
from hpsearch.config.spec import Spec, parse
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.cohorts import Checkup, Member, cohorts
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.errors import EXIT_OK, Place, Problem, SpecError
from hpsearch.report.diagnosis.page import as_page
from hpsearch.report.diagnosis.text import as_text, record
from hpsearch.report.diagnosis.view import Checked
from hpsearch.runners import Runner
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params
from hpsearch.study.trial import Probe

_EPOCHS = 5  # where nobody says how many: what is wrong shows in the first ones
_MOST = 12  # configurations side by side that a person can still compare


def diagnose(given: Mapping[str, Any]) -> int:
    """Train, look and tell; `given` holds what the command line says. Returns the exit code."""
    page = writable(given["page"])
    named = _configurations(given)
    run = Run.of({**given, "workers": 1})
    with run.runner() as runner:  # its process starts while the data is read
        checked = _checked(named, given["epochs"], run, runner)
    (_, spec), *_ = named
    title, seed = f"{spec.name}: diagnosis, seed {spec.search.seed}", spec.search.seed
    if page:
        write(page, as_page(title, checked))
    results = console.result(run.no_color)
    if run.json:
        console.emit(json.dumps(record(spec.name, seed, checked), indent=2, allow_nan=False))
    else:
        console.emit(console.rendered(as_text(title, checked, results.width), results))
    if page and not run.quiet:
        console.progress(run.no_color).print(
            f"\nthe page is in {page}", soft_wrap=True, markup=False
        )
    return EXIT_OK


def _configurations(given: Mapping[str, Any]) -> list[tuple[str, Spec]]:
    """Each configuration by its name: what tells it from the others.

    Raises:
        SpecError: with the mistakes in all of them; or there are too many.
    """
    text, file, folder = find_config(given["config"])
    named: list[tuple[str, Spec]] = []
    problems: dict[Problem, None] = {}
    for name, flags in _combined(given["settings"]):
        try:
            said = list(overrides({**given, "settings": flags, "budget": None}))
            spec = parse(text, file, folder, said, SMOKE_ROWS if given["smoke"] else None)
            named.append((name or spec.name, spec))
            _point(spec)
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise SpecError(*problems)
    _tell_apart(named)
    return named


def _combined(settings: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Every combination of what each `--set` lists: its name, which says what varies, and its own `--set`s."""
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


def _tell_apart(named: Sequence[tuple[str, Spec]]) -> None:
    """See that no two are the same training, as with several momenta beside an optimizer that has none."""
    for (first, one), (second, other) in combinations(named, 2):
        if _point(one) == _point(other):
            message = f"'{first}' and '{second}' are the same training: what tells them apart has no meaning there"
            raise SpecError(Problem("E094", message, help="leave one of the two out"))


def _values(flag: str) -> tuple[str, list[str]]:
    """The key of a `--set`, and a `--set` for each of the values that it lists: only settings take several."""
    key, equals, text = flag.partition("=")
    key = key.strip().removeprefix("train.")
    values = [value.strip() for value in text.split(",")]
    if not equals or key not in SETTINGS or len(values) == 1:
        return key, [flag]
    if not all(values) or len(set(values)) < len(values):
        message = f"'{text}' is no list of different values"
        raise SpecError(
            Problem(
                "E010", message, Place(f"--set {flag}", 0, 0), help=f"such as  --set {key}=A,B,C"
            )
        )
    return key, [f"{key}={value}" for value in values]


def _point(spec: Spec) -> Params:
    """All settings of the training: where some are searched, the default point."""
    default = spec.default()
    if default is None:
        message = "the constraints forbid the default point, which is diagnosed"
        raise SpecError(Problem("E092", message, help="fix settings with  --set KEY=VALUE"))
    return spec.settings(default)


def _checked(
    named: Sequence[tuple[str, Spec]], asked: int | None, run: Run, runner: Runner
) -> list[Checked]:
    """Each configuration with its probes; those that fit into one array are trained together."""
    (_, spec), *_ = named
    data = prepare(spec.data)
    device = run.device(runner)
    for _, one in named:
        Plan("diagnose", one).check(data)
    settings = [_point(one) for _, one in named]
    probes: dict[int, list[Probe]] = {}
    for positions in cohorts(settings, data.shape, data.outputs, device):
        members = tuple(Member(position, settings[position]) for position in positions)
        whole = int(settings[positions[0]]["epochs"])
        epochs = whole if asked else min(whole, _EPOCHS)
        checkup = Checkup(members, spec.data, spec.search.seed, device, epochs)
        if not run.quiet:
            for line in _progress(named, positions, epochs):
                console.progress(run.no_color).print(line, markup=False)
        for probe in call(runner, "hpsearch.engine.jobs:diagnose", checkup):
            probes.setdefault(probe.number, []).append(probe)
    return [Checked(name, settings[k], tuple(probes[k])) for k, (name, _) in enumerate(named)]


def _progress(
    named: Sequence[tuple[str, Spec]], positions: Sequence[int], epochs: int
) -> Iterator[str]:
    names = ", ".join(named[position][0] for position in positions)
    yield f"{epochs} epoch{'s' * (epochs > 1)} of {names} ..."
