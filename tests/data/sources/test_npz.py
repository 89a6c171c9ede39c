"""NumPy's .npz files: what is read, and what is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import X, Y, check_refused, refused, same


@pytest.mark.parametrize(
    ("shape", "dtype", "read_shape", "read_dtype"),
    [
        ((20, 3), np.float64, (3,), np.float64),
        ((20, 3), np.uint8, (3,), np.float32),
        ((20, 4, 5), np.uint8, (1, 4, 5), np.uint8),
        ((20, 3, 4, 5), np.uint8, (3, 4, 5), np.uint8),
        ((20, 3, 4, 5), ">f8", (3, 4, 5), np.float64),
        ((20, 2), bool, (2,), np.float32),
    ],
)
def test_arrays_are_read_by_their_dimensions(
    arrays: Callable[..., DataSpec],
    shape: tuple[int, ...],
    dtype: Any,
    read_shape: tuple[int, ...],
    read_dtype: Any,
) -> None:
    data = prepare(
        arrays(X=np.arange(np.prod(shape)).reshape(shape).astype(dtype), y=np.arange(20) % 2)
    )
    assert (data.shape.sides, data.inputs.dtype) == (read_shape, read_dtype)


@pytest.mark.parametrize(("x", "y"), [("X", "y"), ("x", "targets"), ("inputs", "target")])
def test_the_usual_names_of_arrays_are_known(
    arrays: Callable[..., DataSpec], x: str, y: str
) -> None:
    assert len(prepare(arrays(**{x: np.ones((20, 2)), y: np.arange(20) % 2})).inputs) == 20


def test_the_target_names_the_array_of_targets(arrays: Callable[..., DataSpec]) -> None:
    stored = {
        "X": np.ones((20, 2)),
        "y": np.arange(20) % 2,
        "age": np.linspace(20, 60, 20)[:, None],
    }
    assert prepare(arrays({"target": "age"}, **stored)).task == "regression"


def test_test_arrays_are_the_test_split(arrays: Callable[..., DataSpec]) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.array(["a", "b"] * 10)
    data = prepare(arrays(X=x, y=y, X_test=x[:4] + 100, y_test=y[1:5]))
    assert data.inputs[data.test].tolist() == (x[:4] + 100).tolist()
    assert data.targets[data.test].tolist() == [1, 0, 1, 0]
    assert (len(data.folds[0].train), len(data.folds[0].validation)) == (16, 4)


def test_arrays_in_fortran_order_are_the_same_data(arrays: Callable[..., DataSpec]) -> None:
    pixels = np.arange(240, dtype=np.uint8).reshape(20, 1, 3, 4)
    assert same(prepare(arrays(X=np.asfortranarray(pixels), y=Y)), prepare(arrays(X=pixels, y=Y)))


def test_a_large_array_that_is_not_packed_is_read(arrays: Callable[..., DataSpec]) -> None:
    assert prepare(arrays(X=np.zeros((20, 1000, 1000), np.uint8), y=Y)).features == 1_000_000


def test_a_small_array_that_is_packed_well_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.zeros((20, 10_000)), y=Y)
    assert prepare(DataSpec("a.npz", folder=tmp_path)).features == 10_000


BAD_ARRAYS: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str]]] = {
    "no inputs": (
        {"z": X, "y": Y},
        {},
        "E072",
        ["no array 'X or x or inputs'", "its arrays: y, z"],
    ),
    "no targets": ({"X": X, "z": Y}, {}, "E072", ["no array 'y or Y or targets or target'"]),
    "unknown target": (
        {"X": X, "ages": Y},
        {"target": "age"},
        "E072",
        ["no array 'age'", "did you mean 'ages'?"],
    ),
    "half a test": ({"X": X, "y": Y, "X_test": X}, {}, "E072", ["no array 'y_test'"]),
    "pickled": ({"X": X, "y": np.array([None] * 20)}, {}, "E073", ["'y' holds object"]),
    "complex": ({"X": X.astype(complex), "y": Y}, {}, "E073", ["'X' holds complex"]),
    "two targets": ({"X": X, "y": X}, {}, "E073", ["(20, 2)"]),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_refused_with_the_reason(arrays: Callable[..., DataSpec], name: str) -> None:
    stored, options, code, said = BAD_ARRAYS[name]
    check_refused(arrays(options, **stored), code, said)


def npy(shape: tuple[int, ...], body: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + body


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (npy((10**13, 1)), "claims 80,000,000,000,000 bytes, and 0 are there"),
        (npy((2**62, 2**62)), "0 are there"),
        (npy((4, 1), bytes(24)), "claims 32 bytes, and 24 are there"),
        (npy((1, 1), bytes(24)), "claims 8 bytes, and 24 are there"),
        (npy((4 << 20, 1), bytes(32 << 20)), "over 100 times"),
        (b"\x93NUMPY\x03" + npy((1, 1), bytes(8))[7:], "unsupported version (3, 0)"),
        (header("(" * 90), "EOF in multi-line statement"),
        (header("-" * 9000 + "1"), "Header info length (9001) is large"),
        (b"no array", "magic"),
        (b"", "not a sound .npz"),
    ],
    ids=[
        "10^13 values",
        "overflow",
        "cut",
        "too long",
        "bomb",
        "version",
        "no end",
        "deep",
        "no header",
        "empty",
    ],
)
def test_an_array_is_refused_before_room_is_made_for_it(
    tmp_path: Path, member: bytes, said: str
) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", member)
        archive.writestr("y.npy", npy((1,), bytes(8)))
    tracemalloc.start()
    problem = refused(DataSpec("a.npz", folder=tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (problem.code, said in problem.message) == ("E073", True)
    assert peak < 4 << 20
