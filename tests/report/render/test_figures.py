"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.report.render import figures
from hpsearch.space.space import Params


def test_numbers_of_a_column_have_the_decimals_that_the_smallest_needs() -> None:
    assert figures.decimals([0.0924, 2.303, None], 4) == ["0.09240", "2.30300", "-"]


def test_large_numbers_need_no_decimals() -> None:
    assert figures.decimals([12345.6, 99999.0], 4) == ["12346", "99999"]


def test_numbers_of_many_sizes_are_written_with_powers_of_ten() -> None:
    assert figures.decimals([1.234e-6, 0.01, 0.0], 3) == ["1.23e-06", "1.00e-02", "0"]
    assert figures.decimals([1.0, 1e30], 4) == ["1.000e+00", "1.000e+30"]


@given(st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=8), st.integers(1, 17))
def test_the_smallest_number_keeps_its_significant_digits(values: list[float], digits: int) -> None:
    texts = figures.decimals(values, digits)
    smallest = min(values)
    assert float(texts[values.index(smallest)]) == pytest.approx(
        smallest, rel=0.51 * 10.0 ** (1 - digits)
    )


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8))
def test_the_points_of_a_column_are_one_below_the_other(values: list[float]) -> None:
    texts = figures.decimals(values, 4)
    assert len({len(text.partition(".")[2]) for text in texts}) == 1


def test_quantities_are_written_in_full_with_separators() -> None:
    assert figures.quantities([4312.3, 1_234_567.8, None], 4) == ["4,312", "1,234,568", "-"]
    assert figures.quantities([54.213, 1_234.5], 4) == ["54.21", "1,234.50"]
    assert figures.quantities([0.004231], 4) == ["0.004231"]


def test_quantities_of_many_sizes_are_written_with_powers_of_ten() -> None:
    assert figures.quantities([0.05, 3.2e9], 4) == ["5.000e-02", "3.200e+09"]
    assert figures.quantities([4.0e12], 4) == ["4.000e+12"]


@given(st.lists(st.floats(1e-9, 1e15), min_size=1, max_size=8), st.integers(1, 17))
def test_the_smallest_quantity_keeps_its_significant_digits(
    values: list[float], digits: int
) -> None:
    texts = figures.quantities(values, digits)
    smallest = min(values)
    written = float(texts[values.index(smallest)].replace(",", ""))
    assert written == pytest.approx(smallest, rel=0.51 * 10.0 ** (1 - digits))


def test_durations_have_as_many_decimals_as_are_worth_reading() -> None:
    assert figures.seconds([0.0549, None]) == ["0.055", "-"]
    assert figures.seconds([0.0549, 12.5]) == ["0.05", "12.50"]
    assert figures.seconds([3.2, 4321.0]) == ["3", "4321"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (0.012, "0.012 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_span_of_time_is_written_for_people(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_large_counts_have_a_prefix() -> None:
    assert figures.prefixed([284954232.0, 12.0, 3e12, None]) == ["285 M", "12", "3 T", "-"]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("accuracy", ["97.50 %", "-"]),
        ("balanced_accuracy", ["97.50 %", "-"]),
        ("r2", ["0.9750", "-"]),
        ("auc", ["0.9750", "-"]),
        ("1 - accuracy", ["0.9750", "-"]),
        ("one of another objective", ["0.9750", "-"]),
    ],
)
def test_a_metric_is_written_by_its_name(name: str, texts: list[str]) -> None:
    assert figures.metrics(name, [0.975, None], 4) == texts
    assert figures.measured(name, 0.975, 4) == f"{name} {texts[0]}"


@pytest.mark.parametrize("name", ["rmse", "mae"])
def test_an_error_is_written_in_the_unit_of_the_target(name: str) -> None:
    assert figures.metrics(name, [43120.7, math.nan], 4) == ["43,121", "-"]
    assert figures.brief(name, 43120.7, 4) == "43,121"


def test_a_metric_that_is_no_number_is_not_defined() -> None:
    assert figures.measured("auc", math.nan, 4) == "auc not defined"


def test_settings_are_written_as_they_are_set() -> None:
    params: Params = {"lr": 0.02, "width": 8, "optimizer": "sgd", "skip": True}
    assert figures.settings(params, 3) == "lr=0.02 width=8 optimizer=sgd skip=true"
