"""What is shown of one trial, and what a model makes of a search: figures, words, pictures, the command."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.cli import main
from hpsearch.config.spec import Spec, parse
from hpsearch.errors import EXIT_NO_WINNER, EXIT_OK, EXIT_USAGE
from hpsearch.report.board.view import board
from hpsearch.report.pages import outlook_page, sheet_page
from hpsearch.report.render.blocks import Canvas, bars, interval, plot
from hpsearch.report.render.chart import Axis, along, round_numbers
from hpsearch.report.surrogate.text import Searched, surprises
from hpsearch.report.surrogate.text import as_text as searched_text
from hpsearch.report.surrogate.text import record as searched_record
from hpsearch.report.trial.text import as_text, record, sheet
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Real
from hpsearch.space.space import Params, Space
from hpsearch.strategies import gp
from hpsearch.strategies.surrogate_report import Outlook, Slice, outlook, usable
from hpsearch.strategies.surrogates import Scale, scores
from hpsearch.study.history import History
from hpsearch.study.store import Study
from hpsearch.study.trial import Done, Epoch, Failed, Replicate, Result, Trial
from tests.helpers.histories import CUBE, MIXED, done, loss_of, of_points, sampled
from tests.helpers.studies import META, create

CONFIG = """
data: {source: digits}
train: {epochs: 12}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  width: {min: 8, max: 64}
  optimizer: {values: [momentum, adam]}
  momentum: {min: 0.5, max: 0.99}
