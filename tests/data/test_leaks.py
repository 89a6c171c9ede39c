"""Columns that tell the target, and copies of rows: they are noticed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import BUNDLED

RNG = np.random.default_rng(0)
SIZE = RNG.normal(size=400)
NOISE = RNG.normal(size=400)


def noted(table: Callable[..., DataSpec], **columns: object) -> list[str]:
    """Return the notes on a table of these columns."""
    rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return [*prepare(table("\n".join(lines) + "\n")).notes]


CLASSES = np.where(SIZE + NOISE > 0, "yes", "no")
PRICE = 3 * SIZE + NOISE


@pytest.mark.parametrize(
    ("leak", "target"),
    [
        (np.where(CLASSES == "yes", 1, 0), CLASSES),
        (np.where(CLASSES == "yes", "granted", "refused"), CLASSES),
        (np.where(CLASSES == "yes", 5.0, 1.0) + NOISE / 9, CLASSES),
        (PRICE, PRICE),
        (-PRICE * 1.19 + 7, PRICE),
        (np.exp(PRICE), PRICE),
    ],
)
def test_a_column_that_alone_tells_the_target_is_noticed(
    table: Callable[..., DataSpec], leak: np.ndarray, target: np.ndarray
) -> None:
    (note,) = noted(table, size=SIZE, leak=leak, noise=NOISE, y=target)
    assert note == "'leak' alone tells y: will it be known when you predict? If not, drop it"


@pytest.mark.parametrize("target", [CLASSES, PRICE, np.where(RNG.random(400) < 0.02, "a", "b")])
def test_a_column_that_only_helps_is_none(
    table: Callable[..., DataSpec], target: np.ndarray
) -> None:
    notes = noted(table, size=SIZE, noise=NOISE, y=target)
    assert not any("alone" in note or "copies" in note for note in notes)


@pytest.mark.parametrize("name", [*BUNDLED])
def test_the_bundled_data_have_none(name: str) -> None:
    assert prepare(DataSpec(name)).notes == ()


def test_rows_that_stand_there_twice_are_noticed(table: Callable[..., DataSpec]) -> None:
    twice = [np.tile(column[:200], 2) for column in (SIZE, NOISE, CLASSES)]
    (note,) = noted(table, size=twice[0], noise=twice[1], y=twice[2])
    assert "% of the rows that validate are copies of rows that train; split: {group: " in note
