"""From the cells of a table to the inputs of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.columns.encode import blocks, encoded
from hpsearch.data.prepare import prepare
from hpsearch.data.splits.resplit import resplit
from hpsearch.engine.feed import Feed

ROWS = 60


def mixed(**cells: str) -> str:
    """Return a table of all kinds with gaps; n3="7" replaces column n in row 3 (from 0)."""
    lines = ["n,c,two,day,part,y"]
    parts = ["train", "train", "validation", "test"] * (ROWS // 4)
    for row in range(ROWS):
        values = {
            "n": "" if row % 7 == 3 else str(row * 1.5),
            "c": ["red", "green", "blue", ""][row // 4 % 4],
            "two": "ab"[row // 3 % 2],
            "day": f"2026-{row % 12 + 1:02}-01",
            "part": parts[row],
            "y": str(row % 3),
        }
        lines.append(",".join(cells.get(f"{name}{row}", value) for name, value in values.items()))
    return "\n".join(lines) + "\n"


def features_of(data: Dataset) -> tuple[str, ...]:
    """Return the names of all features."""
    return tuple(name for column in data.columns for name in column.features)


@pytest.fixture(params=["standard", "unit", "none"])
def data(request: pytest.FixtureRequest, table: Callable[..., DataSpec]) -> Dataset:
    return prepare(table(mixed(), column="part", scale=request.param))


def test_the_shape_is_that_of_all_features(data: Dataset) -> None:
    assert features_of(data) == (
        *("n", "n is missing"),
        *("c = blue", "c = green", "c = red", "c is missing"),
        "two = b",
        *("day", "day: month", "day: weekday"),
    )
    assert data.shape.sides == (10,)
    assert data.inputs.shape == (ROWS, 4)


def test_a_missing_number_becomes_the_mean_of_the_training_rows(data: Dataset) -> None:
    fold = data.folds[0]
    known = data.inputs[fold.train, 0]
    mean = np.nanmean(known)
    found = encoded(data.inputs, data.columns, fold)[:, 0]
    filled = (mean - fold.center[0]) / fold.scale[0]
    assert found[np.isnan(data.inputs[:, 0])] == pytest.approx(filled, abs=1e-12)
    assert np.isfinite(encoded(data.inputs, data.columns, fold)).all()


def test_flags_are_not_scaled(data: Dataset) -> None:
    found = encoded(data.inputs, data.columns, data.folds[0])
    assert set(np.unique(found[:, 1:6])) == {0.0, 1.0}
    assert set(np.unique(found[:, 6])) == {-1.0, 1.0}


def test_what_stands_in_other_rows_changes_nothing_that_is_measured(
    table: Callable[..., DataSpec],
) -> None:
    before = prepare(table(mixed(), column="part"))
    after = prepare(table(mixed(n3="1e6", c3="pink", two3="z", day3="1900-01-01"), column="part"))
    assert before.test[0] == 3
    assert after.columns == before.columns
    for name in ("center", "scale", "fill"):
        assert np.array_equal(getattr(after.folds[0], name), getattr(before.folds[0], name))
    assert encoded(after.inputs[3:4], after.columns, after.folds[0])[0, 2:7].tolist() == [0] * 5


def test_a_category_that_no_training_row_of_a_fold_has_is_nothing_there(
    table: Callable[..., DataSpec],
) -> None:
    cells = {f"c{row}": "pink" for row in range(2, ROWS, 4)}  # the validating rows
    data = prepare(table(mixed(**cells), column="part"))
    pink = features_of(data).index("c = pink")
    assert data.folds[0].scale[pink] == np.inf
    assert not encoded(data.inputs, data.columns, data.folds[0])[:, pink].any()


def towns(**cells: str) -> str:
    """Return a table whose categories are many; town3="x" replaces the town of row 3 (from 0)."""
    lines = ["n,town,y"]
    for row in range(280):
        lines.append(f"{row % 13},{cells.get(f'town{row}', f't{row % 70}')},{row % 3}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("scale", ["standard", "unit", "none"])
def test_places_are_not_scaled(table: Callable[..., DataSpec], scale: str) -> None:
    data = prepare(table(towns(town7="", town77="", town8="rare"), scale=scale, test=0.0))
    found = encoded(data.inputs, data.columns, data.folds[0])[:, 1]
    assert data.shape.embedded[0].places == 72
    assert set(np.unique(found)) == {*range(72)}
    assert (found[8], found[7], found[77]) == (0, 71, 71)


def test_the_one_place_of_all_training_rows_teaches_nothing(
    table: Callable[..., DataSpec],
) -> None:
    lines = towns().splitlines()
    parts = ["part", *("train" if k % 70 == 5 else "validation" for k in range(280))]
    text = "\n".join(f"{line},{part}" for line, part in zip(lines, parts, strict=True))
    data = prepare(table(text + "\n", column="part"))
    assert data.shape.embedded[0].places == 71
    assert not encoded(data.inputs, data.columns, data.folds[0])[:, 1].any()


def test_the_feed_gives_every_fold_its_own_encoding(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(mixed(), folds=3))
    feed = Feed(data, "cpu")
    for k, fold in enumerate(data.folds):
        found, *_ = feed.batch(feed.rows(np.arange(ROWS), k), [k])
        expected = encoded(data.inputs, data.columns, fold)
        assert torch.equal(found, torch.from_numpy(expected).float())


def test_a_new_split_has_the_same_features(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(mixed()))
    again = resplit(data, 1)
    assert again.columns == data.columns
    assert again.folds[0].center.shape == data.shape.sides


def test_blocks_are_all_rows_in_order(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpsearch.data.columns.encode.BLOCK", 7)
    found = list(blocks(data.inputs, data.columns, data.folds[0]))
    assert [start for start, _ in found] == list(range(0, ROWS, 7))
    whole = encoded(data.inputs, data.columns, data.folds[0])
    assert np.array_equal(np.concatenate([block for _, block in found]), whole)
