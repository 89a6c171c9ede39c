"""The task, and targets as class numbers or numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import X, Y, check_refused, numbers_csv, refused, with_value


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["b", "a"], "classification", ("a", "b")),
        (["1.5", "2.25"], "regression", ()),
        (["12.50", "3.00"], "regression", ()),
        (["True", "False"], "classification", ("False", "True")),
        (["10", "2"], "classification", ("2", "10")),
        (["1.0", "2.0"], "classification", ("1", "2")),
        (["-1", "1"], "classification", ("-1", "1")),
        (["0.5", "1"], "regression", ()),
        ([str(k) for k in range(20)], "classification", tuple(str(k) for k in range(20))),
        ([str(k) for k in range(21)], "regression", ()),
    ],
)
def test_the_task_is_inferred_from_the_targets(
    table: Callable[..., DataSpec], labels: list[str], task: str, classes: tuple[str, ...]
) -> None:
    data = prepare(table("x,y\n" + "".join(f"{k},{labels[k % len(labels)]}\n" for k in range(210))))
    assert (data.task, data.classes) == (task, classes)


def test_a_task_that_is_given_is_not_inferred(table: Callable[..., DataSpec]) -> None:
    assert prepare(table(numbers_csv(), task="regression")).task == "regression"


BAD_TARGETS: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str]]] = {
    "test label": (
        {"y": Y, "X_test": X, "y_test": Y * 3},
        {},
        "E075",
        ["row 2, is '3'", "a class that no row has that trains"],
    ),
    "one class": ({"y": Y * 0}, {}, "E075", ["one class only, '0'"]),
    "constant target": ({"y": Y * 0 + 0.5}, {}, "E075", ["'y' is 0.5 in every row"]),
    "text regression": (
        {"y": np.array(["1", "two"] * 10)},
        {"task": "regression"},
        "E075",
        ["row 2, is 'two'"],
    ),
    "continuous classes": (
        {"y": with_value(Y, 3, 2.7)},
        {"task": "classification"},
        "E075",
        ["row 4, is 2.7", "task: regression"],
    ),
    "inexact classes": (
        {"y": 1357924680135792468.0 + 512.0 * Y},
        {"task": "classification"},
        "E075",
        ["row 1, is 1357924680135792", "store it as an integer or text"],
    ),
    "too many classes": (
        {"X": np.ones((2002, 1)), "y": np.arange(2002) // 2},
        {"task": "classification"},
        "E075",
        ["1,001 different values", "task: regression"],
    ),
    "class of one row": (
        {"y": np.array(["a", "b"] * 9 + ["a", "c"])},
        {},
        "E076",
        ["2 rows", "with one there is 'c'"],
    ),
    "classes of one row": (
        {"y": np.array(list("abcdefghijklmnopqrst"))},
        {},
        "E076",
        ["are 'a', 'b'", "'e', ..."],
    ),
    "word among numbers": (
        {"y": np.array([*map(str, range(19)), "l9"])},
        {},
        "E076",
        ["mend row 20: 'l9' is not a number"],
    ),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_bad_targets_are_refused_with_the_reason(
    arrays: Callable[..., DataSpec], name: str
) -> None:
    stored, options, code, said = BAD_TARGETS[name]
    check_refused(arrays(options, **{"X": X, **stored}), code, said)


def test_words_are_not_taken_for_numbers_gone_wrong(arrays: Callable[..., DataSpec]) -> None:
    problem = refused(arrays(X=X, y=np.array(["a", "b"] * 9 + ["a", "c"])))
    assert problem.help == "leave such rows out, or give them one class in common"


def test_a_thousand_classes_are_not_too_many(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays(
        {"task": "classification", "test": 0}, X=np.ones((2000, 1)), y=np.arange(2000) // 2
    )
    assert prepare(spec).outputs == 1000
