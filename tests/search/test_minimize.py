"""`hpsearch.minimize`: any function of any parameters, within its calls and its seconds."""

from __future__ import annotations

import math
import os
import random
import re
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpsearch
from hpsearch.cli import main
from hpsearch.errors import (
    ConfigDiffers,
    Crashing,
    Problem,
    SpecError,
    StudyInUse,
    TooFewTrials,
)
from hpsearch.objectives.running_trial import RunningTrial
from hpsearch.report.board.view import board
from hpsearch.search.found import Evaluation, Minimum
from hpsearch.space.space import Space
from hpsearch.strategies import STRATEGIES
from hpsearch.study.history import History
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done
from tests.helpers.effort import calls_at_most
from tests.helpers.studies import create

SPACE: Mapping[str, Any] = {
    "rate of it": {"min": 1e-4, "max": 10.0, "log": True},
    "kind": {"values": ["a", "b", "c"]},
    "n": {"min": 1, "max": 9, "when": {"kind": ["a", "b"]}},
}
CUBE: Mapping[str, Any] = {name: {"min": 0.0, "max": 1.0} for name in "xyz"}


def bowl(params: Mapping[str, Any]) -> float:
    """Return a loss that is 0 at 0.3 in the cube."""
    return float(sum((float(value) - 0.3) ** 2 for value in params.values()))


class Noisy:
    """A bowl under noise, that counts its calls."""

    def __init__(self, std: float = 0.1) -> None:
        self.rng = np.random.default_rng(0)
        self.std = std
        self.calls: list[Mapping[str, Any]] = []

    def __call__(self, params: Mapping[str, Any]) -> float:
        self.calls.append(params)
        return bowl(params) + self.std * float(self.rng.standard_normal())


def key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))


@pytest.mark.slow
def test_any_names_are_searched_where_they_are_active() -> None:
    seen: list[Mapping[str, Any]] = []

    def objective(params: Mapping[str, Any]) -> float:
        seen.append(params)
        return float(len(seen))

    found = hpsearch.minimize(objective, SPACE, budget=20)
    assert [trial.params for trial in found.trials] == seen
    assert all(("n" in params) == (params["kind"] != "c") for params in seen)
    assert all(1e-4 <= params["rate of it"] <= 10 for params in seen)


@pytest.mark.filterwarnings("ignore:the grid has")
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "manual"])
@pytest.mark.parametrize("budget", [1, 2, 7, 45])
def test_it_calls_no_more_often_than_it_may(strategy: str, budget: int) -> None:
    noisy = Noisy()
    found = hpsearch.minimize(noisy, CUBE, strategy=strategy, budget=budget)
    assert len(noisy.calls) == len(found.trials) == budget


@pytest.mark.slow
def test_it_delivers_better_than_the_first_draws() -> None:
    losses = [
        bowl(best.params)
        for s in range(3)
        if (best := hpsearch.minimize(bowl, CUBE, budget=30, seed=s).best)
    ]
    # 30 uniform points reach 0.006 with p = 0.058 (see test_strategies): three searches with 2e-4
    assert len(losses) == 3
    assert max(losses) < 0.006


def test_only_a_declared_repetition_calls_with_the_same_params() -> None:
    noisy = Noisy()
    found = hpsearch.minimize(noisy, CUBE, budget=45)
    counts = Counter(key(params) for params in noisy.calls)
    repeated = {params: count for params, count in counts.items() if count > 1}
    assert sorted(repeated.values()) == [3, 3, 3]  # 2 rounds of the best three; the last 6 calls
    assert {key(params) for params in noisy.calls[-6:]} == set(repeated)
    assert found.best is not None
    assert key(found.best.params) in repeated


def test_the_best_is_the_lowest_mean_of_those_that_were_run_again() -> None:
    noisy = Noisy()
    best = hpsearch.minimize(noisy, CUBE, budget=45).best
    again = hpsearch.minimize(Noisy(), CUBE, budget=45)
    losses: dict[Any, list[float]] = {}
    for trial in again.trials:
        losses.setdefault(key(trial.params), []).append(trial.loss)
    means = {params: np.mean(found) for params, found in losses.items() if len(found) > 1}
    assert best is not None
    assert key(best.params) == min(means, key=lambda params: means[params])
    assert best.loss == pytest.approx(min(means.values()))
    found = losses[key(best.params)]
    assert best.loss_se == pytest.approx(np.std(found, ddof=1) / math.sqrt(len(found)))


def test_where_there_is_no_noise_nothing_is_run_again_but_once() -> None:
    exact = Noisy(0.0)
    found = hpsearch.minimize(exact, CUBE, budget=45)
    assert sum(count - 1 for count in Counter(map(key, exact.calls)).values()) == 1
    assert found.best is not None
    assert bowl(found.best.params) == min(trial.loss for trial in found.trials)


_NO_LOSS = (
    math.nan,
    math.inf,
    -math.inf,
    None,
    "1.5",
    b"1",
    10**400,
    (),
    (1.0,),
    (1.0, 2.0, 3.0),
    (1.0, math.nan),
    [1.0],
)


