"""How numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.columns.numerals import PLAIN, Numerals, numerals_of

MARKS = [(".", ""), (".", ","), (".", "'"), (".", " "), (",", ""), (",", "."), (",", " ")]


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
    st.sampled_from(MARKS),
    st.sampled_from(["", "$", "\u20ac", "%", "USD"]),
)
def test_numbers_come_back_from_any_way_of_writing_them(
    hundredths: list[int], marks: tuple[str, str], unit: str
) -> None:
    decimal, thousands = marks
    numbers = [*(n / 100 for n in hundredths), 1234567.25, 0.5]
    texts = []
    for number in numbers:
        whole, fraction = f"{abs(number):,.2f}".split(".")
        sign, whole = "-" if number < 0 else "", whole.replace(",", thousands)
        texts.append(f"{sign}{whole}{decimal}{fraction}{unit and f' {unit}'}")
    numerals = numerals_of(texts)
    assert numerals is not None
    assert [numerals.number(text) for text in texts] == numbers


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["1", "2.5"], PLAIN),
        (["1,234", "5,678"], Numerals(".", ",")),
        (["0,234", "5,678"], Numerals(",")),
        (["1,234", "5,6"], Numerals(",")),
        (["1.234", "5.678"], PLAIN),
        (["$5", "$1,000"], Numerals(".", ",", "$")),
        (["5 %", "0"], Numerals(unit="%")),
        (["a", "b", "1"], None),
    ],
)
def test_the_way_is_the_one_by_which_most_are_numbers(
    texts: list[str], found: Numerals | None
) -> None:
    assert numerals_of(texts) == found


@pytest.mark.parametrize(
    "text", ["1,23,4", "--1", "$1$", "1 2 3", "", "5 kg", "9" * 200, "1,2.3,4"]
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert all(math.isnan(Numerals(decimal, mark, "$").number(text)) for decimal, mark in MARKS)
