"""The records that travel: what a history knows, and how time is weighed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.space.space import point_key
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Result, Trial, nominal_seconds
from tests.helpers.histories import done, of_points

LOSSES = st.lists(st.floats(0, 10), max_size=12)


def history_of(losses: list[float]) -> History:
    """Trials with these losses, all of them ended."""
    return of_points(
        [{"x": n} for n in range(len(losses))], {n: done(loss) for n, loss in enumerate(losses)}
    )


def test_a_record_cannot_be_changed() -> None:
    trial = Trial(0, {}, "", 0, 0)
    with pytest.raises(FrozenInstanceError):
        trial.number = 1  # type: ignore[misc]


def test_cost_counts_flops_and_steps() -> None:
    assert nominal_seconds(2e10, 10_000) == pytest.approx(1 + 1)
    assert Done(0.1, 0.9, 7.0, 4e10, 20_000, 1, 1).cost == pytest.approx(2 + 2)


SEGMENTED = History(
    (
        Trial(0, {"x": 0}, "", 0, 0, until_epoch=3),
        Trial(1, {"x": 1}, "", 0, 1),
        Trial(2, {"x": 0}, "", 1, 2, parent=0, start_epoch=3),
        Trial(3, {"x": 1}, "", 1, 3, parent=1, replicate=1),
    ),
    {0: Failed("error", "in a worker", epochs=0), 1: done(0.5)},
)


def test_a_training_that_crashes_later_has_the_epochs_of_its_first_segment() -> None:
    first = Done(0.5, 0.8, 1.0, 3e9, 30, epochs=3, best_epoch=3, paused=True)
    crashed = SEGMENTED.with_results({0: first, 2: Failed("killed", "in a worker")})
    assert crashed.ended[0] == Failed("killed", "in a worker", 1.0, epochs=3)


@pytest.mark.parametrize(
    ("number", "family"), [(0, [0, 2]), (2, [0, 2]), (1, [1, 3]), (3, [1, 3]), (4, []), (-1, [])]
)
def test_a_trial_belongs_with_all_that_repeats_it_or_goes_on_with_it(
    number: int, family: list[int]
) -> None:
    assert [*SEGMENTED.family(number)] == family


@pytest.mark.parametrize(
    ("other", "cost", "measures"),
    [
        (replace(done(0.7), reported_cost=5.0, measures={"size": 3.0, "auc": 0.5}), 4.0, [2, 0.75]),
        (replace(done(0.7), measures={"size": 3.0}), None, [2]),
    ],
    ids=["all have them", "one lacks some"],
)
def test_cost_and_measures_of_a_repeated_trial_are_means_over_runs_that_all_have_them(
    other: Done, cost: float | None, measures: list[float]
) -> None:
    first = replace(done(0.5), reported_cost=3.0, measures={"size": 1.0, "auc": 1.0})
    repeated = SEGMENTED.with_results({1: first, 3: other})
    ((_, found),) = repeated.done
    assert found.loss == pytest.approx(0.6)
    assert found.reported_cost == cost
    assert [*found.measures.items()] == [*zip(("size", "auc"), measures, strict=False)]


@pytest.mark.parametrize(("later", "cost"), [(4.0, 7.0), (None, None)])
def test_a_training_costs_what_its_segments_have_cost_if_all_have_reported_it(
    later: float | None, cost: float | None
) -> None:
    first = replace(done(0.5), reported_cost=3.0, paused=True)
    ended = SEGMENTED.with_results({0: first, 2: replace(done(0.4), reported_cost=later)}).ended[0]
    assert isinstance(ended, Done)
    assert ended.reported_cost == cost


class TestHistory:
    def test_a_trial_without_a_result_is_pending(self) -> None:
        history = of_points([{"x": 0}, {"x": 1}, {"x": 2}], {1: done(0.5)})
        assert [trial.number for trial in history.pending] == [0, 2]

    def test_done_trials_are_sorted_by_loss_and_a_tie_by_number(self) -> None:
        history = history_of([0.5, 0.2, 0.5, 0.1])
        assert [trial.number for trial, _ in history.done] == [3, 1, 0, 2]

    def test_a_failed_trial_is_neither_done_nor_pending(self) -> None:
        history = of_points([{"x": 0}], {0: Failed("diverged", "at once")})
        assert not history.done
        assert not history.pending

    def test_asking_and_telling_leave_the_old_history_as_it_was(self) -> None:
        before = history_of([0.5])
        before.with_trials([Trial(1, {"x": 9}, "", 1, 1)]).with_results({1: done(0.1)})
        assert len(before) == 1
        assert [trial.number for trial, _ in before.done] == [0]

    @given(LOSSES, st.integers(0, 5))
    def test_what_is_carried_over_is_what_would_be_found_afresh(
        self, losses: list[float], more: int
    ) -> None:
        before = history_of(losses)
        after = before
        for k in range(more):
            after = after.with_trials([Trial(len(after), {"x": 100 + k}, "", 1, 1)])
        fresh = History(after.trials, after.results)
        assert after.done == fresh.done
        assert after.pending == fresh.pending
        assert {*after.keys} == {*fresh.keys} == {point_key(trial.params) for trial in after.trials}

    def test_a_told_trial_is_no_longer_pending(self) -> None:
        history = of_points([{"x": 0}, {"x": 1}])
        assert history.pending
        assert [trial.number for trial in history.with_results({0: done(1.0)}).pending] == [1]


class TestWeighing:
    def test_a_weight_of_nothing_changes_nothing(self) -> None:
        history = history_of([0.3, 0.2])
        assert history.with_time_weight(0.0) is history

    def test_a_score_is_the_loss_and_the_weighed_log_of_cost_over_the_median(self) -> None:
        results: dict[int, Result] = {
            0: done(0.5, flops=1e9),
            1: done(0.4, flops=1e12),
            2: done(0.3, flops=1e14),
        }
        weighed = of_points([{"x": n} for n in range(3)], results).with_time_weight(0.1)
        costs = [result.cost for result in results.values() if isinstance(result, Done)]
        expected = [
            loss + 0.1 * log10(cost / costs[1])
            for loss, cost in zip((0.5, 0.4, 0.3), costs, strict=True)
        ]
        assert {trial.number: result.loss for trial, result in weighed.done} == pytest.approx(
            dict(enumerate(expected))
        )

    def test_a_ten_times_shorter_training_is_worth_the_weight(self) -> None:
        results: dict[int, Result] = {0: done(0.50, seconds=1.0), 1: done(0.45, seconds=10.0)}
        history = of_points([{"x": 0}, {"x": 1}], results)
        assert [t.number for t, _ in history.with_time_weight(0.049, by="seconds").done] == [1, 0]
        assert [t.number for t, _ in history.with_time_weight(0.051, by="seconds").done] == [0, 1]

    @pytest.mark.parametrize(
        ("costs", "price"),
        [((3.0, 5.0), "cost"), ((3.0, None), "seconds"), ((None, None), "seconds")],
    )
    def test_trials_are_paid_in_what_each_has_reported_as_its_cost_or_in_seconds(
        self, costs: tuple[float | None, ...], price: str
    ) -> None:
        ended = {n: replace(done(0.1), reported_cost=cost) for n, cost in enumerate(costs)}
        failed = Failed("error", "it ended with 3")
        history = of_points([{"x": n} for n in range(3)], {**ended, 2: failed})
        assert history.price(is_counted=False) == price
        assert history.price(is_counted=True) == "cost"

    def test_as_long_as_nothing_has_a_loss_trials_are_paid_in_seconds(self) -> None:
        history = of_points([{"x": 0}, {"x": 1}], {0: Failed("error", "it ended with 3")})
        assert history.price(is_counted=False) == "seconds"

    def test_failed_trials_stay_failed(self) -> None:
        history = of_points([{"x": 0}, {"x": 1}], {0: done(0.1), 1: Failed("diverged", "soon")})
        assert history.with_time_weight(0.5).results[1] == Failed("diverged", "soon")

    def test_a_training_that_took_no_time_has_a_score(self) -> None:
        results: dict[int, Result] = {0: done(0.1, seconds=0.0), 1: done(0.2, seconds=0.0)}
        history = of_points([{"x": 0}, {"x": 1}], results)
        assert [result.loss for _, result in history.with_time_weight(0.5, by="seconds").done] == [
            0.1,
            0.2,
        ]
