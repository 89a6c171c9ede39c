"""What a winner is worth: the loss to be expected of it, and how much its own loss flatters it.

The lowest of many losses is the lowest in part by chance, so it is too low (the winner's curse).
By how much is estimated from the history alone. A winner is chosen again without one part of what
is known, by the rule that chose it, and judged on that part, which had no say. The parts are

- its repetitions, with other seeds and other validation rows, where the best were run again; the
  first runs always have a say,
- the folds, where trials have folds,
- the seeds, where these are all that there is: then only the chance in the seeds is seen.

A choice is made by many bootstrap samples of the other parts, so that it is no matter of a few.
Decision 30 has the measurements behind this.

Sources: Efron 1983 (the leave-one-out bootstrap); Tsamardinos, Greasidou & Borboudakis 2018 (the
bootstrap of a choice by cross-validation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from random import Random
from statistics import fmean, median, stdev, variance
from typing import Literal, NamedTuple

import numpy as np

from hpsearch.metrics import Numbers
from hpsearch.report.board.choice import Candidate, chosen
from hpsearch.study.history import History
from hpsearch.study.trial import Done

Source = Literal["repetitions", "folds", "seeds"]
"""What tells how much a loss flatters: repetitions, folds, or seeds alone."""

_CHOICES = 40  # how often a winner is chosen without each part

_T = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83)
"""The 95th percentile of Student's t with 1, 2, ... degrees of freedom; beyond, it is about 1.8."""


class Estimate(NamedTuple):
    """A value, its standard error (None where nothing tells it), and the degrees of freedom."""

    value: float
    error: float | None
    freedom: int

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the value is above 0 by more than chance would make it in 1 case of 20."""
        if self.error is None:
            return True
        quantile = _T[self.freedom - 1] if self.freedom <= len(_T) else 1.8
        return self.value > quantile * self.error


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is to be expected of a winner on other rows, or with other seeds.

    Attributes:
        loss: the mean of `parts`.
        flattery: how much lower the loss was by which it was chosen.
        by: what tells it.
        parts: the losses that it rests on, by the number of the repetition, the fold or the seed.
    """

    loss: Estimate
    flattery: Estimate
    by: Source
    parts: Mapping[int, float]

    def below(self, level: float) -> Estimate:
        """Return how far below a level the loss is."""
        return self.loss._replace(value=level - self.loss.value)

    def below_median(self, history: History, numbers: Sequence[int]) -> Estimate:
        """Return how far below the median of other trials the loss is.

        Losses of the same folds or seeds are compared; of repetitions, which few trials have, with
        first losses.
        """
        if self.by == "repetitions":
            return self.below(median(_first(history, number) for number in numbers))
        others = [_parts(history, number, self.by) for number in numbers]
        return _mean(
            [median(one[part] for one in others) - loss for part, loss in self.parts.items()]
        )

    def below_trial(self, history: History, number: int) -> Estimate | None:
        """Return how far below that of another trial the loss is.

        Losses of the same rows and seeds are compared. It is None where fewer than two are.
        """
        others = _parts(history, number, self.by)
        if len(self.parts) < 2 or not others.keys() >= self.parts.keys():
            return None
        below = _mean([others[part] - loss for part, loss in self.parts.items()])
        if self.by != "repetitions":
            return below
        return Estimate(below.value, *_difference(history, sorted(self.parts)))


def expectation(
    history: History, candidates: Sequence[Candidate], number: int
) -> Expectation | None:
    """Return what is to be expected of the winner; None where the history does not tell it.

    Args:
        history: that of the study.
        candidates: those among which the winner was chosen.
        number: the winner's.
    """
    if again := _parts(history, number, "repetitions"):
        parts = _elsewhere(history, candidates, number, "repetitions")
        spread = Estimate(fmean(parts.values()), *_spread(history, candidates, len(again)))
        flattery = spread._replace(value=spread.value - _first(history, number))
        loss = max([spread, *_over_folds(history, number, spread)], key=lambda one: one.error or 0)
        return Expectation(loss, flattery, "repetitions", parts)
    sources: tuple[Source, ...] = ("folds", "seeds")
    for by in sources:
        own = _parts(history, number, by)
        if len(own) > 1:
            parts = _elsewhere(history, candidates, number, by)
            flatteries = [parts[name] - loss for name, loss in own.items()]
            return Expectation(_mean(list(parts.values())), _mean(flatteries), by, parts)
    return None