@pytest.mark.group("objective values")
@pytest.mark.parametrize("bad", _NO_LOSS, ids=lambda bad: repr(bad)[:20])
def test_what_is_no_finite_number_is_a_failed_trial(bad: Any) -> None:
    (trial,) = hpsearch.minimize(lambda params: bad, CUBE, budget=1).trials
    assert math.isnan(trial.loss)
    assert trial.reason
    assert trial.seconds >= 0


@pytest.mark.parametrize(
    "loss", [1e308, -1e308, 5e-324, 3, True, np.float32(1.5), np.array(1.5), Fraction(3, 2)]
)
def test_what_is_a_finite_number_is_a_loss(loss: Any) -> None:
    found = hpsearch.minimize(lambda params: loss, CUBE, budget=8)
    assert [trial.loss for trial in found.trials] == [float(loss)] * 8
    assert found.best is not None


@pytest.mark.group("objective values")
@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_request_to_end_goes_through_and_the_same_calls_can_be_made_again(
    leave: type[BaseException],
) -> None:
    calls: list[Mapping[str, Any]] = []

    def objective(params: Mapping[str, Any]) -> float:
        calls.append(params)
        if len(calls) == 9:
            raise leave
        return bowl(params)

    with pytest.raises(leave):
        hpsearch.minimize(objective, CUBE, budget=15)
    found = hpsearch.minimize(bowl, CUBE, budget=15)
    assert [trial.params for trial in found.trials[:9]] == calls


@pytest.mark.group("options that are no numbers")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "key", ["time", "time_weight", "seed", "budget", "wave", "lag", "max_failures", "workers"]
)
def test_an_argument_that_is_no_finite_number_is_refused(key: str, bad: float) -> None:
    arguments: dict[str, Any] = {"budget": 3, key: bad}
    with pytest.raises(SpecError, match=f"'{key}'"):
        hpsearch.minimize(bowl, CUBE, "random", **arguments)


@pytest.mark.group("options that are no numbers")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["min", "max", "step", "prior", "value", "values"])
def test_a_parameter_has_finite_numbers_alone(key: str, bad: float) -> None:
    entry: dict[str, object] = {} if key.startswith("value") else {"min": 0.0, "max": 1.0}
    entry[key] = [1.0, bad] if key == "values" else bad
    with pytest.raises(SpecError, match=f"parameters.x.{key}"):
        hpsearch.minimize(bowl, {"x": entry}, "random", budget=3)


@pytest.mark.slow
@pytest.mark.group("objective values")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_two_bad_values_in_fifteen_do_not_spoil_the_search(bad: float) -> None:
    """They cost two calls, and no more.

    Were the nine searches with bad values in law like nine of thirteen calls without, the median of
    the former would be above all of the latter with the probability that the five worst of eighteen
    are all among the former: 0.015.
    """

    def regret(seed: int, budget: int, bad: float | None) -> float:
        calls = 0

        def objective(params: Mapping[str, Any]) -> float:
            nonlocal calls
            calls += 1
            return bad if bad is not None and calls in (4, 9) else bowl(params)

        return min(
            trial.loss
            for trial in hpsearch.minimize(objective, CUBE, budget=budget, seed=seed).trials
        )

    without = [regret(seed, 13, None) for seed in range(9)]
    assert np.median([regret(seed, 15, bad) for seed in range(9)]) <= max(without)


@pytest.mark.filterwarnings("ignore:the grid has")
@pytest.mark.group("large grids")
def test_a_grid_of_a_million_million_million_points_begins_at_once() -> None:
    """It is their history alone that takes room."""
    grid = {f"p{k}": {"values": list(range(10))} for k in range(18)}

    def calls(budget: int) -> Sequence[Evaluation]:
        return hpsearch.minimize(lambda params: 1.0, grid, "grid", budget).trials

    with calls_at_most(1_000_000):
        assert len({key(trial.params) for trial in calls(100)}) == 100
    tracemalloc.start()
    calls(100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # a hundred points of 18 values


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "raise", "text"])
def test_a_call_that_fails_is_a_failed_trial(bad: Any) -> None:
    def objective(params: Mapping[str, Any]) -> Any:
        if params["x"] > 0.5:
            if bad == "raise":
                raise RuntimeError("it burst")
            return bad
        return bowl(params)

    found = hpsearch.minimize(objective, CUBE, budget=20)
    failed = [trial for trial in found.trials if float(trial.params["x"]) > 0.5]
    assert failed
    assert all(math.isnan(trial.loss) and trial.reason for trial in failed)
    assert found.best is not None
    assert float(found.best.params["x"]) <= 0.5
    # what fails is learned: of a uniform search, half of the last eight would fail, and none of
    # them with p = 0.004
    assert sum(float(trial.params["x"]) > 0.5 for trial in found.trials[-8:]) <= 3


def test_an_objective_that_always_fails_has_no_best() -> None:
    found = hpsearch.minimize(lambda params: math.nan, CUBE, budget=15)
    assert found.best is None
    assert len(found.trials) == 15


def test_a_constant_objective_is_searched_to_its_end() -> None:
    found = hpsearch.minimize(lambda params: 1.0, CUBE, budget=45)
    assert len(found.trials) == 45
    assert found.best is not None


def test_a_space_of_one_point_is_called_and_called_again() -> None:
    found = hpsearch.minimize(Noisy(), {"x": {"value": 1}, "c": {"values": ["only"]}}, budget=50)
    assert 1 <= len(found.trials) <= 50
    assert len({key(trial.params) for trial in found.trials}) == 1


