"""What is said of data before the first trial, and what of it makes results worth less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.notes import summary
from hpsearch.data.prepare import prepare
from tests.helpers.sources import BUNDLED

pytestmark = pytest.mark.group("worthless results")
ROWS = 200
NOISE = np.random.default_rng(0).normal(size=(ROWS, 2))
HALF = np.arange(ROWS) % 2
PARTS = np.array((["train"] * 3 + ["validation", "test"]) * (ROWS // 5))


@pytest.mark.parametrize("name", BUNDLED)
def test_nothing_is_doubtful_about_the_data_that_come_along(name: str) -> None:
    assert prepare(DataSpec(name)).notes == ()


def test_the_summary_of_a_regression_says_that_it_is_one() -> None:
    line = summary(prepare(DataSpec("diabetes", test=0)))
    assert (
        line == "diabetes: 442 rows of 10 inputs, regression of progression; 354 train, 88 validate"
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"validation": 0.005}, "only 1 row to validate"),
        ({"validation": 0.09}, "only 18 rows to validate"),
        ({"validation": 0.1}, ""),
        ({"folds": 5}, ""),
    ],
)
def test_very_few_rows_that_validate_are_doubtful(
    arrays: Callable[..., DataSpec], spec: dict[str, Any], said: str
) -> None:
    notes = " ".join(prepare(arrays(spec, X=NOISE, y=HALF)).notes)
    assert said in notes
    assert bool(said) == bool(notes)


@pytest.mark.parametrize(("positives", "said"), [(6, "1 of 'b'"), (60, "")])
def test_very_few_positives_that_validate_are_doubtful(
    arrays: Callable[..., DataSpec], positives: int, said: str
) -> None:
    labels = np.array(["b"] * positives + ["a"] * (ROWS - positives))
    notes = " ".join(prepare(arrays(X=NOISE, y=labels)).notes)
    assert said in notes
    assert bool(said) == bool(notes)


@pytest.mark.parametrize(("rare", "said"), [(17, True), (20, False)])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_a_rare_class_is_said_where_nobody_has_said_how_much_it_counts(
    arrays: Callable[..., DataSpec], rare: int, said: bool, weights: str | None
) -> None:
    labels = np.array(["b"] * rare + ["a"] * (ROWS - rare))
    notes = prepare(arrays({"weights": weights, "test": 0}, X=NOISE, y=labels)).notes
    expected = (
        "183 rows are of 'a', and 17 of 'b': with `weights: balanced` they count alike, and "
        "`metric: balanced_accuracy` judges so"
    )
    assert (expected in notes) is (said and weights is None)
    # and that few of them validate
    assert len(notes) == (2 if said and weights is None else 1)


@pytest.mark.parametrize(("heavy", "said"), [(1.0, False), (1e4, True)])
def test_rows_to_validate_that_hardly_count_beside_others_are_doubtful(
    table: Callable[..., DataSpec], heavy: float, said: bool
) -> None:
    lines = [
        f"{x:.4f},{k % 2},{PARTS[k]},{heavy if k % 50 == 3 else 1}"
        for k, x in enumerate(NOISE[:, 0])
    ]
    spec = table("\n".join(["x,y,part,w", *lines]) + "\n", column="part", weights="w")
    expected = (
        "by their weights, the 40 rows to validate are worth 4 that count alike: losses are "
        "mostly chance"
    )
    assert (expected in prepare(spec).notes) is said


def test_the_summary_says_what_rows_are_weighted_by(table: Callable[..., DataSpec]) -> None:
    lines = [f"{x:.4f},{x + z:.4f},{k % 3 + 1}" for k, (x, z) in enumerate(NOISE)]
    data = prepare(table("\n".join(["x,y,w", *lines]) + "\n", weights="w"))
    assert "200 rows of 1 input, regression of y, weighted by w;" in summary(data)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_column_that_varies_only_outside_of_training_is_doubtful(
    table: Callable[..., DataSpec], part: str
) -> None:
    row = np.flatnonzero(part == PARTS)[3]
    lines = [
        f"{x:.4f},{1e6 if k == row else 7},{k % 2},{PARTS[k]}" for k, x in enumerate(NOISE[:, 0])
    ]
    data = prepare(table("\n".join(["x,odd,y,part", *lines]) + "\n", column="part"))
    assert len(data.notes) == 1
    assert data.notes[0].startswith("column 'odd' does not vary in training, but in other rows")


def test_a_column_that_is_constant_everywhere_is_not(arrays: Callable[..., DataSpec]) -> None:
    constant = np.column_stack([NOISE, np.full(ROWS, 0.1)])
    assert prepare(arrays(X=constant, y=HALF)).notes == ()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_targets_of_validation_that_are_all_alike_are_doubtful(
    arrays: Callable[..., DataSpec], kind: type
) -> None:
    targets: np.ndarray[Any, Any] = np.where(PARTS == "validation", 0.1, NOISE[:, 0]).astype(kind)
    spec = arrays({"column": "part"}, X=NOISE, y=targets, part=PARTS)
    assert "r2 is not defined" in " ".join(prepare(spec).notes)


def test_a_column_that_is_embedded_is_said(table: Callable[..., DataSpec]) -> None:
    lines = [f"{k % 7},town {k % 80},{k % 2},{k % 3}" for k in range(480)]
    notes = prepare(table("x,town,two,y\n" + "\n".join(lines) + "\n")).notes
    assert notes == ("'town' has 80 categories: networks learn a vector for each",)


def test_categories_that_are_too_rare_to_be_told_apart_are_said(
    table: Callable[..., DataSpec],
) -> None:
    lines = [f"{k % 7},{'usual' if k % 2 else f'rare{k}'},{k % 3}" for k in range(60)]
    notes = prepare(table("x,c,y\n" + "\n".join(lines) + "\n")).notes
    assert "'c': 50% of the rows have a category too rare to be told apart" in notes