def _elsewhere(
    history: History, candidates: Sequence[Candidate], number: int, by: Source
) -> Mapping[int, float]:
    """Return by part the loss there of what is chosen by the other parts."""
    found = {one.number: _parts(history, one.number, by) for one in candidates}
    names = sorted(found[number])
    alike = [one for one in candidates if found[one.number].keys() >= {*names}]
    losses = np.array([[found[one.number][name] for name in names] for one in alike])
    always = np.array([[_first(history, one.number)] for one in alike])
    always = always[:, : by == "repetitions"]  # else the first run is all that there is
    known, say = np.hstack([always, losses]), np.ones(always.shape[1])
    judged: dict[int, float] = {}
    for position, name in enumerate(names):
        total = 0.0
        for counts, times in _samples(len(names), position).items():
            again = _chosen_by(alike, known, np.append(say, counts))
            total += times * losses[again, position]
        judged[name] = total / _CHOICES
    return judged


def _chosen_by(candidates: Sequence[Candidate], losses: Numbers, counts: Numbers) -> int:
    """Return the position of the winner where each column of losses counts so often."""
    size = counts.sum()
    means = losses @ counts / size
    errors = np.sqrt((losses - means[:, None]) ** 2 @ counts / max(1.0, size - 1.0) / size)
    shifts = means - losses.mean(1)
    places = enumerate(zip(candidates, shifts.tolist(), errors.tolist(), strict=True))
    return chosen(
        [
            one._replace(number=place, score=one.score + shift, error=error)
            for place, (one, shift, error) in places
        ]
    ).number


def _samples(size: int, without: int) -> Mapping[tuple[int, ...], int]:
    """Return bootstrap samples of so many parts, none of which has one of them.

    Each is given as the counts of the parts, with how often it was drawn.
    """
    rng, others = Random(without), [part for part in range(size) if part != without]
    draws = (rng.choices(others, k=size) if others else [] for _ in range(_CHOICES))
    return Counter(tuple(map(draw.count, range(size))) for draw in draws)


def _spread(
    history: History, candidates: Sequence[Candidate], count: int
) -> tuple[float | None, int]:
    """Return the standard error of the mean of so many repetitions, and its degrees of freedom.

    Two or three repetitions tell little of their own spread, so that of all these trials is taken,
    the default one left out unless it is alone. It is None where each was repeated once.
    """
    rivals = [one for one in candidates if history.trials[one.number].origin != "default"]
    squares, freedom = 0.0, 0
    for one in rivals or candidates:
        losses = list(_parts(history, one.number, "repetitions").values())
        if len(losses) > 1:
            squares += (len(losses) - 1) * variance(losses)
            freedom += len(losses) - 1
    return (sqrt(squares / freedom / count), freedom) if freedom else (None, 0)


def _over_folds(history: History, number: int, mean: Estimate) -> Iterator[Estimate]:
    """Yield the mean with the standard error over the folds of each repetition, if it has folds.

    To divide the same rows into folds again does not make more of them.
    """
    for _, found in _whole_runs(history, number)[1:]:
        if found.loss_se is not None:
            yield Estimate(mean.value, found.loss_se, len(found.replicates) - 1)


def _difference(history: History, names: Sequence[int]) -> tuple[float, int]:
    """Return the standard error of how far two trials are apart, and its degrees of freedom.

    It goes by what is left of the losses of all trials that have these repetitions when each has
    lost its trial's mean, and that of its repetition, which has one split for all.
    """
    found = [_parts(history, number, "repetitions") for number in history.runs]
    losses = np.array([[one[name] for name in names] for one in found if one.keys() >= {*names}])
    rest = losses - losses.mean(1, keepdims=True) - losses.mean(0) + losses.mean()
    freedom = (len(losses) - 1) * (len(names) - 1)
    return sqrt(2.0 * float((rest**2).sum()) / freedom / len(names)), freedom


def _first(history: History, number: int) -> float:
    """Return the loss of the first run of a trial that went to its end."""
    return _whole_runs(history, number)[0][1].loss


def _parts(history: History, number: int, by: Source) -> Mapping[int, float]:
    """Return a trial's losses by repetition, or those of its first run by fold or seed.

    What was dropped on its way has none.
    """
    runs = _whole_runs(history, number)
    if by == "repetitions":
        return {replicate: result.loss for replicate, result in runs[1:]}
    found: dict[int, list[float]] = {}
    for one in runs[0][1].replicates if runs else ():
        found.setdefault(one.fold if by == "folds" else one.replicate, []).append(one.loss)
    return {name: fmean(losses) for name, losses in found.items()}


def _whole_runs(history: History, number: int) -> Sequence[tuple[int, Done]]:
    """Return the number of the repetition, 0 for none, and the result of each run that is whole."""
    ended = ((run.replicate, history.ended.get(run.number)) for run in history.runs[number])
    return [
        (replicate, result)
        for replicate, result in ended
        if isinstance(result, Done) and not result.paused
    ]


def _mean(values: Sequence[float]) -> Estimate:
    error = stdev(values) / sqrt(len(values)) if len(values) > 1 else None
    return Estimate(fmean(values), error, len(values) - 1)
