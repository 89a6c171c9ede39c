"""Trials of a study, trained again in the company that they had, all segments from epoch 0.

A study keeps which trials were one cohort, and the engine cuts a cohort into arrays by the settings
and the device alone. A training may have gone on in another cohort than it began in, and so may its
company: the cohorts that all of these came from are trained as well, in their order.

What a study does not keep is that a cohort had crashed, so that its trials were trained one by one.
A trial that differs is therefore trained by itself as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from hpsearch.runners import Runner
from hpsearch.search.loop import Event, Memory, Search, Stop, WaveStarted, run
from hpsearch.study.differences import differences
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Trial


def train_again(
    search: Search, kept: History, runs: Collection[int], runner: Runner, journal: Memory
) -> Iterator[Event]:
    """Train runs again, and give what happens.

    Args:
        search: how the study searches.
        kept: what the study keeps.
        runs: the numbers of runs that have ended, see `History.ended`.
        runner: where it is done.
        journal: an empty one; it gets the trials that are trained, and their results.
    """
    # nothing is asked for: the loop goes on with trials that have no result
    again = replace(search, budget=0)
    for cohort in needed(kept, runs):
        journal.record_wave(cohort.trials)
        yield WaveStarted(cohort.trials)
        yield from run(again, journal, runner, Stop())
        if len(cohort.trials) > 1:
            for trial in cohort.trials:
                if trial.run in runs and _differs(trial, kept, journal.known):
                    yield from _train_alone(trial, again, kept, runner, journal)


def _train_alone(
    trial: Trial, again: Search, kept: History, runner: Runner, journal: Memory
) -> Iterator[Event]:
    """Train a trial by itself, and keep its result if it is what the study says."""
    others = {n: result for n, result in journal.known.results.items() if n != trial.number}
    alone = Memory(replace(journal.known, results=others))
    yield WaveStarted((trial,))
    yield from run(again, alone, runner, Stop())
    if not _differs(trial, kept, alone.known):
        journal.known = alone.known


def _differs(trial: Trial, kept: History, found: History) -> bool:
    study, here = kept.results[trial.number], found.results[trial.number]
    return bool(differences(trial.number, study, here, with_weights=False))


def needed(history: History, runs: Collection[int]) -> Sequence[Cohort]:
    """Return the cohorts in which all segments of runs were trained, in their order.

    With them are the cohorts in which the company of a later segment was trained before.
    """
    ended = [trial for trial in history.trials if trial.number in history.results]
    numbers = {trial.cohort for trial in ended if trial.run in runs}
    for trial in reversed(ended):  # a segment has a higher number than all before it
        if trial.cohort in numbers:
            numbers |= {
                one.cohort for one in history.segments[trial.run] if one.number < trial.number
            }
    return [
        Cohort(number, tuple(trial for trial in ended if trial.cohort == number))
        for number in sorted(numbers)
    ]
