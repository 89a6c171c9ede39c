"""Trials that are trained again: in which company, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from hpsearch.runners import WorkCrashed
from hpsearch.search.again import needed, train_again
from hpsearch.search.loop import Memory, Stop, WaveStarted, run
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Failed, Trial, TrialEnded
from tests.helpers.histories import done
from tests.helpers.objectives import FakeObjective, FakeRunner, together
from tests.search.test_loop import SEARCH

TOGETHER = replace(SEARCH, objective=FakeObjective(grouping=together), retries=1)


def in_company(cohort: Cohort) -> Iterable[object]:
    """Give losses that tell with how many others a trial was trained."""
    for trial in cohort.trials:
        yield TrialEnded(trial.run, done(trial.run + len(cohort.trials) / 100))


def searched(train: Callable[[Cohort], Iterable[object]]) -> History:
    """Return what a search of three cohorts finds: of 4, 4 and 2 trials."""
    journal = Memory()
    for _ in run(TOGETHER, journal, FakeRunner(train), Stop()):
        pass
    return journal.known


def again(kept: History, runs: Sequence[int]) -> tuple[History, list[Sequence[int]]]:
    """Train runs again; return what comes of it, and which trials were trained together."""
    journal = Memory()
    events = train_again(TOGETHER, kept, runs, FakeRunner(in_company), journal)
    trained = [e.trials for e in events if isinstance(e, WaveStarted)]
    return journal.known, [[trial.number for trial in trials] for trials in trained]


def test_a_trial_is_trained_with_its_cohort_and_no_other() -> None:
    kept = searched(in_company)
    found, trained = again(kept, [5])
    assert trained == [[4, 5, 6, 7]]
    assert found.results == {number: kept.results[number] for number in range(4, 8)}


def test_nothing_is_asked_for() -> None:
    kept = searched(in_company)
    found, _ = again(kept, [9])
    assert [trial.number for trial in found.trials] == [8, 9]


def test_a_trial_whose_cohort_had_crashed_is_trained_alone_as_it_was() -> None:
    def crash_together(cohort: Cohort) -> Iterable[object]:
        if len(cohort.trials) > 2:
            yield WorkCrashed("killed", "SIGKILL")
        yield from in_company(cohort)

    kept = searched(crash_together)
    found, trained = again(kept, [5])
    assert trained == [[4, 5, 6, 7], [5]]
    assert found.results[5] == kept.results[5]
    assert found.results[4] != kept.results[4]  # which was not asked for


def test_a_trial_that_differs_either_way_is_that_of_its_cohort() -> None:
    kept = searched(in_company)
    changed = kept.with_results({5: done(0.5)})
    found, trained = again(changed, [5])
    assert trained == [[4, 5, 6, 7], [5]]
    assert found.results[5] == kept.results[5]


def test_a_failure_that_does_not_come_again_is_a_difference() -> None:
    def diverge(cohort: Cohort) -> Iterable[object]:
        for trial in cohort.trials:
            yield TrialEnded(trial.run, Failed("diverged", "far"))

    _, trained = again(searched(diverge), [0])
    assert trained == [[0, 1, 2, 3], [0]]


def segment(number: int, cohort: int, parent: int | None = None, start: int = 0) -> Trial:
    until = {0: 1, 1: 3, 3: None}[start]
    return Trial(
        number, {}, "", cohort, cohort, parent=parent, start_epoch=start, until_epoch=until
    )


def test_all_cohorts_are_needed_that_a_segment_or_its_company_came_from() -> None:
    trials = (
        *(segment(0, 0), segment(1, 0), segment(2, 1), segment(3, 2)),
        *(segment(4, 3, 1, 1), segment(5, 3, 2, 1), segment(6, 4, 3, 1)),
        segment(7, 5, 1, 3),
    )
    history = History(trials, {n: done(0.5) for n in range(8)})

    def cohorts(*runs: int) -> list[list[int]]:
        return [[trial.number for trial in one.trials] for one in needed(history, runs)]

    assert cohorts(0) == [[0, 1]]
    assert cohorts(1) == [[0, 1], [2], [4, 5], [7]]  # trial 2 was company in the second segment
    assert cohorts(2) == cohorts(1)[:3]
    assert cohorts(3) == [[3], [6]]
    assert cohorts(0, 3) == [[0, 1], [3], [6]]


def test_a_segment_that_has_not_ended_is_not_trained() -> None:
    trials = (segment(0, 0), segment(1, 1, 0, 1))
    found, trained = again(History(trials, {0: Done(0.01, 0.99, 1.0, 1e9, 100, 10, 7)}), [0])
    assert (trained, len(found.trials)) == ([[0]], 1)