def test_the_same_seed_asks_the_same_questions() -> None:
    one, two, other = (hpsearch.minimize(bowl, CUBE, budget=14, seed=seed) for seed in (3, 3, 4))
    assert [t.params for t in one.trials] == [t.params for t in two.trials]
    assert [t.params for t in one.trials] != [t.params for t in other.trials]


def test_seconds_are_a_limit_that_calls_do_not_go_beyond() -> None:
    def objective(params: Mapping[str, Any]) -> tuple[float, float]:
        return bowl(params), math.exp(3 * float(params["x"]))

    found = hpsearch.minimize(objective, CUBE, budget=1000, time=60.0)
    assert 10 < len(found.trials) < 1000
    assert sum(trial.seconds for trial in found.trials) <= 60.0


def test_search_and_leaderboard_weigh_loss_against_the_cost_that_each_call_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def objective(params: Mapping[str, Any]) -> tuple[Mapping[str, float], float]:
        x = float(params["x"])
        return {"loss": 0.0, "cost": 10.0**x}, 10.0**-x

    found = hpsearch.minimize(
        objective, {"x": CUBE["x"]}, "random", 5, time_weight=1.0, study=tmp_path / "mine"
    )
    assert found.best is not None
    assert found.best.params["x"] == min(trial.params["x"] for trial in found.trials)
    now = board(read(tmp_path / "mine"))
    assert (now.price, now.rows[0].params) == ("cost", found.best.params)
    fitted: list[float] = []

    def fit(space: Space, history: History, *how: object) -> None:
        fitted.extend(result.loss for _, result in history.done)
        raise TooFewTrials(Problem("E098", "this is enough"))

    monkeypatch.setattr("hpsearch.commands.show.surrogate_report", fit)
    monkeypatch.setattr(sys, "argv", ["hpsearch", "show", str(tmp_path / "mine")])
    with pytest.raises(SystemExit):
        main()
    assert fitted == [row.score for row in now.rows]


@pytest.mark.slow
def test_what_is_dear_is_asked_for_less() -> None:
    def objective(params: Mapping[str, Any]) -> tuple[float, float]:
        return bowl({"y": params["y"], "z": params["z"]}), math.exp(5 * float(params["x"]))

    found = hpsearch.minimize(objective, CUBE, budget=1000, time=200.0, confirm=False)
    # x does not matter, so that a search that is blind to seconds draws its mean from 0.5
    late = [float(trial.params["x"]) for trial in found.trials[4:]]
    assert np.mean(late) < 0.4


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(SpecError) as error:
        hpsearch.minimize(
            bowl,
            {
                "x": {"min": 1, "max": 0},
                "y": {"valus": [1]},
                "z": {"min": 0, "max": 1, "log": True},
            },
        )
    assert [problem.code for problem in error.value.problems].count("E021") == 1
    assert {"E012", "E021", "E031"} <= {problem.code for problem in error.value.problems}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"budget": 0}, {"surrogate": "svm"}, {"colour": 1}, {"time": -1.0}, {"memory": "1GB"}),
        *({"points": 3}, {"seeds": 2}, {"metric": "loss"}, {"max_failures": 0}, {"workers": 0}),
        *({"grace": "1m"}, {"max_retries": 2}, {"lag": -1}),
    ],
)
def test_a_wrong_argument_is_a_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        hpsearch.minimize(bowl, CUBE, **wrong)


def test_an_unknown_key_is_told_from_one_that_is_meant() -> None:
    with pytest.raises(SpecError, match="unknown key 'pointz'") as caught:
        hpsearch.minimize(bowl, CUBE, "grid", pointz=3)
    (problem,) = caught.value.problems
    assert (problem.code, problem.help) == ("E012", "did you mean 'points'?")


def asked(found: Minimum) -> list[Mapping[str, Any]]:
    """Return the params of all calls."""
    return [trial.params for trial in found.trials]


@dataclass
class Interrupted:
    """A bowl whose `nth` call, counted over all of its life, raises an exception."""

    nth: int
    error: BaseException
    calls: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, params: Mapping[str, Any]) -> float:
        self.calls.append(params)
        if len(self.calls) == self.nth:
            raise self.error
        return bowl(params)


def process_of(params: Mapping[str, Any]) -> tuple[float, float]:
    """Return the number of the process that calls this, as a loss, after a while."""
    time.sleep(0.1)
    return float(os.getpid()), 1.0


def sleep_at_high_x(params: Mapping[str, Any]) -> float:
    """Return the loss of a bowl; where x is high, after a very long time."""
    if params["x"] > 0.7:
        time.sleep(3600)
    return bowl(params)


def crash_at_high_x(params: Mapping[str, Any]) -> float:
    """Return the loss of a bowl; end the process where x is high."""
    if params["x"] > 0.8:
        os._exit(1)
    return bowl(params)


