"""The shape of one input: what of it are numbers, and what is looked up."""

from __future__ import annotations

from hpsearch.data.columns import CategoryColumn, Column, DateColumn, NumberColumn
from hpsearch.data.shape import EmbeddedFeature, InputShape, shape_of


def categories(count: int) -> CategoryColumn:
    return CategoryColumn("c", tuple(f"c{k}" for k in range(count)))


def test_a_place_stands_where_the_features_of_the_columns_before_it_end() -> None:
    columns: list[Column] = [
        NumberColumn("n", has_missing=True),
        categories(65),
        categories(3),
        categories(99),
    ]
    places = EmbeddedFeature(2, 66), EmbeddedFeature(6, 100)
    assert shape_of(columns) == InputShape((7,), places)
    assert shape_of(columns).numbers == 5


def test_other_columns_are_numbers() -> None:
    columns: list[Column] = [NumberColumn("n"), categories(64), DateColumn("d", ("year",))]
    assert shape_of(columns) == InputShape((67,))
    assert InputShape((3, 4, 5)).numbers == 60