"""
SPEC = parse(CONFIG, "search.yaml", Path())
EVIL = "<script>alert('1')</script>&\"https://x.org"


def curve(number: int, *losses: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(number, at, loss / 2, loss, 1 - loss / 4) for at, loss in enumerate(losses, 1)
    )


def points(trials: int) -> list[Params]:
    rng = Random(0)
    return [SPEC.space.sample(rng) for _ in range(trials)]


def study(trials: int = 12) -> Study:
    """Trial 2 is the best by its first run, and was run again (as trial `trials`), at a higher loss."""
    results: dict[int, Result] = {
        number: replace(
            done(0.2 + loss_of(SPEC.space, params), flops=1e9 * (1 + number)),
            curve=curve(number, 2.0, 0.5, 0.4),
        )
        for number, params in enumerate(points(trials))
    }
    results[1] = Failed("diverged: at once", 0.1, curve(1, math.nan))
    results[2] = replace(done(0.1), curve=curve(2, 2.0, 0.3, math.nan, 0.1))
    results[trials] = replace(done(0.14), curve=curve(2, 2.0, 0.2))
    asked = [
        Trial(n, p, "default" if n == 0 else "random", n // 4, n)
        for n, p in enumerate(points(trials))
    ]
    asked[3] = replace(asked[3], why="expected improvement 0.1 (3 trials)", promise=0.25)
    asked.append(Trial(trials, points(trials)[2], "confirm, round 1 of 1", 9, 9, of=2, replicate=1))
    return Study(replace(META, config=CONFIG), History(tuple(asked), results), (), ())


STUDY = study()


def shown(number: int, width: int = 100, of: Study = STUDY) -> str:
    return str(as_text(sheet(of, SPEC, number), width))


def seen(space: Space = CUBE, trials: int = 30, winner: int | None = None) -> Outlook:
    return outlook(space, sampled(space, trials), "gp", winner)


def slice_of(found: Outlook, name: str) -> Slice:
    return next(one for one in found.slices if one.name == name)


class TestScores:
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
    def test_a_score_goes_back_to_its_loss_or_to_what_a_bad_one_counts_as(
        self, losses: list[float]
    ) -> None:
        y, (shift, scale) = scores(losses), Scale.of(losses).loss
        cut = float(np.median(losses) + 2 * (np.median(losses) - min(losses)))
        back = [shift + scale * score for score in y.tolist()]
        size = max(map(abs, losses))
        assert back == pytest.approx([min(loss, cut) for loss in losses], abs=1e-9 * size + 1e-300)

    @pytest.mark.parametrize(
        "losses", [[0.5, 0.5], [0.0, 0.0], [1e308] * 9, [-1e308, 1e308, 0.0], [1e-300, 0.0]]
    )
    def test_the_way_back_is_a_number_whatever_the_losses(self, losses: list[float]) -> None:
        assert np.isfinite([*scores(losses), *Scale.of(losses).loss]).all()


class TestLeftOut:
    def test_is_what_a_process_says_that_has_not_seen_the_trial(self) -> None:
        rng = np.random.default_rng(0)
        X, m = rng.random((9, 3)), rng.integers(1, 4, 9).astype(float)
        y = np.sin(5 * X[:, 0]) + X[:, 1]
        groups = [slice(0, 1), slice(1, 3)]
        t = np.log([0.5, 0.8, 1.3, 0.05])
        mu, s = gp.Process.given(groups, t, X, y, m).left_out()
        for one in range(9):
            rest = np.arange(9) != one
            other = gp.Process.given(groups, t, X[rest], y[rest], m[rest])
            expected, deviation = other.predict(X[[one]])
            assert mu[one] == pytest.approx(expected[0], rel=1e-6)
            assert s[one] == pytest.approx(
                math.hypot(deviation[0], math.sqrt(0.05 / m[one])), rel=1e-6
            )


class TestOutlook:
    def test_losses_and_expectations_are_in_units_of_the_loss(self) -> None:
        history = sampled(CUBE, 30)
        one, other = (
            outlook(
                CUBE, history.told({n: done(7 + 100 * r.loss) for n, r in results.items()}), "gp"
            )
            if far
            else outlook(CUBE, history, "gp")
            for far, results in ((False, {}), (True, {t.number: r for t, r in history.done}))
        )
        for a, b in zip(one.slices, other.slices, strict=True):
            assert b.mean == pytest.approx([7 + 100 * value for value in a.mean], rel=1e-3)
            assert b.deviation == pytest.approx([100 * value for value in a.deviation], rel=1e-2)
            assert b.improvement == pytest.approx(
                [100 * value for value in a.improvement], rel=1e-2, abs=1e-3
            )
        assert other.checks[0].rmse == pytest.approx(100 * one.checks[0].rmse, rel=1e-2)

    def test_a_smooth_loss_is_expected_as_it_is(self) -> None:
        found = slice_of(seen(trials=60), "x")
        anchor = sampled(CUBE, 60).trials[found.trial].params
        truth = [loss_of(CUBE, {**anchor, "x": value}) for value in found.values]
        # losses go from 0 to 1.5; the model knows a bowl of 60 points to a hundredth of that
        assert max(abs(a - b) for a, b in zip(found.mean, truth, strict=True)) < 0.015

    def test_goes_through_the_winner_or_the_best(self) -> None:
        best = sampled(CUBE, 30).done[0][0].number
        assert {one.trial for one in seen().slices} == {best}
        assert {one.trial for one in seen(winner=7).slices} == {7}
        assert all(one.value in one.values for one in seen(winner=7).slices)

    def test_values_are_in_order_from_end_to_end(self) -> None:
        found = seen(MIXED, 40)
        assert {one.name for one in found.slices} == set(MIXED.parameters)
        for one in found.slices:
            assert list(one.places) == sorted(set(one.places))
            parameter = MIXED.parameters[one.name]
            assert all(value in parameter for value in one.values)
            assert (
                len(one.values)
                == len(one.mean)
                == len(one.deviation)
                == len(one.success)
                == len(one.improvement)
            )

    def test_has_no_value_that_a_constraint_forbids(self) -> None:
        space = Space(dict(CUBE.parameters), constraints=(Expression("x + y <= 0.7"),))
        found = slice_of(seen(space), "x")
        y = float(sampled(space, 30).trials[found.trial].params["y"])
        assert max(map(float, found.values)) <= 0.7 - y
        assert min(map(float, found.values)) == 0.0

    def test_of_a_conditional_parameter_goes_through_the_best_trial_that_uses_it(self) -> None:
        found = slice_of(seen(MIXED, 40), "momentum")
        history = sampled(MIXED, 40)
        assert found.trial == next(
            t.number for t, _ in history.done if t.params["optimizer"] == "momentum"
        )
        assert len(found.seen) == sum("momentum" in trial.params for trial in history.trials)

    def test_a_parameter_that_no_trial_used_has_none(self) -> None:
        rng = Random(0)
        some = [p for p in (MIXED.sample(rng) for _ in range(60)) if p["optimizer"] == "adam"]
        history = of_points(some, {n: done(loss_of(MIXED, p)) for n, p in enumerate(some)})
        assert "momentum" not in {one.name for one in outlook(MIXED, history, "gp").slices}

    def test_what_matters_most_comes_first(self) -> None:
        history = sampled(CUBE, 40)
        mattering = history.told({t.number: done(float(t.params["z"])) for t in history.trials})
        found = outlook(CUBE, mattering, "gp")
        assert found.slices[0].name == "z"
        assert found.slices[0].swing > 5 * found.slices[1].swing

    def test_where_trainings_fail_success_and_improvement_are_small(self) -> None:
        history = sampled(CUBE, 60)
        failing: dict[int, Result] = {
            t.number: Failed("") for t in history.trials if float(t.params["y"]) > 0.6
        }
        found = slice_of(outlook(CUBE, history.told(failing), "gp"), "y")
        assert found.success[0] > 0.8
        assert found.success[-1] < 0.2
        assert found.improvement[-1] <= found.success[-1]
        assert all(one == 1.0 for one in slice_of(seen(), "y").success)

    def test_pending_trials_and_those_outside_of_the_space_are_left_out(self) -> None:
        history = sampled(CUBE, 10)
        outside = Trial(10, {"x": 3.0, "y": 0.1, "z": 0.1}, "hand-picked", 1, 1)
        more = replace(
            history,
            trials=(*history.trials, outside, Trial(11, {"x": 0.1, "y": 0.1, "z": 0.1}, "", 1, 1)),
        )
        more = more.told({10: done(0.01)})
        assert len(usable(CUBE, more).trials) == 10
        found = outlook(CUBE, more, "gp", winner=10)
        assert (found.trials, found.outside) == (10, 1)
        assert found.slices == outlook(CUBE, history, "gp").slices

    def test_a_smooth_loss_is_foreseen_and_noise_is_not(self) -> None:
        (check,) = seen(trials=40).checks
        assert len(check.seen) == 40
        assert check.rmse < 0.2 * check.spread
        history = sampled(CUBE, 40)
        rng = Random(0)
        (noise,) = outlook(
            CUBE, history.told({n: done(rng.random()) for n in range(40)}), "gp"
        ).checks
        assert noise.rmse > 0.8 * noise.spread
        # 95.4 % of 40 are expected within two deviations: four standard errors of that share are 13 %
        assert noise.within(2) > 0.954 - 0.133

    def test_each_loss_stands_beside_what_was_expected_of_it(self) -> None:
        history = sampled(CUBE, 40)
        odd = history.told({5: done(history.done[-1][1].loss)})
        (check,) = outlook(CUBE, odd, "gp").checks
        counted = {one.number: one.loss for one in check.seen}
        cut = max(counted.values())
        assert all(counted[t.number] == pytest.approx(min(r.loss, cut)) for t, r in odd.done)
        assert surprises(check)[0].number == 5
        assert surprises(check)[0].surprise > 2

    def test_nets_have_slices_and_nothing_that_is_left_out(self) -> None:
        found = outlook(CUBE, sampled(CUBE, 12), "ann")
        assert len(found.slices) == 3
        assert found.checks == ()
        assert "left out" not in str(searched_text(Searched("s", "bayes", "loss", found), 80))


class TestAxis:
    @given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 9))
    def test_ticks_are_few_and_inside(self, low: float, size: float, most: int) -> None:
        ticks = round_numbers(low, low + size, False, most)
        assert 1 <= len(ticks) <= most + 1
        rounding = 1e-9 * (abs(low) + size)
        assert all(low - rounding <= tick <= low + size + rounding for tick in ticks)

    def test_far_apart_they_are_powers_of_ten(self) -> None:
        assert round_numbers(1e-4, 1e-1, True) == [1e-4, 1e-3, 1e-2, 1e-1]
        assert round_numbers(1, 10, True) == [1, 2, 5, 10]
        assert len(round_numbers(1e-30, 1e30, True)) <= 5

    def test_places_are_from_0_to_1(self) -> None:
        axis = Axis.over([0.01, 1.0, math.nan])
        assert axis.log
        assert axis.at(0.1) == pytest.approx(0.5)
        assert (axis.at(-5), axis.at(1e9)) == (0.0, 1.0)

    @pytest.mark.parametrize("values", [[], [0.0], [3.0, 3.0], [math.inf], [-1.0, 5.0]])
    def test_any_values_have_an_axis(self, values: list[float]) -> None:
        axis = Axis.over(values)
        assert axis.low < axis.high
        assert axis.ticks()

    @pytest.mark.parametrize(
        ("parameter", "texts"),
        [
            (Real(1e-4, 1e-1, log=True), ["0.0001", "0.001", "0.01", "0.1"]),
            (Real(0.0, 0.5), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
            (Integer(1, 4), ["1", "2", "3", "4"]),
        ],
    )
    def test_a_parameter_has_round_numbers_where_they_are_on_its_scale(
        self, parameter: Real | Integer, texts: list[str]
    ) -> None:
        values = parameter.grid(61)
        ticks = along(values, [parameter.encode(value)[0] for value in values])
        assert [text for _, text in ticks] == texts
        for place, text in ticks:
            assert place == pytest.approx(parameter.encode(float(text))[0], abs=0.005)


class TestBlocks:
    def test_bars_go_from_the_lowest_to_a_full_one(self) -> None:
        assert bars([0.0, 0.5, 1.0, None], 0.0, 1.0) == "▁▄█ "
        assert bars([0.0, 0.5, 1.0], 0.0, 1.0, 0) == " ▄█"
        assert bars([3.0, 3.0], 3.0, 3.0) == "▁▁"

    def test_an_interval_is_a_dot_on_a_line(self) -> None:
        assert interval(0.2, 0.5, 0.8, 10) == "  ───●─── "
        assert interval(-1.0, 0.0, 0.1, 5) == "●    "

    def test_dots_stand_where_they_are(self) -> None:
        canvas = Canvas(2, 1)
        canvas.dot(0.0, 0.0, "")
        canvas.dot(1.0, 1.0, "")
        assert [str(line) for line in canvas.texts()] == ["⡀⠈"]
        assert str(Canvas(3, 1).texts()[0]) == "   "  # not the blank sign of braille

    def test_a_falling_curve_falls(self) -> None:
        lines = str(plot([([4.0, 3.0, 2.0, 1.0], "")], 20, 4)).splitlines()
        drawn = [line.partition("┤")[2] or line.partition("│")[2] for line in lines[:4]]
        firsts = [min(at for at, sign in enumerate(line) if sign != " ") for line in drawn]
        assert firsts == sorted(firsts)
        assert firsts[0] < 2
        assert firsts[-1] > 10

    @pytest.mark.parametrize(
        "values", [[1.0], [math.nan, math.nan], [1.0, math.nan, 2.0], [], [0.0, 0.0]]
    )
    def test_any_curve_can_be_drawn(self, values: list[float]) -> None:
        assert str(plot([(values, "")], 40, 6))


class TestSheet:
    def test_this_is_how_it_looks(self) -> None:
        assert shown(2, 92).splitlines()[:21] == LOOKS

    def test_says_how_it_compares_and_how_lucky_its_first_run_was(self) -> None:
        assert "its first run promised 0.020 too much" in shown(2, 1000)
        assert "above the winner (trial 2)" in shown(3, 1000)
        assert "below the default (trial 0)" in shown(2, 1000)

    def test_says_of_what_it_is_compared_with_that_it_was_stopped_early(self) -> None:
        first = STUDY.history.ended[0]
        assert isinstance(first, Done)
        history = STUDY.history.told({0: replace(first, paused=True)})
        assert "below the default (trial 0, stopped at a rung)" in shown(
            2, 1000, replace(STUDY, history=history)
        )

    def test_the_number_of_a_repetition_shows_the_trial(self) -> None:
        assert "trial 12 is run 2 of this one" in shown(12)
        assert shown(12).splitlines()[0] == shown(2).splitlines()[0]

    def test_the_parts_of_a_training_that_paused_are_one_curve(self) -> None:
        went_on = Trial(13, points(12)[4], "one of the best", 9, 9, of=4, start=3)
        history = History(
            (*STUDY.history.trials, went_on), {**STUDY.history.results, 13: done(0.1)}
        )
        more = history.told({13: replace(done(0.1), curve=(Epoch(13, 4, 0.1, 0.2, 0.9),))})
        found = sheet(replace(STUDY, history=more), SPEC, 13)
        ((_, epochs),) = found.curves
        assert [at.epoch for at in epochs] == [1, 2, 3, 4]
        assert "trial 13 is a later part of this one" in str(as_text(found, 100))

    def test_a_best_that_was_confirmed_may_stand_below_luckier_ones(self) -> None:
        lucky = replace(STUDY, history=STUDY.history.told({4: done(0.11)}))
        assert (
            "the winner, the best, 2nd of 11 by loss (those before it ran fewer times: luck)"
            in shown(2, 1000, lucky)
        )

    def test_a_failed_and_a_pending_trial_say_so(self) -> None:
        assert re.search(r"state +failed: diverged: at once", shown(1))
        trials = (*STUDY.history.trials, Trial(13, points(1)[0], "random", 9, 9))
        pending = replace(STUDY, history=History(trials, STUDY.history.results))
        assert re.search(r"state +pending", shown(13, of=pending))

    def test_why_it_was_asked_for_is_told_with_its_promise(self) -> None:
        assert "expected improvement 0.1 (3 trials); wave 0, cohort 3; promise 0.25" in shown(
            3, 1000
        )

    @pytest.mark.parametrize("width", [60, 80, 120])
    @pytest.mark.parametrize("number", range(13))
    def test_no_line_is_wider_than_the_terminal(self, number: int, width: int) -> None:
        assert max(map(len, shown(number, width).splitlines())) <= width

    def test_json_has_everything_and_null_where_there_is_no_number(self) -> None:
        found = json.loads(json.dumps(record(sheet(STUDY, SPEC, 2)), allow_nan=False))
        assert found["settings"].keys() >= {"lr", "width", "epochs", "init", "activation"}
        assert (found["rank"], found["ended"], found["winner"], found["star"]) == (1, 11, 2, True)
        assert [len(one["epochs"]) for one in found["curves"]] == [4, 2]
        assert found["curves"][0]["epochs"][2]["loss"] is None
        assert [run["loss"] for run in found["runs"]] == [0.1, 0.14]
        assert found["loss"] == pytest.approx(0.12)

    def test_a_score_is_told_where_time_has_a_weight(self) -> None:
        weighed = replace(STUDY, meta=replace(STUDY.meta, time_weight=0.1))
        assert re.search(r"score +0\.\d+ \(loss \+ 0\.1 log10", shown(2, of=weighed))

    def test_a_trial_without_searched_settings_has_a_sheet(self) -> None:
        bare: Spec = parse("data: {source: digits}", "", Path())
        one = Study(META, History((Trial(0, {}, "default", 0, 0),), {0: done(0.1)}), (), ())
        assert "defaults" in str(as_text(sheet(one, bare, 0), 80))


LOOKS = [
    "digits-random: trial 2",
    "",
    "place       the winner, the best, 1st of 11 by loss; * no other has both a lower loss and a",
    "            lower cost",
    "loss        0.1200 ± 0.020, the mean of 2 runs (0.1000, 0.1400); its first run promised",
    "            0.020 too much",
    "accuracy    88.00 %",
    "price       1 s here; cost 0.060 s (1 GFLOPs)",
    "epochs      10, of which 7 was the best",
    "compared    1.22 below the default (trial 0); 1.01 below the median of the others; 2.18",
    "            below the constant predictor",
    "asked       drawn at random; wave 0, cohort 2",
    "",
    "lr          0.05301  0.0001 ─────────────────────●── 0.1",
    "width       36            8 ────────────●─────────── 64",
    "optimizer   adam",
    "fixed       epochs=12",
    "defaults    model=mlp depth=2 skip=none activation=relu norm=none init=fan_normal",
    "            init_scale=1 pretrain=none bayesian=none dropout=0 dropconnect=0 l1=0 l2=0",
    "            beta1=0.9 beta2=0.999 eps=1e-08 clip_norm=0 schedule=constant warmup=0",
    "            batch_size=64 patience=8",
]


def searched(found: Outlook, name: str = "mine") -> Searched:
    return Searched(name, "bayes", "loss", found)


class TestSearched:
    @pytest.mark.parametrize("width", [80, 120])
    def test_no_line_is_wider_than_the_terminal(self, width: int) -> None:
        lines = str(searched_text(searched(seen(MIXED, 40)), width)).splitlines()
        assert max(map(len, lines)) <= width
        assert all(line == line.rstrip() for line in lines)

    def test_a_slice_is_lowest_where_the_loss_is(self) -> None:
        lines = str(searched_text(searched(seen(CUBE, 60)), 80)).splitlines()
        at = next(position for position, line in enumerate(lines) if line.startswith("x  "))
        drawn = lines[at + 1][10:45]
        assert abs(drawn.index("▁") + drawn.rindex("▁") - 2 * 0.3 * 35) <= 6
        assert [line.split()[0] for line in lines[at + 1 : at + 5]] == [
            "loss",
            "±",
            "gain",
            "trials",
        ]

    def test_a_choice_has_a_line_for_each_value(self) -> None:
        lines = str(searched_text(searched(seen(MIXED, 40)), 80)).splitlines()
        at = next(position for position, line in enumerate(lines) if line.startswith("optimizer  "))
        assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["sgd", "momentum", "adam"]
        counts = [int(line.split()[-1]) for line in lines[at + 1 : at + 4]]
        assert sum(counts) == 40

    def test_json_has_every_figure(self) -> None:
        found = json.loads(json.dumps(searched_record(searched(seen(MIXED, 40))), allow_nan=False))
        assert found["schema_version"] == 1
        for one in found["slices"]:
            names = ("places", "mean", "deviation", "success", "improvement")
            assert {len(one[name]) for name in names} == {len(one["values"])}
        (check,) = found["checks"]
        assert {one["number"] for one in check["trials"]} == set(range(40))

    def test_a_search_by_halving_says_of_what_its_losses_are(self) -> None:
        halved = replace(searched(seen()), dropped=5)
        assert "5 trials were dropped on the way" in str(searched_text(halved, 1000))
        early = replace(halved, epoch=3)
        assert "every loss is that at epoch 3" in str(searched_text(early, 1000))
        assert "dropped on the way" not in str(searched_text(early, 1000))
        assert (searched_record(early)["dropped"], searched_record(early)["epoch"]) == (5, 3)

    def test_equal_losses_can_be_looked_at(self) -> None:
        history = sampled(MIXED, 8).told({n: done(0.5) for n in range(8)})
        flat = searched(outlook(MIXED, history, "gp"))
        assert str(searched_text(flat, 80))
        assert outlook_page(flat)
        assert json.dumps(searched_record(flat), allow_nan=False)

    def test_huge_losses_can_be_looked_at(self) -> None:
        history = sampled(CUBE, 8).told({n: done((1e-300, 1.0, 1e308)[n % 3]) for n in range(8)})
        huge = searched(outlook(CUBE, history, "gp"))
        assert str(searched_text(huge, 80))
        assert outlook_page(huge)
        assert json.dumps(searched_record(huge), allow_nan=False)


def self_contained(page: str) -> None:
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert not re.search(r'(points|[xy12]+)="[^"]*(nan|inf)', page)


class TestPages:
    def test_a_search_has_a_chart_for_each_parameter_and_needs_no_network(self) -> None:
        page = outlook_page(searched(seen(MIXED, 40)))
        self_contained(page)
        assert page.count("<section>") == len(MIXED.parameters)
        assert page.count("<circle") >= 40 * (len(MIXED.parameters) - 1)
        assert "How far it can be believed" in page

    def test_what_a_person_wrote_is_escaped(self) -> None:
        space = Space({"x": Real(0.0, 1.0), EVIL: Choice((EVIL, "b"))})
        page = outlook_page(searched(seen(space, 12), EVIL))
        self_contained(page.replace("https://x.org", ""))
        assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;" in page
        evil = replace(STUDY, meta=replace(STUDY.meta, name=EVIL))
        self_contained(sheet_page(sheet(evil, SPEC, 2)))

    @pytest.mark.parametrize("number", range(4))
    def test_a_trial_has_its_curves_and_settings(self, number: int) -> None:
        page = sheet_page(sheet(STUDY, SPEC, number))
        self_contained(page)
        assert "<b>adam</b>" in page or "<b>momentum</b>" in page
        assert ("<polyline" in page) == (number != 1)  # it has diverged at once


Show = Callable[..., tuple[int, str, str]]


@pytest.fixture
def show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Show:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hpsearch", "show", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(str(ended.value.code)), printed.out, printed.err

    return run


def keep(
    folder: Path, of: Study = STUDY, only: Sequence[int] = range(13), **changes: object
) -> None:
    with create(folder, config=CONFIG, **changes) as store:
        store.asked([trial for trial in of.history.trials if trial.number in only])
        store.told(
            {number: result for number, result in of.history.results.items() if number in only}
        )


class TestCommand:
    def test_a_study_and_a_number_in_any_way(self, show: Show, tmp_path: Path) -> None:
        keep(tmp_path / "runs" / "mine")
        for arguments in (("mine", "3"), ("runs/mine", "3"), ("3",)):
            code, out, _ = show(*arguments)
            assert (code, out.splitlines()[0]) == (EXIT_OK, "digits-random: trial 3")
        assert "what a model expects" in show("mine")[1]
        assert show()[1] == show("mine")[1]

    def test_a_number_is_a_study_where_one_is_called_so(self, show: Show, tmp_path: Path) -> None:
        keep(tmp_path / "runs" / "3")
        assert "what a model expects" in show("3")[1]

    def test_json_and_a_page(self, show: Show, tmp_path: Path) -> None:
        keep(tmp_path / "runs" / "mine")
        code, out, err = show("--json", "-o", "page.html")
        assert code == EXIT_OK
        assert json.loads(out, parse_constant=pytest.fail)["surrogate"] == "gp"
        assert "page.html" in err
        assert "</svg>" in (tmp_path / "page.html").read_text(encoding="utf-8")
        assert json.loads(show("2", "--json", "--quiet", "-o", "page.html")[1])["number"] == 2
        assert "trial 2" in (tmp_path / "page.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize("strategy", ["manual", "grid", "random", "bayes"])
    def test_any_strategys_study_can_be_looked_at(
        self, show: Show, tmp_path: Path, strategy: str
    ) -> None:
        keep(tmp_path / "runs" / "mine", strategy=strategy)
        assert show()[0] == EXIT_OK

    def test_the_model_is_that_of_the_study_with_its_weight_of_time(
        self, show: Show, tmp_path: Path
    ) -> None:
        flags = json.dumps([[["search", "surrogate"], "ann", "--surrogate ann"]])
        keep(tmp_path / "runs" / "mine", time_weight=0.5, overrides=flags)
        found = json.loads(show("--json")[1])
        assert (found["surrogate"], found["target"]) == ("ann", "score")
        best = min(point["loss"] for point in found["slices"][0]["seen"])
        assert best == pytest.approx(
            min(row.score for row in board(weighed_study()).rows if row.score is not None)
        )

    def test_what_is_missing_is_said(self, show: Show, tmp_path: Path) -> None:
        keep(tmp_path / "runs" / "few", only=[0, 1, 2])
        code, out, err = show("few")
        assert (code, out) == (EXIT_NO_WINNER, "")
        assert "takes 3 trials that succeeded, and digits-random has 2" in err
        assert "--budget 13" in err
        with create(tmp_path / "runs" / "bare", config="data: {source: digits}") as store:
            store.asked([Trial(0, {}, "default", 0, 0)])
            store.told({0: done(0.5)})
        code, out, err = show("bare")
        assert (code, out) == (EXIT_USAGE, "")
        assert "searches no parameter" in err
        assert show("bare", "0")[0] == EXIT_OK

    def test_presets_that_are_no_points_of_the_space_are_told(
        self, show: Show, tmp_path: Path
    ) -> None:
        with create(tmp_path / "runs" / "mine", config=CONFIG, strategy="manual") as store:
            store.asked(
                [Trial(n, {"lr": 0.01, "width": 8 + n}, "hand-picked", 0, n) for n in range(4)]
            )
            store.told({n: done(0.5 + n) for n in range(4)})
        code, _, err = show()
        assert code == EXIT_NO_WINNER
        assert "none in its space (4 outside of it)" in err
        assert show("mine", "1")[0] == EXIT_OK

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("nothing",), "under runs/ there are: mine"),
            (("mine", "13"), "its trials are 0 to 12"),
            (("99",), "has no trial 99"),
            (("mine", "x"), "'x'"),
            (("mine", "-o", "nowhere/page.html"), "nowhere/page.html"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_bad_usage_is_2(
        self, show: Show, tmp_path: Path, arguments: tuple[str, ...], said: str
    ) -> None:
        keep(tmp_path / "runs" / "mine")
        code, out, err = show(*arguments)
        assert (code, out) == (EXIT_USAGE, "")
        assert said in err
        assert "Traceback" not in err

    def test_without_any_study_the_way_to_one_is_said(self, show: Show, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        assert "begin one" in show()[2]


def weighed_study() -> Study:
    return replace(STUDY, meta=replace(STUDY.meta, time_weight=0.5))


def test_a_folds_losses_are_listed_up_to_a_few() -> None:
    runs = tuple(Replicate(k, 0, 0.1 + k / 100, 0.9, 3) for k in range(20))
    result = Done(0.2, 0.9, 1.0, 1e9, 10, 3, 3, (), 0.01, runs)
    many = replace(STUDY, history=STUDY.history.told({5: result}))
    assert ", ..., " not in shown(5, 1000, many)
    assert "the mean of 20 runs (0.1000, 0.1100" in shown(5, 1000, many)
    assert ", ...)" in shown(5, 1000, many)
