"""A folder is one of IDX files where it has some, otherwise one of images."""

from __future__ import annotations

from pathlib import Path

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.pictures import draw_classes
from tests.helpers.sources import IMAGES, LABELS, refused, write_files


def test_idx_files_are_read_where_there_are_some(tmp_path: Path) -> None:
    write_files(tmp_path, {"images-idx3": IMAGES, "labels-idx1": LABELS})
    draw_classes(tmp_path, {"cat": 5, "dog": 5})
    assert prepare(DataSpec(".", folder=tmp_path)).shape.sides == (1, 2, 3)


def test_images_are_read_where_there_are_none(tmp_path: Path) -> None:
    draw_classes(tmp_path, {"images-idx3": 10, "labels-idx1": 10})
    data = prepare(DataSpec(".", folder=tmp_path))
    assert (data.shape.sides, data.classes) == ((3, 6, 8), ("images-idx3", "labels-idx1"))


def test_one_idx_file_without_the_other_is_missed_and_not_passed_over(tmp_path: Path) -> None:
    draw_classes(tmp_path, {"cat": 10, "dog": 10})
    write_files(tmp_path, {"labels-idx1": LABELS})
    assert "stands alone" in refused(DataSpec(".", folder=tmp_path)).message


def test_a_folder_of_neither_is_refused_with_what_would_be_right(tmp_path: Path) -> None:
    write_files(tmp_path / "set", {"readme.txt": b"nothing"})
    problem = refused(DataSpec("set/", folder=tmp_path))
    assert problem.code == "E073"
    assert problem.message == "'set' has no images, and no IDX files"
    assert "set/cat/1.png" in problem.help
