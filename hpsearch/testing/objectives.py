"""What every objective promises: cohorts that hold each trial once, and work that ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import gettempdir

from hpsearch.objectives import Objective
from hpsearch.runners import Runner, WorkCrashed, WorkFinished
from hpsearch.runners.inline import Inline
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Epoch, Failed, Trial, TrialEnded
from hpsearch.testing import Check, bound

_TRIALS = 6


def in_process() -> Runner:
    """Return a runner that does work in this process; it is for work that leaves no artefacts."""
    return Inline(Artefacts(Path(gettempdir())))


@dataclass(frozen=True, slots=True)
class SearchableObjective:
    """An objective that is ready to be searched, and what makes a runner that can do its work."""

    objective: Objective
    runner: Callable[[], Runner]


def trials(objective: Objective) -> list[Trial]:
    """Return a wave of random trials."""
    points = [objective.space.sample(Random(n)) for n in range(_TRIALS)]
    return [Trial(n, params, "random", 0, n, origin="random") for n, params in enumerate(points)]


def its_default_and_typical_values_are_in_its_space(subject: SearchableObjective) -> None:
    """The default point is a point of the space, and typical values are of settings that it has."""
    objective = subject.objective
    default = objective.default()
    assert default is None or default in objective.space
    settings = objective.settings(default or objective.space.sample(Random(0)))
    assert settings.items() >= (default or {}).items()


def it_puts_each_trial_into_one_cohort(subject: SearchableObjective) -> None:
    """Cohorts hold each position once, and are the same whenever they are asked for."""
    objective = subject.objective
    wave = trials(objective)
    groups = objective.cohorts(wave)
    assert sorted(position for group in groups for position in group) == [*range(len(wave))]
    assert objective.cohorts(wave) == groups


def a_whole_trial_has_epochs(subject: SearchableObjective) -> None:
    """Each trial takes one epoch at least."""
    objective = subject.objective
    assert all(objective.epochs(trial.params) >= 1 for trial in trials(objective))


def its_work_gives_each_trial_a_result(subject: SearchableObjective) -> None:
    """The work of a cohort ends, and gives one result for each of its trials."""
    objective = subject.objective
    wave = trials(objective)
    group = objective.cohorts(wave)[0]
    cohort = Cohort(3, tuple(wave[position] for position in group))
    ended = _ended(subject, cohort, History(tuple(wave)))
    assert set(ended) == {trial.number for trial in cohort.trials}


def its_epochs_are_those_of_its_trials(subject: SearchableObjective) -> None:
    """An epoch is of a trial of the cohort, and the curve of a result has its epochs in order."""
    (trial,) = trials(subject.objective)[:1]
    (result,) = _ended(subject, Cohort(0, (trial,)), History((trial,))).values()
    epochs = [one.epoch for one in result.curve]
    assert epochs == sorted(set(epochs))
    assert all(1 <= epoch <= subject.objective.epochs(trial.params) for epoch in epochs)


def a_trial_that_has_paused_goes_on(subject: SearchableObjective) -> None:
    """A training that is cut into two segments has no epoch twice, and ends in the second one."""
    objective = subject.objective
    whole = trials(objective)[0]
    if objective.epochs(whole.params) == 1:
        return
    first = replace(whole, until_epoch=1)
    history = History((first,))
    (paused,) = _ended(subject, Cohort(0, (first,)), history).values()
    assert isinstance(paused, Done)
    assert [one.epoch for one in paused.curve] in ([], [1])
    if not paused.paused:
        return
    second = replace(whole, number=1, parent=0, start_epoch=1, cohort=1)
    history = history.with_results({0: paused}).with_trials([second])
    ended = _ended(subject, Cohort(1, (second,)), history)
    assert set(ended) == {first.number}  # by which its objective knows the training
    (last,) = ended.values()
    assert isinstance(last, Done)
    assert not last.paused
    assert 1 not in [one.epoch for one in last.curve]


def _ended(
    subject: SearchableObjective, cohort: Cohort, history: History
) -> Mapping[int, Done | Failed]:
    """Return what the work of a cohort gives for each of its trainings."""
    work = subject.objective.work(cohort, 1, history)
    assert work.key == (cohort.number, 1)
    ended: dict[int, Done | Failed] = {}
    with subject.runner() as runner:
        runner.submit(work)
        while True:
            events = runner.wait(0.1)
            for _, event in events:
                if isinstance(event, Epoch):
                    assert event.number in {trial.run for trial in cohort.trials}
                if isinstance(event, TrialEnded):
                    assert event.run not in ended
                    ended[event.run] = event.result
            if any(isinstance(event, WorkFinished | WorkCrashed) for _, event in events):
                return ended


def what_it_describes_can_be_kept(subject: SearchableObjective) -> None:
    """The description is JSON, and asks for no artefact where nothing has ended."""
    objective = subject.objective
    json.dumps(dict(objective.describe().data), allow_nan=False)
    assert not objective.kept(History(tuple(trials(objective))))


_PROMISES = (
    its_default_and_typical_values_are_in_its_space,
    it_puts_each_trial_into_one_cohort,
    a_whole_trial_has_epochs,
    its_work_gives_each_trial_a_result,
    its_epochs_are_those_of_its_trials,
    a_trial_that_has_paused_goes_on,
    what_it_describes_can_be_kept,
)


def checks(
    objective: Objective, runner: Callable[[], Runner] = in_process
) -> list[Check[SearchableObjective]]:
    """Return the checks of an objective that is ready to be searched.

    `runner` makes a runner that can do its work, of which some is done: it should be cheap.
    """
    return bound(_PROMISES, SearchableObjective(objective, runner))
