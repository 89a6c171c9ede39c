"""What is refused of any source, whichever loader has read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec, RawData
from hpsearch.data.check import target_problem
from hpsearch.data.prepare import prepare
from tests.helpers.sources import X, Y, check_refused, with_value

BAD_NUMBERS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "one dimension": ({"X": X[:, 0]}, "E073", ["(20,)", "images (rows, channels"]),
    "five dimensions": ({"X": X.reshape(20, 2, 1, 1, 1)}, "E073", ["(20, 2, 1, 1, 1)"]),
    "text inputs": ({"X": X.astype(str)}, "E073", ["numbers are needed"]),
    "lengths": ({"y": Y[:19]}, "E073", ["20 rows of inputs", "(19,)"]),
    "no rows": ({"X": X[:0], "y": Y[:0]}, "E076", ["no rows"]),
    "no columns": ({"X": X[:, :0]}, "E076", ["no columns"]),
    "NaN pixel": (
        {"X": with_value(X.reshape(20, 1, 2), (2, 0, 1), np.nan)},
        "E074",
        ["pixel 1, 1, 2", "row 3: the value is missing"],
    ),
    "infinite": ({"X": with_value(X, (4, 0), -np.inf)}, "E074", ["column 1, row 5: -inf"]),
    "too large": (
        {"X": with_value(X, (4, 0), 1e300)},
        "E074",
        ["column 1, row 5: 1e+300 is too large"],
    ),
    "no target": ({"y": np.full(20, np.nan)}, "E075", ["no row has a target 'y'"]),
    "empty targets": ({"y": np.array([""] * 20)}, "E075", ["no row has a target 'y'"]),
    "test width": ({"X_test": X[:, :1], "y_test": Y}, "E073", ["(1,), the others (2,)"]),
    "test infinite": (
        {"X_test": with_value(X, (1, 0), np.inf), "y_test": Y},
        "E074",
        ["test arr", "row 2: inf is not a finite number"],
    ),
}


@pytest.mark.parametrize("name", BAD_NUMBERS)
def test_bad_numbers_are_refused_with_the_reason(
    arrays: Callable[..., DataSpec], name: str
) -> None:
    changed, code, said = BAD_NUMBERS[name]
    check_refused(arrays(**{"X": X, "y": Y, **changed}), code, said)


def test_targets_that_are_neither_numbers_nor_text_are_refused() -> None:
    problem = target_problem(RawData("made", X, Y.astype(complex)))
    assert problem is not None
    assert (problem.code, "complex128" in problem.message) == ("E075", True)


MISSING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "input": ({"X": with_value(X, (2, 1), np.nan)}, ["column 2, row 3: the value is missing"]),
    "test input": (
        {"X_test": with_value(X, (1, 0), np.nan), "y_test": Y},
        ["test arr", "row 2: the value is missing"],
    ),
    "target": ({"y": with_value(Y, 6, np.nan)}, ["target 'y', row 7: the value is missing"]),
    "label": ({"y": np.array(["a", "", "b", "b"] * 5)}, ["target 'y', row 2", "missing"]),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_refused_where_a_person_wants_that(
    arrays: Callable[..., DataSpec], name: str
) -> None:
    changed, said = MISSING[name]
    check_refused(arrays({"missing": "error"}, **{"X": X, "y": Y, **changed}), "E074", said)
    assert prepare(arrays(**{"X": X, "y": Y, **changed})).task == "classification"
