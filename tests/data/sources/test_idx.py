"""Folders of IDX files: what is read, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import (
    IMAGES,
    LABELS,
    PLAIN_IMAGES,
    idx_bytes,
    refused,
    tiny_mnist,
    write_files,
)


def test_an_idx_folder_is_read_with_its_own_test_file(tmp_path: Path) -> None:
    write_files(tmp_path / "set", tiny_mnist())
    data = prepare(DataSpec("set", folder=tmp_path))
    assert (data.name, data.task, data.shape.sides) == ("set", "classification", (1, 2, 3))
    assert data.inputs.dtype == np.uint8
    assert data.test.tolist() == [20, 21, 22, 23]
    assert data.inputs[20].ravel().tolist() == list(range(120, 126))
    assert (len(data.folds[0].train), len(data.folds[0].validation)) == (16, 4)


def test_an_idx_folder_without_a_test_file_is_split(tmp_path: Path) -> None:
    write_files(tmp_path, {k: v for k, v in tiny_mnist().items() if k.startswith("train")})
    data = prepare(DataSpec(".", folder=tmp_path))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        12,
        4,
        4,
    ]


def test_idx_labels_are_classes_however_many_there_are(tmp_path: Path) -> None:
    images, labels = np.zeros((60, 2, 2), np.uint8), np.repeat(np.arange(30, dtype=np.uint8), 2)
    write_files(
        tmp_path, {"images-idx3-ubyte": idx_bytes(images), "labels-idx1-ubyte": idx_bytes(labels)}
    )
    assert len(prepare(DataSpec(".", folder=tmp_path, test=0)).classes) == 30


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_idx_numbers_of_other_types_stay_exact(tmp_path: Path, code: int, dtype: str) -> None:
    images, labels = (
        np.arange(-40, 40).reshape(20, 2, 2).astype(dtype),
        (np.arange(20) % 2).astype(np.uint8),
    )
    write_files(
        tmp_path, {"images-idx3": idx_bytes(images, code), "labels-idx1": idx_bytes(labels)}
    )
    data = prepare(DataSpec(".", folder=tmp_path))
    assert data.inputs.dtype == (np.float64 if dtype in ("i4", "f8") else np.float32)
    assert data.inputs[0].ravel().tolist() == [-40, -39, -38, -37]


BAD_IDX = {
    "nothing": (b"", "nothing"),
    "wrong magic": (b"\x01" + PLAIN_IMAGES[1:], "not an IDX file: it begins with 01"),
    "unknown type": (PLAIN_IMAGES[:2] + b"\x0a" + PLAIN_IMAGES[3:], "not an IDX file"),
    "five dimensions": (PLAIN_IMAGES[:3] + b"\x05" + PLAIN_IMAGES[4:], "not an IDX file"),
    "cut header": (PLAIN_IMAGES[:10], "ends inside its header"),
    "cut": (PLAIN_IMAGES[:-1], "should hold 120 bytes after its header, and holds only 119"),
    "too long": (PLAIN_IMAGES + b"\0", "holds more"),
    "cut gzip": (IMAGES[:-12], "damaged gzip file"),
    "flipped gzip": (IMAGES[:-6] + b"\xff\xff" + IMAGES[-4:], "damaged gzip file"),
    "terabytes": (
        idx_bytes(np.zeros((0, 0, 0), np.uint8))[:4] + struct.pack(">3I", 10**6, 10**4, 10**4),
        "4 GiB",
    ),
    "a bomb": (
        idx_bytes(np.zeros((0, 0, 0), np.uint8))[:4] + struct.pack(">3I", 10**4, 10**3, 10),
        "over 100 times",
    ),
    "two dimensions": (idx_bytes(np.zeros((20, 4), np.uint8)), "images have 3 dimensions"),
    "fewer images": (
        idx_bytes(np.zeros((19, 2, 2), np.uint8)),
        "19 rows of inputs, but targets of shape (20,)",
    ),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_a_bad_idx_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    data, said = BAD_IDX[name]
    write_files(tmp_path, {"images-idx3-ubyte": data, "labels-idx1-ubyte": LABELS})
    problem = refused(DataSpec(".", folder=tmp_path))
    assert problem.code == "E073"
    assert said in problem.message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no images, and no IDX files"),
        ({"t10k-images-idx3": IMAGES, "t10k-labels-idx1": LABELS}, "no IDX files to train on"),
        ({"images-idx3": IMAGES}, "images-idx3' stands alone"),
        (
            {"images-idx3": IMAGES, "labels-idx1": LABELS, "t10k-images-idx3": IMAGES},
            "t10k-images-idx3' stands alone",
        ),
        (
            {"a-images-idx3": IMAGES, "b-images-idx3": IMAGES, "labels-idx1": LABELS},
            "more than one file",
        ),
    ],
)
def test_a_folder_must_hold_one_pair_of_idx_files(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    write_files(tmp_path, files)
    problem = refused(DataSpec(".", folder=tmp_path))
    assert (problem.code, said in problem.message) == ("E073", True)


def test_an_unzipped_idx_file_is_taken_before_its_zipped_twin(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"images-idx3": IMAGES, "images-idx3.gz": b"damaged", "labels-idx1": LABELS}
    )
    assert len(prepare(DataSpec(".", folder=tmp_path)).inputs) == 20


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "secret", {"images-idx3": IMAGES, "labels-idx1": LABELS})
    (tmp_path / "set").mkdir()
    for name in ("images-idx3", "labels-idx1"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "secret" / name)
    assert "no IDX files" in refused(DataSpec("set", folder=tmp_path)).message
