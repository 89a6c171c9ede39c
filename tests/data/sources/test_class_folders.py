"""Which folders are classes, and which are parts of the split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hpsearch.data import DataSpec
from hpsearch.data.sources.class_folders import divided
from hpsearch.data.sources.folder_files import listing
from hpsearch.errors import Place, Problem, SpecError

PLACE = Place("search.yaml", 1, 16)


def divide(folder: Path, *paths: str) -> tuple[dict[str, dict[str, list[str]]], Sequence[str]]:
    """Return the images of each part and class of a folder with these files, and the others.

    A path that ends in / is an empty folder.
    """
    for path in paths:
        (folder / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (folder / "set" / path).mkdir(exist_ok=True)
        else:
            (folder / "set" / path).touch()
    spec = DataSpec("set", folder=folder, places={"source": PLACE})
    parts, others = divided(listing(folder / "set"), spec)
    return {name: part.classes for name, part in parts.items()}, others


def refused(folder: Path, *paths: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        divide(folder, *paths)
    (problem,) = caught.value.problems
    assert problem.place == PLACE
    return problem


class TestClasses:
    def test_a_class_is_a_folder_with_all_that_is_below_it(self, tmp_path: Path) -> None:
        parts, others = divide(tmp_path, "dog/2.jpg", "cat/1.png", "cat/x/y/3.GIF", "dog/1.png")
        assert parts == {
            "train": {
                "cat": ["cat/1.png", "cat/x/y/3.GIF"],
                "dog": ["dog/1.png", "dog/2.jpg"],
            }
        }
        assert list(parts["train"]) == ["cat", "dog"]
        assert others == []

    def test_what_is_no_image_of_a_class_is_told(self, tmp_path: Path) -> None:
        _, others = divide(tmp_path, "cat/1.png", "dog/1.png", "cat/x.txt", "sheet.png", "a.md")
        assert sorted(others) == ["a.md", "cat/x.txt", "sheet.png"]

    def test_folders_without_images_are_refused(self, tmp_path: Path) -> None:
        problem = refused(tmp_path, "cat/1.png", "dog/", "docs/a.txt")
        assert problem.code == "E073"
        assert problem.message == "'set' has folders without images: 'docs', 'dog'"

    def test_images_without_folders_are_refused(self, tmp_path: Path) -> None:
        problem = refused(tmp_path, "1.png", "2.png", "readme.txt")
        assert problem.code == "E073"
        assert problem.message == "'set' has images (2), but no folders of classes"
        assert "set/cat/1.png" in problem.help

    def test_links_are_named_where_they_may_be_missed(self, tmp_path: Path) -> None:
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "cat").symlink_to(tmp_path)
        assert "links are not followed" in refused(tmp_path).help

    def test_one_folder_around_all_others_is_recognised(self, tmp_path: Path) -> None:
        problem = refused(tmp_path, "images/cat/1.png", "images/dog/x/1.png")
        assert problem.code == "E075"
        assert problem.message == "'set' has one folder only, 'images'"
        assert problem.help.startswith("source: set/images,")

    def test_one_folder_of_images_is_a_class(self, tmp_path: Path) -> None:
        assert divide(tmp_path, "cat/1.png", "cat/x/2.png")[0]["train"].keys() == {"cat"}

    def test_a_name_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        problem = refused(tmp_path, "cat/1.png", os.fsdecode(b"caf\xe9/1.png"))
        assert "not UTF-8" in problem.message

    def test_names_that_only_blanks_tell_apart_are_refused(self, tmp_path: Path) -> None:
        problem = refused(tmp_path, "cat/1.png", "cat /1.png")
        assert "only blanks" in problem.message
        assert "'cat'" in problem.message


class TestParts:
    @pytest.mark.parametrize("train", ["train", "Train", "training"])
    @pytest.mark.parametrize("test", ["test", "TEST", "testing"])
    def test_folders_of_a_split_have_classes_in_them(
        self, tmp_path: Path, train: str, test: str
    ) -> None:
        parts, others = divide(tmp_path, f"{train}/cat/1.png", f"{test}/dog/x/1.png", "a.txt")
        assert parts == {
            "train": {"cat": [f"{train}/cat/1.png"]},
            "test": {"dog": [f"{test}/dog/x/1.png"]},
        }
        assert others == ["a.txt"]

    @pytest.mark.parametrize("name", ["val", "valid", "validation"])
    def test_one_may_validate(self, tmp_path: Path, name: str) -> None:
        parts, _ = divide(tmp_path, "train/cat/1.png", f"{name}/cat/2.png", "train/dog/1.png")
        assert parts["validation"] == {"cat": [f"{name}/cat/2.png"]}

    def test_a_folder_to_train_on_may_stand_alone(self, tmp_path: Path) -> None:
        parts, _ = divide(tmp_path, "train/cat/1.png", "train/dog/1.png")
        assert parts == {"train": {"cat": ["train/cat/1.png"], "dog": ["train/dog/1.png"]}}

    def test_a_class_may_be_called_like_a_part(self, tmp_path: Path) -> None:
        parts, _ = divide(tmp_path, "train/1.png", "bus/1.png", "car/test/1.png")
        assert parts["train"].keys() == {"train", "bus", "car"}

    @pytest.mark.parametrize(
        ("paths", "said"),
        [
            (["train/a/1.png", "test/a/1.png", "cat/1.png"], "beside others ('cat')"),
            (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "more than one folder for a part"),
            (["test/a/1.png", "val/a/1.png"], "('test', 'val'), but none to train on"),
            (["train/a/1.png", "test/1.png"], "'set/test' has images (1), but no folders"),
            (["train/a/1.png", "test/"], "'set/test' has no images"),
            (["train/a/1.png", "test/b/"], "'set/test' has folders without images: 'b'"),
            (["train/1.png", "val/a/1.png"], "'set/train' has images (1), but no folders"),
        ],
    )
    def test_folders_that_are_half_a_split_are_refused(
        self, tmp_path: Path, paths: list[str], said: str
    ) -> None:
        problem = refused(tmp_path, *paths)
        assert problem.code == "E073"
        assert said in problem.message
        assert problem.help
