"""What is to be expected of a winner, from histories whose losses are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from statistics import fmean

import numpy as np
import pytest

from hpsearch.report.board.choice import Candidate, chosen
from hpsearch.report.board.worth import Estimate, Expectation, expectation
from hpsearch.study.history import History
from hpsearch.study.trial import Failed, Origin, Replicate, Result, Trial, averaged
from tests.helpers.histories import done, of_points


def in_parts(losses: Sequence[Sequence[float]], seeds: bool = False) -> History:
    """Return a history of trials with these losses on each fold, or from each seed."""
    results: dict[int, Result] = {}
    for number, own in enumerate(losses):
        places = [(part, 0) if seeds else (0, part) for part in range(len(own))]
        parts = [Replicate(*at, loss, 0.0, 1) for at, loss in zip(places, own, strict=True)]
        results[number] = averaged(done(0.0), parts)
    return History(tuple(Trial(n, {"x": n}, "", 0, n) for n in range(len(losses))), results)


def repeated(losses: Sequence[Sequence[float]], default: int | None = None) -> History:
    """Return a history of trials with these losses of their first run and of each repetition."""
    trials, results = [], []
    for number, own in enumerate(losses):
        origin: Origin = "default" if number == default else "random"
        trials.append(Trial(number, {"x": number}, "", 0, number, origin=origin))
        results.append(own[0])
    for number, own in enumerate(losses):
        for run, loss in enumerate(own[1:], 1):
            at = len(trials)
            trials.append(Trial(at, {"x": number}, "", 1, at, parent=number, replicate=run))
            results.append(loss)
    return History(tuple(trials), {n: done(loss) for n, loss in enumerate(results)})


def expected(history: History, shift: float = 0.0) -> Expectation | None:
    """Return what is to be expected of the winner; scores are losses plus `shift` a trial."""
    candidates = [
        Candidate(trial.number, one.loss + shift * trial.number, one.loss_se, trial.number, 0.0)
        for trial, one in history.contenders
    ]
    return expectation(history, candidates, chosen(candidates).number)


def mean(found: Expectation | None) -> tuple[float, float]:
    assert found is not None
    return found.loss.value, found.flattery.value


class TestRepetitions:
    def test_a_first_loss_is_held_against_the_repetitions(self) -> None:
        found = expected(repeated([[0.4, 0.5, 0.6], [0.9, 0.9, 0.9]]))
        assert found is not None
        assert found.by == "repetitions"
        assert found.parts == pytest.approx({1: 0.5, 2: 0.6})
        assert mean(found) == pytest.approx((0.55, 0.15))

    def test_the_standard_error_is_that_of_all_that_were_run_again(self) -> None:
        # variances of the repetitions: 0.02, 0 and, of the default, much
        history = repeated([[0.4, 0.4, 0.6], [0.9, 0.9, 0.9], [5.0, 1.0, 9.0]], default=2)
        found = expected(history)
        assert found is not None
        assert found.loss.error == found.flattery.error == pytest.approx(sqrt(0.01 / 2))
        assert found.loss.freedom == 2

    def test_a_repetition_that_has_chosen_the_winner_does_not_judge_it(self) -> None:
        """Trial 0 wins by its low repetition; without that, trial 1 would have won."""
        found = expected(repeated([[0.40, 0.10], [0.38, 0.50]]))
        assert mean(found) == pytest.approx((0.50, 0.10))
        assert found is not None
        assert found.loss.error is None
        assert found.loss.is_beyond_noise

    def test_repetitions_are_asked_before_folds(self) -> None:
        history = in_parts([[0.4, 0.6], [0.8, 0.9]])
        again = Trial(2, {"x": 0}, "", 1, 2, parent=0, replicate=1)
        found = expected(history.with_trials([again]).with_results({2: history.results[1]}))
        assert found is not None
        assert found.by == "repetitions"
        # the same rows in other folds are not more rows: the error is that over its folds
        assert found.loss == pytest.approx((0.85, 0.05, 1))
        assert found.flattery == pytest.approx((0.35, None, 0))

    def test_a_finalist_whose_repetitions_are_pending_has_no_say_yet(self) -> None:
        history = repeated([[0.40, 0.50, 0.60], [0.30, 0.95]])
        pending = Trial(len(history), {"x": 1}, "", 1, 9, parent=1, replicate=2)
        assert mean(expected(history.with_trials([pending]))) == pytest.approx((0.55, 0.15))

    def test_a_first_run_that_was_dropped_is_no_first_loss(self) -> None:
        history = repeated([[0.01, 0.4, 0.5], [0.02, 0.9, 0.9]])
        dropped = {n: replace(done(0.01), paused=True) for n in (0, 1)}
        found = expected(history.with_results(dropped))
        assert found is not None
        assert found.parts == pytest.approx({2: 0.5})
        assert found.flattery.value == pytest.approx(0.1)

    def test_nothing_is_known_while_repetitions_are_pending_or_failed(self) -> None:
        history = repeated([[0.4, 0.5]])
        assert expected(History(history.trials, {0: done(0.4)})) is None
        failed = History(history.trials, {0: done(0.4), 1: replace(done(0.5), paused=True)})
        assert expected(failed) is None


class TestFolds:
    def test_a_winner_on_every_fold_is_not_flattered(self) -> None:
        found = expected(in_parts([[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]]))
        assert found is not None
        assert found.by == "folds"
        assert mean(found) == pytest.approx((0.2, 0.0))
        assert found.loss.error == pytest.approx(0.1 / sqrt(3))

    def test_one_that_wins_by_a_single_fold_is_judged_without_it(self) -> None:
        """Of two folds, each chooses a trial by its own and judges it on the other."""
        found = expected(in_parts([[0.0, 0.9], [0.6, 0.5]]))
        assert found is not None
        # by fold 0 trial 0 wins, which has 0.9 on fold 1; by fold 1 trial 1, which has 0.6 on 0
        assert found.parts == pytest.approx({0: 0.6, 1: 0.9})
        assert mean(found) == pytest.approx((0.75, 0.3))

    def test_seeds_of_a_fold_are_one_part(self) -> None:
        history = in_parts([[0.1, 0.2], [0.5, 0.6]])
        results: dict[int, Result] = {}
        for number, result in history.results.items():
            assert not isinstance(result, Failed)
            both = [replace(one, replicate=seed) for one in result.replicates for seed in (0, 1)]
            results[number] = averaged(result, both)
        found = expected(History(history.trials, results))
        assert found is not None
        assert found.by == "folds"
        assert found.parts == pytest.approx({0: 0.1, 1: 0.2})

    def test_where_there_are_no_folds_seeds_stand_in(self) -> None:
        found = expected(in_parts([[0.0, 0.9], [0.6, 0.5]], seeds=True))
        assert found is not None
        assert found.by == "seeds"
        assert found.loss.value == pytest.approx(0.75)

    def test_a_choice_by_scores_stays_one(self) -> None:
        """Trial 0 has the lower loss, and trial 1 the lower score on every fold."""
        found = expected(in_parts([[0.4, 0.4], [0.6, 0.6]]), shift=-1.0)
        assert mean(found) == pytest.approx((0.6, 0.0))

    def test_trials_that_were_dropped_have_no_say(self) -> None:
        history = in_parts([[0.0, 0.9], [0.6, 0.5], [0.7, 0.4]])
        pruned = history.results[2]
        assert not isinstance(pruned, Failed)
        results = {**history.results, 2: replace(pruned, paused=True)}
        found = expected(History(history.trials, results))
        assert mean(found) == pytest.approx((0.75, 0.3))

    def test_a_single_training_tells_nothing(self) -> None:
        assert expected(of_points([{"x": 1}, {"x": 2}], {0: done(0.4), 1: done(0.6)})) is None

    def test_the_same_history_gives_the_same_estimate(self) -> None:
        rng = np.random.default_rng(0)
        history = in_parts(rng.normal(size=(20, 5)).tolist())
        assert expected(history) == expected(History(history.trials, history.results))

    def test_noise_is_told_from_what_trials_are_worth(self) -> None:
        """All trials are worth the same, 0: their winners are too, and seem to be worth less."""
        found = []
        for seed in range(60):
            noise = np.random.default_rng(seed).normal(size=(20, 5))
            one = expected(in_parts((noise - noise.mean(0)).tolist()))
            assert one is not None
            found.append((one.loss.value, one.flattery.value))
        losses, flatteries = zip(*found, strict=True)
        # the estimates stray by 0.3 each (experiments/flattery.py): four standard errors
        assert fmean(losses) == pytest.approx(0.0, abs=4 * 0.3 / sqrt(60))
        assert fmean(flatteries) > 0.4


class TestComparisons:
    def test_a_level_is_beyond_noise_or_not(self) -> None:
        found = expected(in_parts([[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]]))
        assert found is not None
        # of three folds: 2.92 times 0.1 / sqrt(3) is 0.169
        assert found.below(0.37).is_beyond_noise
        assert not found.below(0.36).is_beyond_noise

    def test_another_trial_is_compared_fold_by_fold(self) -> None:
        history = in_parts([[0.1, 0.9, 0.5], [0.2, 1.0, 0.61]])
        found = expected(history)
        assert found is not None
        below = found.below_trial(history, 1)
        assert below is not None
        assert below.value == pytest.approx(0.31 / 3)
        assert below.is_beyond_noise

    def test_another_trial_is_compared_by_common_repetitions(self) -> None:
        history = repeated([[0.4, 0.50, 0.62], [0.9, 0.90, 1.00], [0.8], [0.7, 0.70, 0.80]])
        found = expected(history)
        assert found is not None
        below = found.below_trial(history, 1)
        assert below is not None
        assert below.value == pytest.approx(0.39)
        # less the means of trials and repetitions, the losses are ±1/150 and four times ±1/300
        assert below.error == pytest.approx(sqrt(2 * (2 / 150**2 + 4 / 300**2) / 2 / 2))
        assert below.freedom == 2
        assert found.below_trial(history, 2) is None

    def test_more_trainings_need_less_of_a_difference(self) -> None:
        told = [n for n in range(1, 40) if Estimate(2.0, 1.0, n).is_beyond_noise]
        assert told == list(range(6, 40))