class TestWhatEndsItEarly:
    def test_a_keyboard_interrupt_says_what_was_found(self) -> None:
        with pytest.raises(KeyboardInterrupt) as raised:
            hpsearch.minimize(Interrupted(9, KeyboardInterrupt()), CUBE, budget=15)
        found = raised.value.found  # type: ignore[attr-defined]
        assert isinstance(found, Minimum)
        whole = hpsearch.minimize(bowl, CUBE, budget=8)
        assert asked(found) == asked(whole)
        assert found.best == whole.best is not None

    def test_one_at_the_first_call_has_found_nothing(self) -> None:
        with pytest.raises(KeyboardInterrupt) as raised:
            hpsearch.minimize(Interrupted(1, KeyboardInterrupt()), CUBE, budget=15)
        assert raised.value.found == Minimum(None, ())  # type: ignore[attr-defined]

    def test_so_many_failures_in_a_row_end_it_with_what_was_found(self) -> None:
        def burst(params: Mapping[str, Any]) -> float:
            calls.append(params)
            if len(calls) > 5:
                raise RuntimeError("it burst")
            return bowl(params)

        calls: list[Mapping[str, Any]] = []
        with pytest.raises(Crashing, match="3 trials in a row have crashed") as raised:
            hpsearch.minimize(burst, CUBE, "random", budget=20, max_failures=3)
        found = raised.value.found  # type: ignore[attr-defined]
        assert asked(found) == calls
        assert len(calls) == 8
        assert found.best is not None

    def test_losses_that_are_no_numbers_are_no_such_failures(self) -> None:
        found = hpsearch.minimize(lambda params: math.nan, CUBE, budget=9, max_failures=3)
        assert len(found.trials) == 9


def test_a_strategy_without_a_trial_is_refused() -> None:
    with pytest.raises(SpecError, match="there is nothing to call: 'manual'"):
        hpsearch.minimize(bowl, CUBE, "manual")


class TestWorkers:
    def test_several_processes_call_it_and_none_of_them_is_this_one(self) -> None:
        found = hpsearch.minimize(process_of, CUBE, "random", budget=8, workers=2, wave=8)
        processes = {trial.loss for trial in found.trials}
        assert len(processes) == 2
        assert float(os.getpid()) not in processes

    @pytest.mark.parametrize(
        "keys",
        [
            {"wave": 4},
            pytest.param({"wave": 1}, marks=pytest.mark.slow),
            pytest.param({"wave": 1, "lag": 2}, marks=pytest.mark.slow),
        ],
        ids=str,
    )
    def test_the_calls_are_the_same_for_any_number_of_them(self, keys: dict[str, Any]) -> None:
        here = hpsearch.minimize(bowl, CUBE, budget=12, **keys)
        for workers in (1, 3):
            there = hpsearch.minimize(bowl, CUBE, budget=12, workers=workers, **keys)
            assert asked(there) == asked(here)
            assert there.best == here.best

    @pytest.mark.parametrize(("strategy", "wave", "lag"), [("bayes", 1, 5), ("random", 64, 1)])
    def test_their_wave_and_lag_are_those_of_the_command_line(
        self, strategy: str, wave: int, lag: int
    ) -> None:
        there = hpsearch.minimize(bowl, CUBE, strategy, budget=10, workers=2)
        here = hpsearch.minimize(bowl, CUBE, strategy, budget=10, wave=wave, lag=lag)
        assert asked(there) == asked(here)

    def test_a_process_that_dies_is_a_failed_call(self) -> None:
        found = hpsearch.minimize(
            crash_at_high_x, CUBE, "random", budget=12, workers=2, wave=12, max_retries=0
        )
        failed = [trial for trial in found.trials if math.isnan(trial.loss)]
        assert [trial for trial in found.trials if float(trial.params["x"]) > 0.8] == failed != []
        assert {trial.reason for trial in failed} == {"killed: its process ended with code 1"}

    @pytest.mark.slow
    def test_a_call_that_takes_too_long_is_a_failed_one(self) -> None:
        began = time.monotonic()
        found = hpsearch.minimize(
            sleep_at_high_x, CUBE, "random", budget=6, workers=2, wave=6, trial_timeout="0.3s"
        )
        failed = [trial for trial in found.trials if math.isnan(trial.loss)]
        assert [trial for trial in found.trials if float(trial.params["x"]) > 0.7] == failed != []
        assert {trial.reason for trial in failed} == {"timeout: it took longer than 0.3 s"}
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_they_cannot_import_is_refused_in_a_sentence(self, workers: int) -> None:
        def inner(params: Mapping[str, Any]) -> float:
            return 1.0

        functions: list[Callable[[Mapping[str, Any]], float]] = [lambda params: 1.0, inner]
        for function in functions:
            with pytest.raises(SpecError, match="cannot be called in other processes"):
                hpsearch.minimize(function, CUBE, budget=2, workers=workers)


def anew(params: Mapping[str, Any], trial: RunningTrial) -> None:
    """Train from the first epoch on, whatever the trial has behind it."""
    for epoch in range(1, 28):
        if not trial.report(epoch, {"loss": bowl(params) + 1 / epoch, "epoch_of": epoch}):
            return


def going_on(params: Mapping[str, Any], trial: RunningTrial) -> None:
    """Go on from the epoch that stands in a file."""
    path = trial.folder / "epoch"
    for epoch in range(int(path.read_text()) + 1 if path.exists() else 1, 28):
        path.write_text(str(epoch))
        if not trial.report(epoch, {"loss": bowl(params) + 1 / epoch, "epoch_of": epoch}):
            return


