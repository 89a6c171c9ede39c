"""How much each row counts: what is read, refused, scaled and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpsearch.data import Dataset, DataSpec, RawData
from hpsearch.data.digest import digest_of
from hpsearch.data.notes import summary
from hpsearch.data.prepare import prepare
from hpsearch.data.splits.resplit import resplit
from hpsearch.data.weights import mean, scaled_weights, variance
from tests.helpers.sources import check_refused

Table = Callable[..., DataSpec]
ROWS = 60


def weighed(rows: int = ROWS, cells: Mapping[int, str] | None = None, numbers: bool = False) -> str:
    """Return a table in which the row of input k weighs 1 + k % 4, or what `cells` says of it."""
    lines = ["k,owner,w,y"]
    for k in range(rows):
        weight = (cells or {}).get(k, str(1 + k % 4))
        lines.append(f"{k},o{k // 3},{weight},{k * 1.5 + k % 7 if numbers else 'ab'[k % 2]}")
    return "\n".join(lines) + "\n"


def expected(data: Dataset) -> np.ndarray[Any, Any]:
    """Return the weights of the rows by their inputs, 1 in the mean where targets are measured."""
    own = 1 + data.inputs[:, 0] % 4
    fold = data.folds[0]
    measured = fold.train if data.whole is None else data.whole.train
    return np.asarray(own / own[measured].mean())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"folds": 4},
        {"rows": 30},
        {"group": "owner"},
        {"group": "owner", "folds": 3},
        {"by": "k"},
        {"missing": "error"},
    ],
    ids=str,
)
@pytest.mark.parametrize("numbers", [False, True], ids=["classes", "numbers"])
def test_weights_follow_their_rows_and_have_a_mean_of_1_where_targets_are_measured(
    table: Table, options: dict[str, Any], numbers: bool
) -> None:
    data = prepare(table(weighed(numbers=numbers), weights="w", **options))
    assert data.weights is not None
    assert data.weights.dtype == np.float32
    assert data.weights == pytest.approx(expected(data))
    assert "w" not in [column.name for column in data.columns]
    assert data.weighted_by == "w"
    assert data.metric_weights is data.weights


def test_rows_without_a_target_take_their_weights_along(table: Table) -> None:
    text = weighed().replace("7,o2,4,b\n", "7,o2,nonsense,\n")
    data = prepare(table(text, weights="w"))
    assert len(data.targets) == ROWS - 1
    assert data.weights == pytest.approx(expected(data))


def test_a_row_of_weight_0_is_left_out_and_said(table: Table) -> None:
    data = prepare(table(weighed(cells={5: "0", 9: "0.0"}), weights="w"))
    assert {5.0, 9.0}.isdisjoint(data.inputs[:, 0].tolist())
    assert data.weights == pytest.approx(expected(data))
    assert "2 rows of weight 0 are left out, the first of them row 6 (line 7)" in data.notes


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({3: ""}, ["weight 'w', row 4 (line 5): the weight is missing"]),
        ({3: "NA"}, ["row 4 (line 5): the weight is missing"]),
        ({3: "-1"}, ["row 4 (line 5): -1", "is below 0", "a weight is a number, 0 or more"]),
        ({3: "heavy"}, ["row 4 (line 5): 'heavy' is not a number"]),
        ({3: "inf"}, ["row 4 (line 5): inf is not a finite number"]),
        ({3: "1e39"}, ["row 4 (line 5): 1e39 is beyond 3.4e+38"]),
        ({3: "1e-39"}, ["row 4 (line 5): 1e-39 is 4.1e-40 times the mean weight"]),
        (dict.fromkeys(range(ROWS), "0"), ["t: weight 'w' is 0 in every row"]),
    ],
    ids=str,
)
def test_what_is_no_weight_is_refused_where_it_stands(
    table: Table, cells: dict[int, str], said: Sequence[str]
) -> None:
    check_refused(table(weighed(cells=cells), weights="w"), "E074", said)


def test_weights_may_be_written_as_other_numbers_are(table: Table) -> None:
    text = weighed(cells={0: '"1,5"', 1: '"0,5"'})
    data = prepare(table(text, weights="w"))
    assert data.weights is not None
    assert data.weights[0] / data.weights[1] == pytest.approx(3)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("v", ["no column 'v' that says how much each row counts", "its columns: k, owner, w, y"]),
        ("onwer", ["did you mean 'owner'?"]),
        ("balancd", ["did you mean 'balanced'?"]),
        ("y", ["'y' cannot be the target and say how much each row counts"]),
    ],
)
def test_a_column_that_cannot_say_it_is_refused(
    table: Table, weights: str, said: Sequence[str]
) -> None:
    check_refused(table(weighed(), weights=weights), "E072", said)


def test_only_a_table_has_a_column_that_says_it(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays({"weights": "balancd"}, X=np.zeros((9, 2)), y=np.arange(9) % 2)
    check_refused(spec, "E072", ["no columns with names, and `weights:`", "mean 'balanced'?"])


def test_the_rows_of_a_test_file_have_weights_of_the_same_scale() -> None:
    test = RawData("test", np.zeros((2, 1)), np.zeros(2), weights=np.array([4.0, 1.0]))
    own = RawData("own", np.zeros((3, 1)), np.zeros(3), test=test, weights=np.array([1.0, 3.0, 8]))
    found = scaled_weights(own, DataSpec("own", weights="w"), np.array([0, 1]))
    assert found is not None
    assert found.tolist() == [0.5, 1.5, 4.0, 2.0, 0.5]


def uneven(rows: int = 90) -> str:
    """Return a table in which every ninth row is of class b, and every other of the rest of c."""
    kinds = ["b" if k % 9 == 0 else "ac"[k % 2] for k in range(rows)]
    return "\n".join(["k,y", *(f"{k},{kind}" for k, kind in enumerate(kinds))]) + "\n"


@pytest.mark.parametrize("options", [{}, {"folds": 3}, {"rows": 40}], ids=str)
def test_balanced_classes_count_alike_where_targets_are_measured(
    table: Table, options: dict[str, Any]
) -> None:
    data = prepare(table(uneven(), weights="balanced", **options))
    assert data.weights is not None
    measured = data.folds[0].train if data.whole is None else data.whole.train
    sums = np.bincount(data.targets[measured], data.weights[measured])
    assert sums == pytest.approx([len(measured) / 3] * 3)
    # rows of a class weigh the same, whatever part they are in
    assert all(len(set(data.weights[data.targets == k].tolist())) == 1 for k in range(3))
    assert data.metric_weights is None


def test_a_class_that_no_measured_row_has_weighs_as_one_of_a_single_row() -> None:
    """With --smoke the rows of a rare class may all be thinned out."""
    raw = RawData("x", np.zeros((5, 1)), np.zeros(5))
    classes = np.array([0, 0, 0, 1, 2])
    spec = DataSpec("x", weights="balanced")
    found = scaled_weights(raw, spec, np.array([0, 1, 2, 3]), classes)
    assert found is not None
    assert found == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 2])


def test_the_classes_of_any_source_can_be_balanced() -> None:
    line = summary(prepare(DataSpec("wine", weights="balanced")))
    assert "3 classes of class that count alike;" in line


def test_numbers_cannot_be_balanced(table: Table) -> None:
    spec = table(weighed(numbers=True), weights="balanced")
    check_refused(spec, "E075", ["lets classes count alike, and this is a regression"])


def test_the_word_stands_over_a_column_of_that_name(table: Table) -> None:
    data = prepare(
        table(weighed().replace("k,owner,w,y", "k,owner,balanced,y"), weights="balanced")
    )
    assert "no column 'balanced' is meant" in " ".join(data.notes)
    assert "balanced" in [column.name for column in data.columns]
    assert data.weights is not None
    assert data.weights.tolist() == [1.0] * ROWS  # there are as many of a as of b


@pytest.mark.parametrize("folds", [None, 3])
def test_the_unit_of_a_regression_is_measured_by_weights(table: Table, folds: int | None) -> None:
    data = prepare(table(weighed(numbers=True), weights="w", folds=folds))
    assert data.weights is not None
    rows = data.folds[0].train if data.whole is None else data.whole.train
    times = (1 + data.inputs[rows, 0] % 4).astype(int)
    own = data.targets * np.float64(data.target_scale) + data.target_center
    repeated = np.repeat(own[rows], times)
    assert data.target_center == pytest.approx(repeated.mean())
    assert data.target_scale == pytest.approx(repeated.std())
    assert variance(data.targets[rows], data.weights[rows]) == pytest.approx(1)


def test_a_mean_and_a_variance_by_weights_are_those_of_repeated_numbers() -> None:
    rng = np.random.default_rng(0)
    numbers, times = rng.normal(3, 2, 50), rng.integers(1, 5, 50)
    weights = (times / 3).astype(np.float32)
    repeated = np.repeat(numbers, times)
    assert mean(numbers, weights) == pytest.approx(repeated.mean())
    assert variance(numbers, weights) == pytest.approx(repeated.var())
    assert variance(np.full(3, 0.1), np.array([1, 2, 3], np.float32)) == 0


@pytest.mark.parametrize("folds", [None, 3])
def test_a_new_split_keeps_the_weights(table: Table, folds: int | None) -> None:
    data = prepare(table(uneven(), weights="balanced", folds=folds))
    again = resplit(data, 1)
    assert again.weights is data.weights
    assert again.folds[0].train.tolist() != data.folds[0].train.tolist()


def test_the_scale_of_the_inputs_goes_by_rows_as_they_are(table: Table) -> None:
    plain, weighted = (prepare(table(weighed(), weights=weights)) for weights in (None, "balanced"))
    assert np.array_equal(plain.folds[0].center, weighted.folds[0].center)
    assert np.array_equal(plain.folds[0].train, weighted.folds[0].train)


def test_the_digest_covers_the_weights_and_what_they_count_in(table: Table) -> None:
    data = prepare(table(weighed(), weights="balanced"))
    assert data.weights is not None
    others = [
        replace(data, weights=None, weighted_by=None),
        replace(data, weights=2 * data.weights),
        replace(data, weighted_by="w"),
    ]
    assert len({digest_of(one) for one in (data, *others)}) == 4
    assert digest_of(replace(data, weighted_by="w")) == digest_of(replace(data, weighted_by="v"))


def test_data_without_weights_have_the_digest_that_they_had() -> None:
    known = "7e581ec826e81fb8ab26420cabfec61f1b0edf02a3891c3a8ebd16aee9195d6c"
    assert prepare(DataSpec("wine")).digest == known
