"""Intervals by resampling: what they are made of, how often they are right, and where none is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch
from scipy import stats

from hpsearch.data import Dataset
from hpsearch.engine import resamples
from hpsearch.engine.feed import Answers, Feed
from hpsearch.engine.resamples import measure, percentiles
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.members import Member
from hpsearch.metrics import METRICS
from hpsearch.study.trial import Interval, Measured
from tests.engine.test_tallies import CLASSES, Answering, Numbers, Rows, judged, numbers
from tests.helpers.problems import dataset, member

SCALE = 1_000.0
REFERENCES: dict[str, Callable[..., float]] = {**CLASSES, **numbers(SCALE)}


def all_tested(targets: Rows | Numbers, classes: int = 0) -> Dataset:
    """Return data of which all rows are tested."""
    rows = np.arange(len(targets))
    data = judged(dataset(rows[:, None].astype(np.float64), targets, classes=classes), rows)
    return replace(data, test=rows, target_scale=1.0 if classes else SCALE)


def measured(
    data: Dataset, outputs: Numbers, metric: str, seed: int = 0, at_once: int = 7
) -> tuple[Measured, Measured]:
    """Return loss and metric of these outputs [rows, outputs], with their intervals."""
    feed = Answering(data, outputs[None], at_once)
    task = TrainingTask(data.shape, data.outputs, 0)
    stacked = StackedCohort([Member(0, member().settings)], task, feed.like)
    return measure(feed, stacked, "test", metric, seed)


def problem(metric: str, rows: int, seed: int = 0) -> tuple[Dataset, Numbers]:
    """Return data for a metric, and outputs that tell something of the targets."""
    rng = np.random.default_rng(seed)
    if METRICS[metric].task == "regression":
        numbers = rng.normal(size=rows)
        return all_tested(numbers), (numbers + 0.5 * rng.normal(size=rows))[:, None]
    y = rng.integers(3, size=rows)
    return all_tested(y, 3), 2.0 * np.eye(3)[y] + rng.normal(size=(rows, 3))


@pytest.mark.parametrize("metric", METRICS)
def test_a_resample_is_judged_like_the_rows_that_were_drawn(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resamples, "_RESAMPLES", 40)
    data, outputs = problem(metric, 50)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 50).astype(np.float32)
    data = replace(data, weights=weights, weighted_by="w")
    _, found = measured(data, outputs, metric)
    rng, values, judge = np.random.default_rng(0), [], REFERENCES[metric]
    with warnings.catch_warnings():  # of classes that are drawn nowhere
        warnings.simplefilter("ignore")
        for _ in range(40):
            drawn = rng.integers(50, size=50)
            values.append(judge(data.targets[drawn], outputs[drawn], weights[drawn]))
        whole = judge(data.targets, outputs, weights)
    assert found.value == pytest.approx(whole)  # targets are float32
    assert found.interval == pytest.approx(np.quantile(values, [0.025, 0.975]))


def test_an_interval_of_the_mean_loss_is_that_of_scipy() -> None:
    data, outputs = problem("rmse", 80)
    loss, _ = measured(data, outputs, "rmse")
    errors = (outputs[:, 0] - data.targets) ** 2
    found = stats.bootstrap(
        (errors,), np.mean, n_resamples=20_000, method="percentile", random_state=0
    )
    # the 2.5th percentile of n draws from a normal distribution strays by
    # sqrt(0.025 * 0.975 / n) / 0.0584 of its standard deviation; four times that of both
    strays = sqrt(0.025 * 0.975) / 0.0584 * sqrt(1 / 1_000 + 1 / 20_000)
    assert loss.interval is not None
    assert loss.interval == pytest.approx(
        [*found.confidence_interval], abs=4 * strays * found.standard_error
    )


def covered(metric: str, truth: float, studies: int, rows: int) -> float:
    """Return in which share of studies the interval has the truth."""
    hits = 0
    for seed in range(studies):
        data, outputs = problem(metric, rows, seed)
        _, found = measured(data, outputs, metric, seed, rows)
        assert found.interval is not None
        hits += found.interval.low <= truth <= found.interval.high
    return hits / studies


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        ("accuracy", 100),
        pytest.param("rmse", 100, marks=pytest.mark.slow),
        pytest.param("auc", 300, marks=pytest.mark.slow),
    ],
)
def test_an_interval_has_the_truth_in_it_in_95_studies_of_100(
    metric: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resamples, "_RESAMPLES", 200)
    studies = 200
    _, truth = measured(*problem(metric, 40_000, 10**6), metric, at_once=40_000)
    # four standard deviations of the share in so many studies
    margin = 4 * sqrt(0.95 * 0.05 / studies)
    assert covered(metric, truth.value, studies, rows) == pytest.approx(0.95, abs=margin)


class TestDraws:
    def test_the_seed_says_what_is_drawn(self) -> None:
        data, outputs = problem("auc", 60)
        once, again, other = (measured(data, outputs, "auc", seed) for seed in (0, 0, 1))
        assert once == again
        assert other[1].value == once[1].value
        assert other[1].interval != once[1].interval

    def test_it_does_not_matter_how_many_are_judged_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data, outputs = problem("f1", 60)
        whole = measured(data, outputs, "f1")
        monkeypatch.setattr(resamples, "_AT_ONCE", 60 * 7)
        assert measured(data, outputs, "f1")[1] == whole[1]

    def test_the_figures_are_those_that_a_split_is_scored_by(self) -> None:
        data, outputs = problem("f1", 60)
        feed = Answering(data, outputs[None], 7)
        task = TrainingTask(data.shape, data.outputs, 0)
        stacked = StackedCohort([Member(0, member().settings)], task, feed.like)
        scores = feed.score(stacked, "test", "f1")
        loss, metric = measure(feed, stacked, "test", "f1", 0)
        assert ([loss.value], [metric.value]) == scores

    @pytest.mark.parametrize("metric", ["accuracy", "rmse"])
    def test_of_many_rows_a_part_says_how_far_figures_stray(
        self, metric: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data, outputs = problem(metric, 8_000)
        _, whole = measured(data, outputs, metric, at_once=8_000)
        monkeypatch.setattr(resamples, "_MOST_ROWS", 2_000)
        _, part = measured(data, outputs, metric, at_once=8_000)
        assert part.value == whole.value
        assert part.interval != whole.interval
        assert whole.interval is not None
        width = whole.interval.high - whole.interval.low
        # ends of both stray by 0.0845 of a standard deviation (see above), and the part's own
        # standard deviation by less than a tenth: a quarter of the width holds four times that
        assert part.interval == pytest.approx(whole.interval, abs=0.15 * width)


class TestNone:
    def test_there_is_none_of_few_rows(self) -> None:
        for rows, is_there in ((19, False), (20, True)):
            loss, metric = measured(*problem("accuracy", rows), "accuracy")
            assert (loss.interval is not None) == (metric.interval is not None) == is_there

    def test_there_is_none_where_all_rows_are_alike(self) -> None:
        y = np.arange(30) % 3
        loss, metric = measured(all_tested(y, 3), 5.0 * np.eye(3)[y], "accuracy")
        assert (metric.value, metric.interval) == (1.0, None)
        assert loss.interval is None

    @pytest.mark.parametrize(("rows_of_one", "is_there"), [(1, False), (8, True)])
    def test_there_is_none_where_resamples_do_not_define_a_metric(
        self, rows_of_one: int, is_there: bool
    ) -> None:
        y = (np.arange(40) < rows_of_one).astype(np.int64)
        outputs = np.random.default_rng(0).normal(size=(40, 2))
        loss, metric = measured(all_tested(y, 2), outputs, "auc")
        assert loss.interval is not None
        assert (metric.interval is not None) == is_there

    def test_there_is_none_of_targets_that_are_all_equal(self) -> None:
        outputs = np.random.default_rng(0).normal(size=(40, 1))
        loss, metric = measured(all_tested(np.full(40, 0.1)), outputs, "r2")
        assert loss.interval is not None
        assert np.isnan(metric.value)
        assert metric.interval is None

    def test_draws_of_one_target_do_not_define_r2(self) -> None:
        """Of one row that differs, more than a third of the draws have nothing."""
        y = np.where(np.arange(40) == 0, 1.1, 0.1)
        _, metric = measured(all_tested(y), np.random.default_rng(0).normal(size=(40, 1)), "r2")
        assert np.isfinite(metric.value)
        assert metric.interval is None

    def test_rounding_makes_no_variance_of_equal_targets(self) -> None:
        targets = torch.tensor([*[0.1] * 30, 5.0], dtype=torch.float64)
        counts = torch.rand(50, 31, dtype=torch.float64, generator=torch.manual_seed(0))
        counts[:, -1] = 0.0
        rows = Answers(torch.zeros(1, 31, 1), targets, counts, counts)
        assert not resamples._variances(rows).any()

    def test_percentiles_are_between_the_values_that_are_defined(self) -> None:
        found = np.append(np.arange(101.0), np.nan)
        assert percentiles(found) == Interval(2.5, 97.5)
        assert percentiles(np.array([])) is percentiles(np.full(9, 0.5)) is None


def test_a_network_of_float32_is_measured_as_well() -> None:
    data, _ = problem("r2", 60)
    feed = Feed(data, "cpu")
    task = TrainingTask(data.shape, data.outputs, 0)
    loss, metric = measure(
        feed, StackedCohort([Member(0, member().settings)], task, feed.like), "test", "r2", 0
    )
    assert loss.interval is not None
    assert loss.interval.low < loss.value < loss.interval.high
    assert metric.interval is not None