class TestHalving:
    HALVED: Mapping[str, Any] = {"budget": 5, "epochs": 27, "halving": True, "wave": 8}

    def test_calls_end_at_rungs_and_the_best_are_called_again(self) -> None:
        found = hpsearch.minimize(anew, CUBE, "random", **self.HALVED)
        assert Counter(one.epochs for one in found.trials)[27] == 3
        assert {one.epochs for one in found.trials} == {3, 9, 27}
        assert {one.measures["epoch_of"] for one in found.trials} == {3.0, 9.0, 27.0}
        asked_for = sum(one.epochs for one in found.trials)
        assert asked_for > 5 * 27  # each call says how far its training has come
        assert found.best is not None
        assert found.best.loss == pytest.approx(bowl(found.best.params) + 1 / 27)

    def test_it_is_the_same_for_who_goes_on_and_for_who_begins_anew(self, tmp_path: Path) -> None:
        begun = hpsearch.minimize(anew, CUBE, "random", **self.HALVED)
        more: dict[str, Any] = {"workers": 2, "study": tmp_path / "study"}
        gone_on = hpsearch.minimize(going_on, CUBE, "random", **self.HALVED, **more)
        assert asked(begun) == asked(gone_on)
        assert begun.best == gone_on.best
        folders = {path.name for path in (tmp_path / "study" / "trials").iterdir()}
        history = read(tmp_path / "study").history
        assert folders == {str(trial.run) for trial in history.trials}
        for result in history.ended.values():
            assert isinstance(result, Done)
            assert result.paused == (result.epochs < 27)

    def test_after_an_exception_it_goes_on_as_if_nothing_had_happened(self, tmp_path: Path) -> None:
        def broken(params: Mapping[str, Any], trial: RunningTrial) -> None:
            calls.append(trial.number)
            if len(calls) == 11:
                raise KeyboardInterrupt
            going_on(params, trial)

        calls: list[int] = []
        study = tmp_path / "study"
        with pytest.raises(KeyboardInterrupt) as raised:
            hpsearch.minimize(broken, CUBE, "random", study=study, **self.HALVED)
        assert len(raised.value.found.trials) == 10  # type: ignore[attr-defined]
        found = hpsearch.minimize(broken, CUBE, "random", study=study, **self.HALVED)
        undisturbed = hpsearch.minimize(anew, CUBE, "random", **self.HALVED)
        assert asked(found) == asked(undisturbed)
        assert found.best == undisturbed.best
        assert len(calls) == 1 + len(found.trials)  # the one that was interrupted is made again

    def test_a_bar_counts_whole_trainings(self, capsys: pytest.CaptureFixture[str]) -> None:
        hpsearch.minimize(anew, CUBE, "random", **self.HALVED, progress=True)
        assert re.search(r" [45](\.\d+)?/5", capsys.readouterr().err)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"epochs": 1}, "has no epochs(.*\n)*.*'epochs' says how long"),
            ({"epochs": 2}, "2 epochs are too few(.*\n)*.*3 or more"),
            ({"epochs": 2.5}, "'epochs' is 2.5, which is not a whole number"),
            ({"rounds": 3}, "'rounds' has no meaning beside halving"),
            ({"objective": bowl}, "takes no 'trial'"),
        ],
        ids=lambda given: given if isinstance(given, str) else next(iter(given)),
    )
    def test_what_cannot_be_halved_is_refused(self, more: dict[str, Any], said: str) -> None:
        given: dict[str, Any] = {"objective": anew, **self.HALVED, **more}
        with pytest.raises(SpecError, match=said):
            hpsearch.minimize(parameters=CUBE, strategy="random", **given)

    def test_one_that_reports_nothing_on_its_way_is_told_so(self) -> None:
        with pytest.warns(UserWarning, match="the function reports no epochs"):
            hpsearch.minimize(lambda params, trial: bowl(params), CUBE, "random", **self.HALVED)


