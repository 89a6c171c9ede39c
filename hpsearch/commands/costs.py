"""What trials cost and what a search would take: counted by operations, or timed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpsearch.commands.session import RunOptions, ask_for_device, chosen_device, collect_all
from hpsearch.config.spec import NetworkSpec, Spec
from hpsearch.data import Dataset
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.timing import Timing
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.networks import Networks
from hpsearch.report.costs import Corner, Costs
from hpsearch.runners import Runner
from hpsearch.search.forecast import (
    Pace,
    corners,
    forecast,
    nominal_seconds,
    seconds_to_choose,
    waves,
)
from hpsearch.space.space import Params
from hpsearch.strategies import STRATEGIES, Context, CostModel, StrategyOptions
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.files import temporary_folder

_USUAL_TRIALS = 50
_USUAL_TIME = 1800.0  # seconds
_STRATEGY = "bayes"  # the one that asks for the fewest trials at a time, and takes longest for it
_COHORTS = 6  # that are timed beside the corners


def counted(spec: NetworkSpec, data: Dataset, options: RunOptions) -> Costs:
    """Return costs in nominal seconds; nothing runs."""
    device = CPU if options.device == "auto" else Device(options.device)
    networks = Networks(spec).on(data, None, device, options.resources.threads)
    ends = [_corner(*named, networks) for named in _corners(networks).items()]
    return _costs(networks, options, ends, Pace())


def probed(spec: NetworkSpec, options: RunOptions) -> tuple[Dataset, Costs]:
    """Return the data, and costs by a few steps of some trainings on this machine."""
    with temporary_folder() as folder:
        artefacts = Artefacts(folder)
        with options.build(artefacts) as runner:
            work = ask_for_device(runner, options)
            data = prepare(spec.data)
            device = chosen_device(runner, work)
            with stored_data(data, artefacts) as (data, held):
                networks = Networks(spec).on(data, held, device, options.resources.threads)
                return data, _timed(networks, options, runner)


def _timed(networks: Networks, options: RunOptions, runner: Runner) -> Costs:
    """Time the corners, alone, and some cohorts, as many at a time as there are workers.

    The cheapest corner comes first, so that it meets a worker that has trained nothing yet.
    """
    found, cohorts = _corners(networks), _spread(networks)
    asked = [*([params] for params in found.values()), *cohorts]
    works = [networks.timing(k + 1, trials) for k, trials in enumerate(asked)]
    options.note(f"timing a few steps of {len(works)} trainings ...")
    for work in works:
        runner.submit(work)
    given = collect_all(runner, works)
    timings: list[Timing] = [timing for work in works for timing in given[work.key]]
    free = min(timing.before for timing in timings)
    ends = [
        _corner(name, params, networks, timing.seconds, timing.on_device or timing.peak - free)
        for (name, params), timing in zip(found.items(), timings, strict=False)
    ]
    costs = _cost_model(networks)
    pace = Pace.of(
        [
            (nominal_seconds(costs, trials), timing.seconds)
            for trials, timing in zip(cohorts, timings[len(found) :], strict=True)
        ]
    )
    memory = max(timing.peak for timing in timings)
    return _costs(networks, options, ends, pace, _seconds_to_choose(networks), memory)


def _spread(networks: Networks) -> Sequence[Sequence[Params]]:
    """Return some cohorts of a search, spread from the cheapest to the dearest."""
    costs, spec = _cost_model(networks), networks.spec
    asked = waves(networks, _trials(spec), _wave(spec))
    cohorts = [cohort for wave in asked for cohort in wave]
    cohorts.sort(key=lambda cohort: nominal_seconds(costs, cohort))
    last = len(cohorts) - 1
    return [cohorts[k] for k in sorted({round(k * last / (_COHORTS - 1)) for k in range(_COHORTS)})]


def _corners(networks: Networks) -> Mapping[str, Params]:
    cheapest, dearest = corners(networks.space, _cost_model(networks))
    return {"cheapest": cheapest, "dearest": dearest}


def _corner(
    name: str,
    params: Params,
    networks: Networks,
    seconds: float | None = None,
    memory: int | None = None,
) -> Corner:
    costs = _cost_model(networks)
    (nominal,) = costs([params], [])
    decisive = {
        setting: value
        for setting, value in params.items()
        if any(
            float(costs([{**params, setting: other}], [])[0]) != nominal
            for other in networks.space.parameters[setting].grid(2)
        )
    }
    return Corner(name, decisive, float(nominal), seconds, memory)


def _costs(
    networks: Networks,
    options: RunOptions,
    ends: Sequence[Corner],
    pace: Pace,
    choosing: float = 0.0,
    worker_memory: int | None = None,
) -> Costs:
    spec, workers = networks.spec, options.workers
    time = spec.search.time or _USUAL_TIME
    trials, least = _trials(spec), _least(networks)
    found = forecast(networks, trials, time, _wave(spec), workers, pace, choosing, least)
    return Costs(
        corners=ends,
        forecast=found,
        time=time,
        workers=workers,
        threads=networks.threads,
        device=networks.device.name,
        worker_memory=worker_memory,
    )


def _least(networks: Networks) -> float:
    """Return the share of its epochs after which a training may end, for want of a better loss."""
    points = [params for wave in waves(networks, _trials(networks.spec), 1) for (params,) in wave]
    return min(map(_share, map(networks.settings, points)))


def _share(settings: Params) -> float:
    patience, epochs = int(settings["patience"]), int(settings["epochs"])
    return min(1.0, (patience + 1) / epochs) if patience else 1.0


def _seconds_to_choose(networks: Networks) -> float:
    trials = _trials(networks.spec)
    context = Context(budget=trials, costs=networks.costs())
    return seconds_to_choose(_options().build(context), networks.space, trials)


def _options() -> StrategyOptions:
    return STRATEGIES.load(_STRATEGY)()


def _cost_model(networks: Networks) -> CostModel:
    costs = networks.costs()
    assert costs is not None, "networks are counted"
    return costs


def _trials(spec: Spec) -> int:
    return spec.search.budget or _USUAL_TRIALS


def _wave(spec: Spec) -> int:
    return spec.search.wave or _options().wave_size(Context())
