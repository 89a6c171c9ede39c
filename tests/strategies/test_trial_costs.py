"""Searching where seconds count: predicted costs, penalties, the Pareto front, filled waves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from statistics import fmean

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.cohorts import wave_cost
from hpsearch.engine.structure.costs import WaveCost
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.settings import NEEDS, SETTINGS, complete
from hpsearch.space.parameters import Choice, Real
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Limit
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.confirm import Confirmed, UntilConverged, converged
from hpsearch.strategies.random import RandomSearch
from hpsearch.strategies.surrogates import model_of
from hpsearch.strategies.trial_costs import (
    CostPrediction,
    cost_penalty,
    log_hypervolume_improvement,
    pareto_front,
)
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, NewTrial, RepeatTrial, Result, Trial, Wait
from tests.helpers.histories import CUBE, done, of_points, play, sampled

KINDS = Space({"kind": Choice(("p", "q", "r")), "x": Real(0.0, 1.0), "y": Real(0.0, 1.0)})


def seconds_of(params: Params) -> float:
    return math.exp(1.0 + 2.0 * float(params["x"]) - float(params["y"]))


def timed(trials: int) -> History:
    history = sampled(CUBE, trials)
    results: dict[int, Result] = {
        t.number: done(float(t.params["z"]), seconds=seconds_of(t.params)) for t in history.trials
    }
    return History(history.trials, results)


class Nominal:
    """A cost model: a kind's cohort takes 10 seconds, and `own` more for each of its members."""

    def __init__(self, own: float) -> None:
        self.own = own

    def __call__(self, params: Sequence[Params], company: Sequence[Params]) -> np.ndarray:
        kinds = Counter(one["kind"] for one in company)
        return np.array([self.own + 10.0 * (kinds[one["kind"]] == 0) for one in params])