class TestWhatCounts:
    def test_what_is_maximized_is_minimized_as_its_negative(self, tmp_path: Path) -> None:
        def score(params: Mapping[str, Any]) -> dict[str, float]:
            return {"accuracy": 1 - bowl(params), "loss": 99.0}

        more: dict[str, Any] = {"budget": 12, "study": tmp_path / "study"}
        found = hpsearch.minimize(score, CUBE, maximize="accuracy", **more)
        plain = hpsearch.minimize(lambda params: bowl(params) - 1, CUBE, budget=12)
        assert asked(found) == asked(plain)
        assert [one.measures for one in found.trials] == [{"loss": 99.0}] * 12
        meta = read(tmp_path / "study").meta
        assert (meta.metric, meta.minimized) == ("accuracy", "-accuracy")
        with pytest.raises(ConfigDiffers, match=r"reporting\.maximize: true -> not set"):
            hpsearch.minimize(score, CUBE, minimize="accuracy", **more)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"maximize": "a", "minimize": "b"}, "'maximize' has no meaning beside 'minimize'"),
            ({"maximize": 3}, "'maximize' is 3, which is not the name"),
            ({"minimize": "epoch"}, "'minimize' is the text 'epoch', which is not the name"),
        ],
    )
    def test_it_is_one_number(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(SpecError, match=said):
            hpsearch.minimize(bowl, CUBE, budget=2, **given)


class TestStudy:
    """A folder that keeps the calls."""

    def test_it_holds_all_calls(self, tmp_path: Path) -> None:
        found = hpsearch.minimize(
            bowl, SPACE, budget=12, study=tmp_path / "study", max_failures=None
        )
        history = read(tmp_path / "study").history
        assert [trial.params for trial in history.trials] == asked(found)
        assert [history.results[n].seconds for n in range(12)] == [t.seconds for t in found.trials]

    @pytest.mark.filterwarnings("ignore:the grid has")
    @pytest.mark.parametrize("strategy", ["random", "grid", "bayes"])
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
    def test_after_an_exception_it_goes_on_as_if_nothing_had_happened(
        self, tmp_path: Path, strategy: str, error: BaseException
    ) -> None:
        whole = hpsearch.minimize(bowl, CUBE, strategy, budget=15)
        study = tmp_path / "study"
        for nth in (1, 3, 6, 2):
            with pytest.raises(type(error)):
                hpsearch.minimize(Interrupted(nth, error), CUBE, strategy, budget=15, study=study)
        last = Interrupted(0, error)
        found = hpsearch.minimize(last, CUBE, strategy, budget=15, study=study)
        assert asked(found) == asked(whole)
        assert found.best == whole.best
        assert len(last.calls) == 15 - 0 - 2 - 5 - 1  # a call that was interrupted is made again

    def test_a_failed_call_is_not_made_again(self, tmp_path: Path) -> None:
        study, broken = tmp_path / "study", Interrupted(2, RuntimeError("it burst"))
        first = hpsearch.minimize(broken, CUBE, "random", budget=4, study=study)
        again = Interrupted(0, RuntimeError())
        found = hpsearch.minimize(again, CUBE, "random", budget=4, study=study)
        assert again.calls == []
        assert repr(found) == repr(first)  # NaN is not equal to itself
        assert found.trials[1].reason == "error: RuntimeError: it burst"

    def test_a_larger_budget_goes_on_with_it(self, tmp_path: Path) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, budget=6, study=study)
        more = Interrupted(0, RuntimeError())
        found = hpsearch.minimize(more, CUBE, budget=10, study=study)
        assert asked(found)[6:] == more.calls
        assert asked(found) == asked(hpsearch.minimize(bowl, CUBE, budget=10))
        assert read(study).meta.budget == 10

    def test_what_is_refused_warns_of_nothing(
        self, tmp_path: Path, recwarn: pytest.WarningsRecorder
    ) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, "random", budget=3, study=study)
        with pytest.raises(ConfigDiffers):
            hpsearch.minimize(bowl, CUBE, "grid", budget=3, study=study)
        with pytest.raises(ConfigDiffers):
            hpsearch.Study(CUBE, study, "grid", budget=3)
        assert not recwarn.list

    def test_it_goes_on_with_another_number_of_workers(self, tmp_path: Path) -> None:
        study, whole = tmp_path / "study", hpsearch.minimize(bowl, CUBE, budget=12)
        hpsearch.minimize(bowl, CUBE, budget=5, study=study)
        with pytest.raises(ConfigDiffers, match=r"search\.lag: 0 -> 5"):
            hpsearch.minimize(bowl, CUBE, budget=9, study=study, workers=2)
        more: dict[str, Any] = {"workers": 2, "lag": 0, "memory": "4GB"}
        hpsearch.minimize(bowl, CUBE, budget=9, study=study, **more)
        found = hpsearch.minimize(bowl, CUBE, budget=12, study=study, progress=True)
        assert asked(found) == asked(whole)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"seed": 1}, "seed: 0 -> 1"),
            ({"strategy": "random"}, "strategy: bayes -> random"),
            ({"constraints": ["x < 0.5"]}, "constraints: [] -> [x < 0.5]"),
            ({"wave": 2}, "search.wave: 1 -> 2"),
            ({"lag": 1}, "search.lag: 0 -> 1"),
            (
                {"parameters": {"x": {"min": 0.0, "max": 2.0}, "y": {"value": 1}}},
                "parameters.x: {min: 0.0, max: 1.0} -> {min: 0.0, max: 2.0}",
            ),
            (
                {"parameters": {**CUBE, "x": {"min": 0, "max": 1}}},
                "parameters.x: {min: 0.0, max: 1.0} -> {min: 0, max: 1}",
            ),
            (
                {"parameters": {name: CUBE[name] for name in "zyx"}},
                "parameters: [x, y, z] -> [z, y, x]",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_arguments_are_refused(
        self, tmp_path: Path, more: dict[str, Any], said: str
    ) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, budget=2, study=study)
        given: dict[str, Any] = {"parameters": CUBE, **more}
        with pytest.raises(ConfigDiffers) as refused:
            hpsearch.minimize(bowl, budget=2, study=study, **given)
        assert said in [problem.message for problem in refused.value.problems]
        hpsearch.minimize(bowl, CUBE, budget=2, study=study)  # its lock was let go

    def test_a_version_that_asks_other_questions_refuses_it(self, tmp_path: Path) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, budget=2, study=study)
        with Store.open(study) as store:
            store.amend(replace(store.study().meta, semantics=0))
        with pytest.raises(ConfigDiffers, match=f"finished by hpsearch {hpsearch.__version__}"):
            hpsearch.minimize(bowl, CUBE, budget=2, study=study)

    def test_the_order_of_keys_and_how_it_is_run_make_no_difference(self, tmp_path: Path) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, budget=2, study=study, wave=2, lag=1)
        more: dict[str, Any] = {"lag": 1, "wave": 2, "workers": 1, "max_retries": 3, "time": 60.0}
        assert len(hpsearch.minimize(bowl, CUBE, budget=3, study=study, **more).trials) == 3

    def test_a_study_in_use_is_refused(self, tmp_path: Path) -> None:
        study = tmp_path / "study"
        hpsearch.minimize(bowl, CUBE, budget=2, study=study)
        with Store.open(study), pytest.raises(StudyInUse):
            hpsearch.minimize(bowl, CUBE, budget=3, study=study)

    def test_a_study_of_networks_is_refused(self, tmp_path: Path) -> None:
        create(tmp_path / "study", strategy="bayes").close()
        with pytest.raises(ConfigDiffers, match="objective: networks -> function"):
            hpsearch.minimize(bowl, CUBE, budget=3, study=tmp_path / "study")

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("leaderboard", "study"), 0, "winner"),
            (("leaderboard", "study", "--format", "json"), 0, '"schema_version": 2'),
            (("leaderboard", "study", "--sort", "rate of it"), 0, "rate of it"),
            (("show", "study"), 0, "what a model expects"),
            (("show", "study", "3"), 0, "study: trial 3"),
            (("show", "study", "3", "--json"), 0, '"number": 3'),
            (("resume", "study"), 2, "study searches a Python function"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_it_can_be_looked_at_and_is_resumed_from_python_alone(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        code: int,
        said: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["hpsearch", *arguments])
        hpsearch.minimize(bowl_of_any, SPACE, "random", budget=12, study="study")
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert ended.value.code == code, printed.err
        assert said in (printed.err if code else printed.out)
        assert not (printed.out if code else printed.err)


def bowl_of_any(params: Mapping[str, Any]) -> float:
    """Return a loss of params that need not be numbers."""
    return float(params["rate of it"]) + float(params.get("n", 3.0))


class TestProgress:
    def test_a_bar_goes_to_stderr_and_nothing_to_stdout(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = hpsearch.minimize(bowl, CUBE, budget=7, progress=True)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "7/7" in printed.err
        assert found.best is not None
        assert f"best {found.best.loss:.4g}" in printed.err

    def test_without_it_nothing_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        hpsearch.minimize(bowl, CUBE, budget=7)
        assert capsys.readouterr() == ("", "")

    def test_it_is_left_where_the_search_ends_early(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            hpsearch.minimize(Interrupted(4, KeyboardInterrupt()), CUBE, budget=7, progress=True)
        assert "3/7" in capsys.readouterr().err


class TestWhatIsNoNumberOfPython:
    """Whole numbers of any kind are whole numbers, and lists of any kind are lists."""

    @pytest.mark.parametrize(
        "entry",
        [
            {"min": np.int64(1), "max": np.uint8(9)},
            {"min": np.int32(1), "max": 9, "step": np.int64(4)},
            {"values": np.arange(1, 5)},
            {"values": range(1, 5)},
            {"values": (np.int16(1), np.int16(7))},
            {"value": np.int64(3)},
        ],
        ids=str,
    )
    def test_whole_numbers_stay_whole(self, entry: Mapping[str, Any]) -> None:
        budget: Any = np.int64(3)

        def length(params: Mapping[str, Any]) -> float:
            return float(len(range(params["n"])))

        found = hpsearch.minimize(length, {"n": entry}, "random", budget)
        assert len(found.trials) >= 1
        assert all(type(trial.params["n"]) is int for trial in found.trials)

    def test_other_numbers_texts_and_arguments_are_those_of_python(self, tmp_path: Path) -> None:
        parameters: Mapping[str, Any] = {
            np.str_("x"): {"min": np.float32(0.5), "max": Decimal(2)},
            "y": {"values": [np.str_("a"), np.True_]},
        }
        given: dict[str, Any] = {
            **{"seed": np.uint16(3), "wave": np.int64(1), "study": tmp_path / "s"},
            **{"constraints": np.array(["x < 1.5"]), "budget": np.int64(4)},
        }
        found = hpsearch.minimize(
            lambda params: float(params["x"]),
            parameters,
            "random",
            **given,
        )
        assert {type(value) for trial in found.trials for value in trial.params.values()} <= {
            float,
            str,
            bool,
        }
        plain: dict[str, Any] = {"x": {"min": 0.5, "max": 2.0}, "y": {"values": ["a", True]}}
        again = hpsearch.minimize(
            lambda params: float(params["x"]),
            plain,
            "random",
            constraints=["x < 1.5"],
            budget=4,
            seed=3,
            wave=1,
            study=tmp_path / "s",
        )
        assert asked(again) == asked(found)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"budget": 3.0}, "'budget' is 3.0, which is not a whole number of trials, 1 or more"),
            ({"budget": True}, "'budget' is true, which is not a whole number"),
            ({"workers": 2.0}, "'workers' is 2.0, which is not a whole number, 1 or more"),
            ({"time": "ten"}, "'time' is the text 'ten', which is not a duration"),
            ({"study": 5}, "'study' is 5, which is no folder"),
            ({"constraints": "x < 1"}, "'constraints' is the text 'x < 1', which is not a list"),
            ({"parameters": {"x": [1, 2, 3]}}, r"'parameters.x' is a list.*\n.*\n.*values: \[1, 2"),
            ({"parameters": {1: {"value": 1}}}, "1 is no name of a parameter"),
            ({"parameters": {"x": {"values": {1, 2}}}}, "(set), which is not a list"),
            ({"parameters": {"x": {"values": [Path("a")]}}}, "which is not a number, a word"),
            ({"parameters": {"x": {"min": 0, "max": 2**63}}}, "more values than can be told apart"),
            ({"parameters": {"x": {"min": -1e308, "max": 1e308}}}, "wider than the largest number"),
            ({"parameters": {"x": {"values": [1, 10**5000]}}}, "is beyond 1.8e+308"),
            ({"objective": None}, "'objective' is empty, which is no function"),
        ],
    )
    def test_what_they_are_not_is_refused_in_the_words_of_what_was_given(
        self, given: Mapping[str, Any], said: str
    ) -> None:
        arguments: dict[str, Any] = {"objective": bowl, "parameters": CUBE, "budget": 3, **given}
        with pytest.raises(SpecError, match=said if "\\" in said else re.escape(said)):
            hpsearch.minimize(**arguments)


