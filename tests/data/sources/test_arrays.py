"""Arrays by their names: Keras' names, one-hot targets, rows that validate, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from hpsearch.data import DataSpec, RawData
from hpsearch.data.prepare import prepare
from hpsearch.data.sources.arrays import source_of
from hpsearch.data.sources.npz import load
from hpsearch.testing import sources
from tests.helpers.sources import X, Y, check_refused, same

ONE_HOT = np.eye(2)[Y]


def read(spec: dict[str, Any] | None = None, **stored: Any) -> RawData:
    """Return the source that arrays in memory make."""
    return source_of(stored.keys(), stored.__getitem__, DataSpec("a.npz", **(spec or {})))


class TestNames:
    @pytest.mark.parametrize(
        ("x", "y"), [("x", "y"), ("X", "y"), ("X", "Y"), ("inputs", "targets")]
    )
    def test_those_of_keras_are_known(
        self, arrays: Callable[..., DataSpec], x: str, y: str
    ) -> None:
        pixels = np.arange(24 * 12, dtype=np.uint8).reshape(24, 3, 4)
        labels = (np.arange(24) % 2).astype(np.uint8)
        named = {f"{x}_train": pixels[:20], f"{y}_train": labels[:20]}
        data = prepare(
            arrays(**named, **{f"{x}_test": pixels[20:], f"{y}_test": labels[20:, None]})
        )
        assert (data.shape.sides, data.task) == ((1, 3, 4), "classification")
        assert data.inputs.dtype == np.uint8
        assert np.array_equal(data.inputs[:, 0], pixels)
        assert data.targets.tolist() == labels.tolist()
        assert data.test.tolist() == [20, 21, 22, 23]

    def test_arrays_to_train_on_are_the_same_data_without_that_ending(
        self, arrays: Callable[..., DataSpec]
    ) -> None:
        one = prepare(arrays(X=X, y=Y, X_test=X, y_test=Y))
        assert same(one, prepare(arrays(X_train=X, y_train=Y, X_test=X, y_test=Y)))

    @pytest.mark.parametrize("target", ["age", "age_train"])
    def test_the_target_may_be_named_with_the_ending_or_without(self, target: str) -> None:
        ages = {"age_train": X[:, 0], "age_test": X[:, 1]}
        raw = read({"target": target}, x_train=X, y_train=Y, x_test=X, **ages)
        assert raw.targets.tolist() == X[:, 0].tolist()
        assert raw.test is not None
        assert raw.test.targets.tolist() == X[:, 1].tolist()
        assert raw.target == "age"

    def test_a_target_that_only_ends_so_is_taken_by_its_name(self) -> None:
        raw = read({"target": "y_train"}, X=X, y_train=Y)
        assert raw.targets.tolist() == Y.tolist()

    @pytest.mark.parametrize(
        ("stored", "options", "said"),
        [
            ({"X": X, "X_train": X, "y_train": Y}, {}, ["both 'X' and 'X_train'"]),
            ({"x_train": X, "y": Y}, {}, ["no array 'y_train or Y_train"]),
            ({"x_train": X, "y_train": Y, "x_test": X}, {}, ["no array 'y_test' for a test"]),
            ({"x_train": X, "y_train": Y, "y_val": Y}, {}, ["no array 'x_val' for validation"]),
            ({"x_train": X, "y_train": Y}, {"target": "z"}, ["no array 'z or z_train'"]),
        ],
    )
    def test_names_that_do_not_go_together_are_refused(
        self,
        arrays: Callable[..., DataSpec],
        stored: dict[str, Any],
        options: dict[str, Any],
        said: list[str],
    ) -> None:
        check_refused(arrays(options, **stored), "E072", said)


class TestOneHot:
    @pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64])
    def test_it_becomes_the_numbers_of_the_columns(
        self, arrays: Callable[..., DataSpec], kind: type
    ) -> None:
        data = prepare(arrays(X=X, y=np.eye(4)[Y * 2].astype(kind)))
        assert (data.task, data.classes) == ("classification", ("0", "2"))
        assert data.targets.tolist() == Y.tolist()
        assert data.notes[0] == "'y' is one-hot: the classes are the columns, 0 to 3"

    def test_so_does_that_of_the_tests(self, arrays: Callable[..., DataSpec]) -> None:
        named = {"x_train": X, "y_train": ONE_HOT, "x_test": X[:4], "y_test": ONE_HOT[:4]}
        data = prepare(arrays(**named))
        assert data.targets.tolist() == [*Y, *Y[:4]]
        assert data.notes[0].startswith("'y_train' and 'y_test' are one-hot")

    def test_many_columns_are_many_classes(self, arrays: Callable[..., DataSpec]) -> None:
        inputs = np.arange(120.0).reshape(60, 2)
        data = prepare(arrays({"test": 0.0}, X=inputs, y=np.eye(30)[np.arange(60) % 30]))
        assert (data.task, len(data.classes)) == ("classification", 30)

    @given(
        arrays_of.arrays(
            np.int8,
            arrays_of.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=4),
            elements=st.integers(0, 1),
        )
    )
    def test_a_row_has_one_1_or_is_refused_with_all_others(self, targets: Any) -> None:
        is_one_hot = all(sorted(row) == [0] * (len(row) - 1) + [1] for row in targets.tolist())
        inputs = np.zeros((len(targets), 2))
        if is_one_hot:
            raw = read(X=inputs, y=targets)
            assert raw.targets.tolist() == [row.index(1) for row in targets.tolist()]
        else:
            with pytest.raises(Exception, match="each row has one target"):
                read(X=inputs, y=targets)

    @pytest.mark.parametrize(
        "targets",
        [
            np.ones((20, 2)),
            np.full((20, 2), 0.5),
            ONE_HOT * 2,
            -ONE_HOT,
            np.zeros((20, 2)),
            np.where(ONE_HOT == 1, 1, np.nan),
            ONE_HOT.astype(str),
            ONE_HOT[:, :, None],
            np.zeros((20, 0)),
        ],
    )
    def test_other_targets_of_many_columns_are_refused(
        self, arrays: Callable[..., DataSpec], targets: Any
    ) -> None:
        said = [f"array 'y' of 'a.npz' has shape {targets.shape}", "one-hot"]
        check_refused(arrays(X=X, y=targets), "E073", said)

    def test_a_regression_does_not_take_it(self, arrays: Callable[..., DataSpec]) -> None:
        said = ["has shape (20, 2)", "a regression predicts one number"]
        check_refused(arrays({"task": "regression"}, X=X, y=ONE_HOT), "E073", said)

    def test_the_same_classes_have_columns_everywhere(
        self, arrays: Callable[..., DataSpec]
    ) -> None:
        spec = arrays(X=X, y=ONE_HOT, X_test=X, y_test=np.eye(3)[Y])
        check_refused(spec, "E073", ["different numbers of columns: 'y' 2, 'y_test' 3"])


class TestValidation:
    @pytest.mark.parametrize("end", ["_val", "_valid", "_validation"])
    @pytest.mark.parametrize("train", ["", "_train"])
    def test_its_arrays_are_used_where_the_split_asks_for_them(
        self, arrays: Callable[..., DataSpec], train: str, end: str
    ) -> None:
        named = {f"x{train}": X, f"y{train}": Y, f"x{end}": X[:6] + 100, f"y{end}": Y[1:7]}
        data = prepare(arrays({"column": "part"}, **named, x_test=X[:2], y_test=Y[:2]))
        assert data.folds[0].train.tolist() == [*range(20)]
        assert data.folds[0].validation.tolist() == [*range(20, 26)]
        assert data.inputs[20:26].tolist() == (X[:6] + 100).tolist()
        assert data.targets[20:26].tolist() == Y[1:7].tolist()
        assert data.test.tolist() == [26, 27]

    @pytest.mark.parametrize("options", [{}, {"folds": 3}, {"column": "x_val"}])
    def test_its_arrays_are_not_passed_over(
        self, arrays: Callable[..., DataSpec], options: dict[str, Any]
    ) -> None:
        spec = arrays(options, x_train=X, y_train=Y, x_val=X, y_val=Y)
        said = ["validation rows of its own ('x_val')", "split: {column: part}"]
        check_refused(spec, "E076", said)

    def test_an_array_may_still_say_the_part_of_each_row(
        self, arrays: Callable[..., DataSpec]
    ) -> None:
        part = np.array(["train", "validation"]).repeat([12, 8])
        data = prepare(arrays({"column": "part"}, X_train=X, y_train=Y, part=part))
        assert data.folds[0].validation.tolist() == [*range(12, 20)]

    def test_one_hot_targets_are_joined_as_classes(self, arrays: Callable[..., DataSpec]) -> None:
        named = {"X": X, "y": ONE_HOT, "X_val": X[:6], "y_val": Y[:6]}
        assert prepare(arrays({"column": "part"}, **named)).targets.tolist() == [*Y, *Y[:6]]

    @pytest.mark.parametrize(
        ("x", "y", "said"),
        [
            (X[:, :1], Y, "'X_val' has shape (20, 1), 'X' (20, 2)"),
            (X[:5], Y, "'X_val' has shape (5, 2), 'y_val' (20,)"),
            (X, Y.astype(str), "'y_val' holds <U"),
            (np.array(1.0), np.array(1.0), "'X_val' has shape ()"),
        ],
    )
    def test_its_rows_look_as_the_others_do(
        self, arrays: Callable[..., DataSpec], x: Any, y: Any, said: str
    ) -> None:
        check_refused(arrays({"column": "part"}, X=X, y=Y, X_val=x, y_val=y), "E073", [said])


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_the_arrays_of_keras_keep_what_every_source_promises(
    arrays: Callable[..., DataSpec], kind: type
) -> None:
    pixels: Any = np.arange(24 * 12).reshape(24, 3, 4).astype(kind)
    named = {"x_train": pixels[:20], "y_train": ONE_HOT}
    spec = arrays(**named, x_test=pixels[20:], y_test=ONE_HOT[:4])
    for check in sources.checks(load, spec):
        check()
