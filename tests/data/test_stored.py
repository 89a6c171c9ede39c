"""A data set in a file: what is written, what is mapped, and what is refused."""

from __future__ import annotations

import io
import json
import struct
import sys
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from hpsearch.data import Dataset, DataSpec, Fold, SplitRule
from hpsearch.data.columns import CategoryColumn, DateColumn, NumberColumn, number_columns
from hpsearch.data.prepare import prepare
from hpsearch.data.stored import mapped, write
from tests.helpers.sources import BUNDLED, same

NAMES = st.lists(st.text(max_size=8), max_size=4, unique=True).map(tuple)
COLUMNS = st.lists(
    st.builds(NumberColumn, st.text(max_size=8), st.booleans())
    | st.builds(CategoryColumn, st.text(max_size=8), NAMES, st.booleans())
    | st.builds(DateColumn, st.text(max_size=8), st.just(("year", "hour")), st.booleans()),
    max_size=4,
).map(tuple)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def fold(rng: np.random.Generator, rows: int, shape: tuple[int, ...]) -> Fold:
    """Return a fold of random rows, perhaps of none, with a random scale."""
    order, cut = rng.permutation(rows), rng.integers(rows + 1)
    size = (shape[0], *(1 for _ in shape[1:]))
    return Fold(np.sort(order[:cut]), np.sort(order[cut:]), *rng.normal(size=(3, *size)))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """A table or images, of any names and numbers, contiguous in memory or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, many = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    size = st.integers(1, 3)
    shape = draw(st.tuples(size) | st.tuples(size, size, size))
    inputs: Any = rng.integers(0, 256, (rows, *shape))
    kinds = [np.float64, np.float32, *([np.uint8] if len(shape) == 3 else [])]
    kind = draw(st.sampled_from(kinds))
    classes = draw(NAMES)
    targets: Any = rng.integers(len(classes), size=rows) if classes else rng.normal(size=rows)
    return Dataset(
        name=draw(st.text(max_size=8)),
        task="classification" if classes else "regression",
        inputs=inputs.astype(kind, order="F" if draw(st.booleans()) else "C"),
        targets=targets.astype(np.int64 if classes else np.float32),
        target="y",
        classes=classes,
        target_center=draw(NUMBERS),
        target_scale=draw(NUMBERS),
        folds=tuple(fold(rng, rows, shape) for _ in range(many)),
        whole=fold(rng, rows, shape) if many > 1 else None,
        test=np.sort(rng.permutation(rows)[: rng.integers(rows + 1)]),
        columns=draw(COLUMNS),
        digest=draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
        weights=rng.random(rows, np.float32) if (by := draw(st.none() | st.just("w"))) else None,
        weighted_by=by,
        rule=SplitRule(
            draw(st.integers(0, 2**63 - 1)),
            draw(st.booleans()),
            draw(st.sampled_from(["standard", "unit", "none"])),
        ),
    )


def written(data: Dataset) -> bytes:
    file = io.BytesIO()
    write(data, file)
    return file.getvalue()


def save(data: Dataset, path: Path) -> Path:
    with path.open("wb") as file:
        write(data, file)
    return path


def arrays(data: Dataset) -> list[np.ndarray[Any, Any]]:
    """Return every array of a data set."""
    folds = data.folds if data.whole is None else (*data.folds, data.whole)
    parts = [getattr(fold, part.name) for fold in folds for part in fields(Fold)]
    weights = [] if data.weights is None else [data.weights]
    return [data.inputs, data.targets, data.test, *weights, *parts]


@settings(deadline=None)
@given(datasets())
def test_what_is_written_is_mapped_again(tmp_path_factory: Any, data: Dataset) -> None:
    path = save(data, tmp_path_factory.mktemp("stored") / "data")
    again = mapped(path)
    assert same(again, data)
    assert written(again) == path.read_bytes()


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_sets_come_back(tmp_path: Path, name: str, folds: int | None) -> None:
    data = prepare(DataSpec(name, folds=folds))
    assert same(mapped(save(data, tmp_path / "data")), data)


def test_the_bytes_are_a_function_of_the_data_set_alone() -> None:
    data = prepare(DataSpec("wine"))
    inputs: Any = np.asfortranarray(data.inputs)
    turned = replace(data, inputs=inputs)
    assert written(data) == written(turned) == written(prepare(DataSpec("wine")))
    assert written(data) != written(replace(data, rule=SplitRule(1)))


def test_the_file_is_one_that_safetensors_reads() -> None:
    data = prepare(DataSpec("digits", folds=3))
    found = load(written(data))
    assert np.array_equal(found["inputs"], data.inputs)
    assert np.array_equal(found["folds.2.validation"], data.folds[2].validation)
    assert data.whole is not None
    assert np.array_equal(found["whole.train"], data.whole.train)
    assert len(found) == 3 + 4 * 5


@settings(deadline=None)
@given(datasets())
def test_every_array_is_mapped_and_aligned(tmp_path_factory: Any, data: Dataset) -> None:
    for array in arrays(mapped(save(data, tmp_path_factory.mktemp("stored") / "data"))):
        assert array.flags.aligned
        assert not array.flags.owndata
        base: Any = array
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)


def test_what_is_done_to_an_array_reaches_neither_the_file_nor_others(tmp_path: Path) -> None:
    data = prepare(DataSpec("digits", folds=3))
    path = save(data, tmp_path / "data")
    mine, other = mapped(path), mapped(path)
    for array in arrays(mine):
        array[...] = 1
    assert path.read_bytes() == written(data)
    assert same(other, data)
    assert same(mapped(path), data)


def test_torch_takes_every_array_without_a_copy_and_without_a_warning(tmp_path: Path) -> None:
    for array in arrays(mapped(save(prepare(DataSpec("digits", folds=3)), tmp_path / "data"))):
        taken = torch.from_numpy(array)
        assert taken.data_ptr() == array.ctypes.data or not array.size


def large(order: str = "C") -> Dataset:
    """Return 200 MB of inputs."""
    data, rows = prepare(DataSpec("wine")), 178
    zeros = np.zeros((rows, 280_000) if order == "C" else (280_000, rows), np.float32)
    return replace(data, inputs=zeros if order == "C" else zeros.T)


@pytest.mark.parametrize(("order", "copies"), [("C", 0), ("F", 1)])
def test_writing_copies_one_array_at_most(tmp_path: Path, order: str, copies: int) -> None:
    data = large(order)
    tracemalloc.start()
    save(data, tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < copies * data.inputs.nbytes + (1 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_opened_without_being_read(tmp_path: Path) -> None:
    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * 4096

    path = save(large(), tmp_path / "data")
    before = resident()
    data = mapped(path)
    assert resident() - before < 4 << 20
    assert data.inputs.sum() == 0
    assert resident() - before > 190e6  # now it has been read


@pytest.fixture(scope="module")
def sound() -> bytes:
    return written(replace(prepare(DataSpec("wine")), columns=number_columns("ab")))


def refused(folder: Path, content: bytes) -> str:
    """Return the words with which a file is refused."""
    (folder / "data").write_bytes(content)
    with pytest.raises(ValueError, match="is not a data set that can be read") as caught:
        mapped(folder / "data")
    return str(caught.value)


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path, sound: bytes) -> None:
    (length,) = struct.unpack("<Q", sound[:8])
    begin, end = 8 + length, len(sound)
    for size in (*range(16), begin - 1, begin, begin + 1, end // 2, end - 1):
        refused(tmp_path, sound[:size])
    assert "and has" in refused(tmp_path, sound[:-1])
    assert "and has" in refused(tmp_path, sound + b"\0")


def test_a_header_with_a_changed_byte_is_refused(tmp_path: Path, sound: bytes) -> None:
    (length,) = struct.unpack("<Q", sound[:8])
    rng = np.random.default_rng(0)
    text = len(sound[: 8 + length].rstrip())
    for at in range(text):
        changed = bytearray(sound)
        changed[at] ^= 1 << rng.integers(8)
        refused(tmp_path, bytes(changed))


def test_a_header_that_says_something_else_is_refused(tmp_path: Path, sound: bytes) -> None:
    assert b'\\"name\\":\\"a\\"' in sound
    other = sound.replace(b'\\"name\\":\\"a\\"', b'\\"name\\":\\"c\\"')
    assert "damaged" in refused(tmp_path, other)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{}",
        b"3",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{" + b'"a":{' * 50_000,
        b'{"__metadata__":[]}',
        b'{"__metadata__":{"sha256":3}}',
        b'{"inputs":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b"1" * 10_000,
    ],
    ids=range(13),
)
def test_any_other_header_is_refused(tmp_path: Path, header: bytes) -> None:
    refused(tmp_path, struct.pack("<Q", len(header)) + header + bytes(4))


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 99_999_999])
def test_a_header_of_an_absurd_length_is_refused_without_room_for_it(
    tmp_path: Path, sound: bytes, length: int
) -> None:
    tracemalloc.start()
    refused(tmp_path, struct.pack("<Q", length) + sound[8:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_newer_format_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpsearch.data.stored._FORMAT", "hpsearch.dataset.5")
    later = written(prepare(DataSpec("wine")))
    monkeypatch.undo()
    said = refused(tmp_path, later)
    assert "hpsearch.dataset.5, and hpsearch.dataset.4 is needed" in said


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mapped(tmp_path / "data")


def test_what_is_no_array_stands_in_the_metadata(sound: bytes) -> None:
    (length,) = struct.unpack("<Q", sound[:8])
    facts = json.loads(json.loads(sound[8 : 8 + length])["__metadata__"]["dataset"])
    assert set(facts) == {
        *("name", "task", "classes", "target_center", "target_scale", "columns", "digest"),
        *("folds", "whole", "rule", "notes", "target", "weighted_by"),
    }
    assert facts["rule"] == {"split_seed": 0, "by_column": False, "input_scale": "standard"}