class TestHowItEnds:
    def test_a_space_that_is_used_up_is_said_to_be(self) -> None:
        found = hpsearch.minimize(bowl, {"x": {"values": [1, 2]}}, budget=9)
        assert (len(found.trials), found.ended) == (2, "all 2 points were tried")
        assert hpsearch.minimize(bowl, CUBE, budget=3).ended == ""

    @pytest.mark.parametrize("strategy", ["random", pytest.param("bayes", marks=pytest.mark.slow)])
    def test_where_constraints_leave_little_it_says_so_and_makes_every_call(
        self, strategy: str
    ) -> None:
        with pytest.warns(UserWarning, match=r"the constraints leave about 0\.0\d+ % of the space"):
            found = hpsearch.minimize(
                bowl, CUBE, strategy, budget=14, constraints=["x + y + z < 0.12"]
            )
        assert len({key(trial.params) for trial in found.trials}) == 14
        assert all(sum(trial.params.values()) < 0.12 for trial in found.trials)  # type: ignore[arg-type]

    def test_where_they_leave_nothing_it_makes_no_call(self) -> None:
        function = Noisy()
        for space in (CUBE, {name: {"values": [1, 2, 3]} for name in "xyz"}):
            for strategy in ("random", "grid", "bayes"):
                with pytest.raises(SpecError, match="E051"):
                    hpsearch.minimize(function, space, strategy, 9, constraints=["x + y + z < 0"])
        assert function.calls == []

    def test_a_grid_that_is_cut_is_said_to_be_and_has_values_of_everything(self) -> None:
        with pytest.warns(UserWarning, match="the grid has 125 points, of which 25 are tried"):
            found = hpsearch.minimize(bowl, CUBE, "grid", 25)
        for name in CUBE:
            assert len({trial.params[name] for trial in found.trials}) == 5

    def test_a_function_that_is_broken_ends_it_as_on_the_command_line(self) -> None:
        def broken(params: Mapping[str, Any]) -> float:
            return undefined  # type: ignore[name-defined,no-any-return]  # noqa: F821

        with pytest.raises(Crashing, match="name 'undefined' is not defined") as caught:
            hpsearch.minimize(broken, CUBE, budget=100)
        assert len(caught.value.found.trials) == 5  # type: ignore[attr-defined]

    def test_an_error_of_the_strategy_is_raised_with_all_calls(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hpsearch.strategies.bayes.Bayes._expected", _broken)
        with pytest.raises(FloatingPointError) as caught:
            hpsearch.minimize(bowl, CUBE, budget=20)
        found = caught.value.found  # type: ignore[attr-defined]
        assert len(found.trials) == 5
        assert found.best.loss == min(trial.loss for trial in found.trials)


def _broken(*arguments: object) -> None:
    raise FloatingPointError


@pytest.mark.parametrize("surrogate", ["gp", pytest.param("ann", marks=pytest.mark.slow)])
def test_the_state_of_the_process_neither_matters_nor_changes(surrogate: str) -> None:
    torch = pytest.importorskip("torch")

    def state() -> tuple[object, ...]:
        return (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_num_threads(),
            np.geterr(),
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            list(warnings.filters),
        )

    def meddling(params: Mapping[str, Any]) -> float:
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.use_deterministic_algorithms(True)
        np.seterr(all="raise")
        warnings.simplefilter("error")
        states.append(state())
        return bowl(params)

    states: list[tuple[object, ...]] = []
    plain = hpsearch.minimize(bowl, CUBE, budget=9, surrogate=surrogate)
    with warnings.catch_warnings():
        try:
            found = hpsearch.minimize(meddling, CUBE, budget=9, surrogate=surrogate)
        finally:
            torch.set_grad_enabled(True)
            torch.set_default_dtype(torch.float32)
            torch.set_default_device("cpu")
            torch.use_deterministic_algorithms(False)
            np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    assert asked(found) == asked(plain)
    assert all(one == states[0] for one in states)