class TestCostPrediction:
    def test_seconds_are_learned_where_there_is_no_cost_model(self) -> None:
        costs = CostPrediction.fit(CUBE, timed(30), None)
        points = [CUBE.sample(Random(n)) for n in range(20)]
        expected, most = np.exp(costs.added(points, []))
        seconds = np.array([seconds_of(params) for params in points])
        assert expected == pytest.approx(seconds, rel=0.05)
        assert ((seconds < most) & (most < 1.5 * seconds)).all()

    def test_where_little_is_known_more_seconds_are_expected_than_a_median_trial_takes(
        self,
    ) -> None:
        costs = CostPrediction.fit(
            CUBE, of_points([{"x": 0.5, "y": 0.5, "z": 0.5}], {0: done(0.0, seconds=10.0)}), None
        )
        near, far = (dict.fromkeys("xyz", 0.5 + distance) for distance in (0.05, 0.5))
        (near_seconds, far_seconds), (_, at_most) = np.exp(costs.added([near, far], []))
        assert 10.0 < near_seconds < 20.0
        assert far_seconds > 2 * near_seconds
        assert at_most > 200.0

    def test_a_cost_model_is_scaled_to_what_trials_have_taken(self) -> None:
        history = timed(30)
        costs = CostPrediction.fit(
            CUBE, history, lambda params, company: np.array([seconds_of(one) / 3 for one in params])
        )
        assert costs.scale == pytest.approx(3.0)
        assert costs.pending(history.trials[:5]) == pytest.approx(
            sum(seconds_of(trial.params) for trial in history.trials[:5])
        )

    def test_what_takes_a_thirtieth_of_what_is_left_costs_nothing(self) -> None:
        seconds = np.array([1e-3, 10.0, 20.0, 100.0])
        assert cost_penalty(np.log(seconds), 300.0) == pytest.approx(
            [0.0, 0.0, math.log(2), math.log(10)]
        )

    def test_a_member_pays_for_its_cohort_where_no_other_has(self) -> None:
        bill = WaveCost("key", 2, 0.0, 1000, 1)
        alone, second, third = (bill.seconds({"key": n, "other": 1}) for n in range(3))
        assert alone == third > 5 * second > 0

    def test_members_of_a_trial_pay_for_its_cohort_once(self) -> None:
        bills = [WaveCost("key", 16 // members, 0.0, 1000, members) for members in (1, 8)]
        one, eight = (bill.seconds({"key": 1}) for bill in bills)
        assert eight == pytest.approx(8 * one)
        one, eight = (bill.seconds({}) for bill in bills)
        assert one < eight < 2 * one

    @pytest.mark.parametrize(
        "name", [name for name, setting in SETTINGS.items() if isinstance(setting.domain, Real)]
    )
    def test_a_fraction_does_not_change_what_a_training_costs(self, name: str) -> None:
        parents = {parent: allowed[0] for parent, allowed in NEEDS.get(name, {}).items()}
        domain, data = SETTINGS[name].domain, prepare(DataSpec("wine"))
        settings = [complete({**parents, name: domain.decode([place])}) for place in (0.1, 0.9)]
        assert settings[0][name] != settings[1][name]
        assert wave_cost(settings[0], data, CPU, 1) == wave_cost(settings[1], data, CPU, 1)


class TestRandomTrials:
    """With a limit of seconds and without a cost model."""

    @staticmethod
    def asked(history: History, draw: int, space: Space = CUBE) -> Params:
        new = Bayes(limit=Limit(100.0)).ask(space, history, Random(draw))
        assert isinstance(new, NewTrial)
        return new.params

    def test_the_first_is_near_the_middle_of_the_space_with_any_choice(self) -> None:
        points = [self.asked(History(), draw, KINDS) for draw in range(20)]
        assert all(abs(float(params[name]) - 0.5) <= 0.05 for params in points for name in "xy")
        assert {params["kind"] for params in points} == {"p", "q", "r"}

    def test_where_nothing_but_failures_is_known_they_leave_the_middle(self) -> None:
        middle = {"x": 0.5, "y": 0.5, "z": 0.5}
        ranges = []
        for failed in (1, 9):
            history = of_points(
                [middle] * failed, {n: Failed("diverged", "at once", 1.0) for n in range(failed)}
            )
            ranges.append(np.ptp([float(self.asked(history, draw)["x"]) for draw in range(20)]))
        assert ranges[1] > 0.7 > 0.3 > ranges[0]

    def test_they_stay_where_they_cannot_take_long(self) -> None:
        def judge(trial: Trial) -> Done:
            return done(
                0.0, seconds=math.exp(8.0 * float(trial.params["x"])) / 300.0
            )  # 0.003 to 10 of 100 seconds

        cheap = [
            play(Bayes(limit=Limit(100.0)), CUBE, 5, judge=judge, seed=seed) for seed in range(10)
        ]
        assert all(result.seconds < 100.0 / 30 for history in cheap for _, result in history.done)

    def test_with_a_cost_model_the_very_first_is_not_among_the_expensive(self) -> None:
        search = Bayes(
            costs=lambda points, company: np.array([100.0 * float(one["x"]) for one in points]),
            limit=Limit(600.0),
        )
        for draw in range(20):
            new = search.ask(CUBE, History(), Random(draw))
            assert isinstance(new, NewTrial)
            assert float(new.params["x"]) <= 0.55


class TestFront:
    @pytest.mark.slow
    def test_its_growth_is_what_sampled_scores_add(self) -> None:
        g, f = np.array([0.0, 1.0, 2.5]), np.array([1.0, 0.2, -0.5])
        mu, s, log_c = (
            np.array([[0.4, -1.0, 0.9]]),
            np.array([[0.5, 0.3, 0.2]]),
            np.array([0.5, 2.0, -1.0]),
        )
        rng, grid = (
            np.random.default_rng(0),
            np.linspace(-1.0, 3.5, 4_501),
        )  # up to a step beyond the most expensive
        heights = np.array(
            [f[max(int(np.searchsorted(g, at, side="right")) - 1, 0)] for at in grid]
        )
        for k, expected in enumerate(np.exp(log_hypervolume_improvement(mu, s, log_c, g, f))):
            y = mu[0, k] + s[0, k] * rng.standard_normal(4_000)
            gain = np.maximum(heights[None, :] - y[:, None], 0.0) * (grid >= log_c[k])
            volumes = gain.sum(axis=1) * 0.001
            # five standard errors of the mean, and the grid's own error: a cell for each of at most
            # 4 steps of height 2
            assert expected == pytest.approx(
                volumes.mean(), abs=5 * volumes.std() / math.sqrt(4_000) + 0.008
            )

    def test_it_is_the_lowest_score_for_so_many_seconds(self) -> None:
        history = timed(40)
        g, f = pareto_front(
            CUBE, history, model_of(CUBE, history, "gp"), CostPrediction.fit(CUBE, history, None)
        )
        assert (np.diff(g) >= 0).all()
        assert (np.diff(f) < 0).all()

    def test_it_goes_by_what_trials_report_as_their_cost(self) -> None:
        unpriced = timed(20)
        costs = {trial.number: result.seconds for trial, result in unpriced.done}
        priced = unpriced.with_results(
            {t.number: replace(done(r.loss), reported_cost=r.seconds) for t, r in unpriced.done}
        )
        assert {trial.number: result.cost for trial, result in priced.done} == costs
        by_seconds, by_cost = (
            Bayes(pareto=True).ask(CUBE, history, Random(0)) for history in (unpriced, priced)
        )
        assert by_cost == by_seconds

    @pytest.mark.slow
    def test_a_pareto_search_spreads_over_the_seconds(self) -> None:
        def judge(trial: Trial) -> Done:
            x = float(trial.params["x"])
            return done(1.0 - x + (float(trial.params["y"]) - 0.5) ** 2, seconds=math.exp(5 * x))

        plain, pareto = (
            play(Bayes(pareto=wanted), CUBE, 25, judge=judge) for wanted in (False, True)
        )

        def cheap(history: History) -> int:  # near the front, below its middle
            return sum(
                float(t.params["x"]) < 0.5 and abs(float(t.params["y"]) - 0.5) < 0.2
                for t in history.trials[10:]
            )

        assert cheap(pareto) > cheap(plain)


class TestFilling:
    @staticmethod
    def wave(own: float, seconds: float = 800.0, trials: int | None = None) -> tuple[Trial, ...]:
        """What is asked for at once after ten trials."""
        rng = Random(0)
        points = [KINDS.sample(rng) for _ in range(10)]
        results: dict[int, Result] = {
            n: done(
                (float(p["x"]) - 0.3) ** 2 + (float(p["y"]) - 0.3) ** 2 + 0.1 * (p["kind"] != "p"),
                seconds=10.0 + own,
            )
            for n, p in enumerate(points)
        }
        history = of_points(points, results)
        search = Bayes(costs=Nominal(own), limit=Limit(seconds), trials=trials)
        while len(history) < 80:
            new = search.ask(KINDS, history, Random(len(history)))
            if not isinstance(new, NewTrial):
                break
            trial = Trial(
                len(history),
                new.params,
                new.reason,
                10,
                len(history),
                expected_improvement=new.expected_improvement,
            )
            history = history.with_trials([trial])
        return history.pending

    def test_a_wave_goes_on_while_members_are_nearly_free_and_no_longer(self) -> None:
        sizes = [len(self.wave(own)) for own in (0.1, 1.0, 10.0, 50.0)]
        assert 70 > sizes[0] > sizes[1] > sizes[2] > sizes[3] == 1

    def test_every_member_brings_as_much_a_second_as_the_wave_had_before_it(self) -> None:
        for own in (1.0, 3.0):
            expected_improvements = [
                trial.expected_improvement or 0.0 for trial in self.wave(own)
            ]  # of one kind: one cohort
            for size in range(1, len(expected_improvements)):
                rate = sum(expected_improvements[:size]) / (10.0 + size * own)
                assert expected_improvements[size] / own >= rate

    def test_random_trials_come_first_until_they_take_their_share_of_the_time(self) -> None:
        opening = self.wave(10.0, seconds=2000.0)  # 200 are spent, and the share is 240
        kinds = {trial.params["kind"] for trial in opening}
        assert {trial.reason for trial in opening} == {"random"}
        assert 40.0 <= 10.0 * len(kinds) + 10.0 * len(opening) < 60.0

    def test_they_take_no_larger_part_of_the_trials_either(self) -> None:
        asked = {
            trials: self.wave(10.0, seconds=10_000.0, trials=trials) for trials in (80, 100, None)
        }
        assert [sum(trial.reason == "random" for trial in wave) for wave in asked.values()] == [
            0,
            2,
            70,
        ]

    def test_members_join_cohorts_that_are_there(self) -> None:
        kinds = Counter(trial.params["kind"] for trial in self.wave(0.1))
        assert max(kinds.values()) >= 4

    @pytest.mark.slow
    def test_a_wave_has_at_least_one_member_and_no_point_twice(self) -> None:
        for own in (0.01, 1.0, 50.0):
            trials = self.wave(own)
            assert len(trials) == len({point_key(trial.params) for trial in trials}) >= 1

    def test_where_nothing_fits_any_more_the_strategy_has_no_more(self) -> None:
        rng = Random(0)
        history = of_points(
            [KINDS.sample(rng) for _ in range(6)],
            {n: done(0.1 * n, seconds=20.0) for n in range(6)},
        )
        for left, answer in ((100.0, NewTrial), (5.0, type(None))):
            asked = Bayes(costs=Nominal(10.0), limit=Limit(120.0 + left)).ask(
                KINDS, history, Random(0)
            )
            assert isinstance(asked, answer)

    def test_what_does_not_fit_any_more_is_not_asked_for(self) -> None:
        assert self.wave(10.0, seconds=205.0) == ()  # 200 are spent, and the cheapest takes 10


class TestConfirmed:
    def test_the_default_and_the_best_three_run_again_in_rounds(self) -> None:
        strategy = Confirmed.within(RandomSearch(), 40, None, has_default=True)
        assert (strategy.trials, strategy.rounds) == (32, 2)
        history = self.played(strategy, 40, default=True)
        repeats = [trial for trial in history.trials if trial.parent is not None]
        first = History(history.trials[:32], history.results)
        best = [trial.number for trial, _ in first.done if trial.number != 0][:3]
        assert {trial.parent for trial in repeats} == {0, *best}
        assert [trial.replicate for trial in repeats] == [1] * 3 + [2] * 3 + [1, 2]
        assert [trial.parent for trial in repeats[6:]] == [0, 0], "the default comes last"

    def test_the_winner_is_one_of_those_that_were_run_again(self) -> None:
        strategy = Confirmed.within(RandomSearch(), 40, None, has_default=False)
        history = self.played(strategy, 40)
        assert len(history.contenders) == 3
        means = [result.loss for _, result in history.contenders]
        assert means == sorted(means)
        assert strategy.ranked(CUBE, history)[0] == history.contenders[0][0]

    def test_the_next_in_rank_takes_the_place_of_a_finalist_that_fails(self) -> None:
        strategy = Confirmed.within(RandomSearch(), 40, None, has_default=True)
        history = self.played(strategy, 40, default=True, broken=2)
        ranks = [
            t.number for t, _ in History(history.trials[:32], history.results).done if t.number
        ]
        repeats = [trial for trial in history.trials if trial.parent is not None]
        assert [trial.replicate for trial in repeats] == [1] * 5 + [2] * 3
        assert {trial.parent for trial in repeats[:5]} == {*ranks[:5]}
        assert {trial.parent for trial in repeats[5:]} == {*ranks[2:5]}
        assert not {*ranks[:2]} & {trial.number for trial, _ in history.done}
        assert {trial.number for trial, _ in history.contenders} == {*ranks[2:5]}

    def test_it_does_so_in_the_last_round_as_well(self) -> None:
        strategy = Confirmed.within(RandomSearch(), 40, None, has_default=True)
        history = self.played(strategy, 40, default=True, broken=1, unbroken=5)
        first = History(history.trials[:32], history.results)
        ranks = [trial.number for trial, _ in first.done if trial.number]
        (failed,) = {*ranks[:3]} - {trial.number for trial, _ in history.done}
        stayed = {*ranks[:4]} - {failed}
        assert {trial.number for trial, _ in history.contenders} == stayed
        assert len(history.runs[0]) == 1, "what was left for the default was needed"

    def test_where_too_little_is_left_for_all_places_the_better_ones_have_all_rounds(self) -> None:
        strategy = Confirmed.within(RandomSearch(), 40, None, has_default=True)
        history = self.played(strategy, 40, default=True, broken=2, unbroken=4)
        assert len(history) == 40
        runs = Counter(len(runs) for runs in history.runs.values())
        assert len(history.contenders) == 2
        assert {len(history.runs[trial.number]) for trial, _ in history.contenders} == {3}
        assert runs == {3: 3, 2: 2, 1: 27}  # one has failed in its second round, then the next

    def test_in_a_race_it_does_so_too(self) -> None:
        history = self.played(Confirmed(RandomSearch(), 20, None), 250, broken=3)
        runs = [len(runs) for runs in history.runs.values()]
        assert sorted(runs)[-6:] == [1, 2, 2, 2, 31, 31]

    def test_where_all_fail_it_ends(self) -> None:
        history = self.played(Confirmed(RandomSearch(), 20, 3), 250, broken=99)
        assert sorted(len(runs) for runs in history.runs.values()) == [2] * 20
        assert not history.done

    def test_the_second_round_waits_for_the_first(self) -> None:
        strategy = Confirmed(RandomSearch(), 20, 4)
        history, sizes = sampled(CUBE, 20), []
        for failing in ((1, 2), (), (), ()):
            asked = []
            while isinstance(answer := strategy.ask(CUBE, history, Random(0)), RepeatTrial):
                runs = history.runs[answer.number]
                asked.append(
                    Trial(len(history), runs[0].params, "", 1, 1, answer.number, len(runs))
                )
                history = history.with_trials(asked[-1:])
            sizes.append(len(asked))
            results: dict[int, Result] = {t.number: done(0.1) for t in asked}
            for position in failing:
                results[asked[position].number] = Failed("diverged", "")
            history = history.with_results(results)
        assert sizes == [3, 2, 6, 1]

    def test_it_waits_for_the_last_trials(self) -> None:
        strategy = Confirmed(RandomSearch(), 5, 1)
        history = of_points(
            [CUBE.sample(Random(n)) for n in range(5)], {n: done(0.1) for n in range(4)}
        )
        assert isinstance(strategy.ask(CUBE, history, Random(0)), Wait)

    def test_with_a_time_limit_the_last_part_of_it_is_kept(self) -> None:
        strategy = Confirmed.within(RandomSearch(), None, Limit(100.0), has_default=False)
        points = [CUBE.sample(Random(n)) for n in range(5)]
        searching = of_points(points, {n: done(0.1 * n, seconds=16.0) for n in range(5)})
        confirming = of_points(
            points, {n: done(0.1 * n, seconds=22.0 if n else 2.0) for n in range(5)}
        )
        late = of_points(points, {n: done(0.1 * n, seconds=18.0) for n in range(5)})
        assert isinstance(strategy.ask(CUBE, searching, Random(0)), NewTrial)
        assert strategy.ask(CUBE, confirming, Random(0)) == RepeatTrial(0, "confirm, round 1 of 2")
        assert strategy.ask(CUBE, late, Random(0)) is None  # 10 are left, and it took 18

    def test_what_time_is_left_goes_to_a_race_of_the_best(self) -> None:
        # 30 of 200 seconds are enough for 4 runs of 7 each: after 2 rounds 3 are left, after 6
        # rounds 2
        strategy = Confirmed.within(RandomSearch(), None, Limit(200.0), has_default=True)
        history = self.played(strategy, 250, default=True)
        runs = sorted((len(runs) for runs in history.runs.values() if len(runs) > 1), reverse=True)
        assert sum(runs) - len(runs) == 30
        assert runs[2:] == [7, 3, 3, 3, 3, 3]
        assert runs[0] > 7
        assert len(history.runs[0]) > 1, "the default is measured again, too"

    def test_a_race_needs_no_limit_and_ends(self) -> None:
        strategy = Confirmed(RandomSearch(), 20, None)
        history = self.played(strategy, 250)
        assert sorted(len(runs) for runs in history.runs.values())[-3:] == [1, 31, 31]

    def test_each_stage_of_a_race_is_asked_for_at_once(self) -> None:
        history, rng, waves = sampled(CUBE, 20), Random(5), []
        strategy = Confirmed(RandomSearch(), 20, None)
        while True:
            wave = 0
            while isinstance(answer := strategy.ask(CUBE, history, Random(0)), RepeatTrial):
                runs = history.runs[answer.number]
                again = Trial(
                    len(history), runs[0].params, answer.reason, 1, 1, answer.number, len(runs)
                )
                history, wave = history.with_trials([again]), wave + 1
            if not wave:
                break
            waves.append(wave)
            history = history.with_results(
                {trial.number: done(rng.random()) for trial in history.pending}
            )
        assert waves == [4, 8, 16, 32]  # up to 2, 6, 14 and 30 runs of each of two

    def test_who_is_left_in_a_race_is_better_in_the_rounds_so_far(self) -> None:
        strategy = Confirmed.within(RandomSearch(), None, Limit(200.0), has_default=False)
        history = self.played(strategy, 250)
        by_runs = {number: len(runs) for number, runs in history.runs.items() if len(runs) > 1}
        losses = {trial.number: result.loss for trial, result in self.apart(history).done}
        after_two = {
            number: fmean(losses[run.number] for run in history.runs[number][:3])
            for number in by_runs
        }
        worst_of_those_who_went_on = max(
            after_two[number] for number, runs in by_runs.items() if runs > 3
        )
        assert all(
            after_two[n] >= worst_of_those_who_went_on for n, runs in by_runs.items() if runs == 3
        )

    def test_it_has_converged_when_little_is_promised_five_times_running(self) -> None:
        def promised(*expected_improvements: float | None) -> History:
            trials = tuple(
                Trial(n, CUBE.sample(Random(n)), "", n, n, expected_improvement=p)
                for n, p in enumerate(expected_improvements)
            )
            return History(trials, {trial.number: done(0.1 + trial.number) for trial in trials})

        assert not converged(promised(None, 0.01, 0.01, 0.01, 0.01))
        assert not converged(promised(0.01, 0.01, 0.5, 0.01, 0.01))
        assert converged(promised(0.5, 0.01, 0.01, 0.02, 0.09, 0.0))
        assert UntilConverged(RandomSearch()).ask(CUBE, promised(*[0.01] * 5), Random(0)) is None
        assert isinstance(
            UntilConverged(RandomSearch()).ask(CUBE, promised(0.5), Random(0)), NewTrial
        )

    @staticmethod
    def apart(history: History) -> History:
        """Every run as a trial of its own."""
        return History(
            tuple(replace(trial, parent=None, replicate=0) for trial in history.trials),
            history.results,
        )

    @staticmethod
    def played(
        strategy: Confirmed,
        trials: int,
        default: bool = False,
        broken: int = 0,
        unbroken: int = 0,
    ) -> History:
        """One by one, under noise; after `unbroken` repetitions so many fail."""
        rng, history = Random(5), History()
        while len(history) < trials:
            answer = strategy.ask(CUBE, history, Random(len(history)))
            if isinstance(answer, RepeatTrial):
                runs = history.runs[answer.number]
                trial = Trial(
                    len(history), runs[0].params, answer.reason, 0, 0, answer.number, len(runs)
                )
            elif isinstance(answer, NewTrial):
                origin = "default" if default and not len(history) else answer.origin
                trial = Trial(len(history), answer.params, answer.reason, 0, 0, origin=origin)
            else:
                break
            loss = sum(
                (float(value) - 0.3) ** 2 for value in trial.params.values()
            ) + 0.1 * rng.gauss(0, 1)
            repeats = sum(t.parent is not None for t in history.trials)
            fails = trial.parent is not None and unbroken <= repeats < unbroken + broken
            history = history.with_trials([trial]).with_results(
                {trial.number: Failed("diverged", "") if fails else done(loss)}
            )
        return history
