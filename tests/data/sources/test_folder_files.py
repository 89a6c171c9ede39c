"""Which files of a folder there are, in which order, and which of them are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.sources import folder_files
from hpsearch.data.sources.folder_files import is_idx, is_image, listing, read_files
from hpsearch.errors import SpecError
from tests.helpers.effort import calls_at_most

NAMES = st.text("ab. ", min_size=1, max_size=4).filter(lambda name: name.strip(".") == name)


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_files_and_folders_are_found_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.png", "a/x/y/2.txt", "3.png")
    (tmp_path / "empty").mkdir()
    found = listing(tmp_path)
    assert found.files == ["3.png", "a/x/y/2.txt", "b/1.png"]
    assert found.folders == ["a", "a/x", "a/x/y", "b", "empty"]
    assert found.others == []


def test_hidden_files_and_those_of_systems_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".DS_Store", "a/Thumbs.db", "a/thumbs.DB", "__MACOSX/a/1.png", "a/._1.png")
    touch(tmp_path, ".git/1.png", "a/.ipynb_checkpoints/1.png", "a/1.png")
    assert listing(tmp_path).files == ["a/1.png"]
    assert listing(tmp_path).folders == ["a"]


@given(st.lists(st.tuples(NAMES, NAMES), unique=True, max_size=8))
def test_the_order_is_that_of_the_letters(
    tmp_path_factory: pytest.TempPathFactory, paths: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    touch(folder, *("d" + "/".join(path) for path in paths))
    expected = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert listing(folder).files == expected


def test_links_are_told_and_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "else/1.png", "set/a/1.png")
    (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "else")
    (tmp_path / "set" / "c.png").symlink_to(tmp_path / "else" / "1.png")
    (tmp_path / "set" / "nowhere").symlink_to("nothing")
    found = listing(tmp_path / "set")
    assert (found.files, found.folders) == (["a/1.png"], ["a"])
    assert found.others == ["a/loop", "b", "c.png", "nowhere"]


def test_what_would_never_end_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert listing(tmp_path).others == ["pipe.png"]


def test_a_folder_of_very_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1", "a/2")
    monkeypatch.setattr(folder_files, "_MOST", 3)
    assert len(listing(tmp_path).files) == 2
    touch(tmp_path, "b")
    with pytest.raises(SpecError, match="more than 3 files and folders"):
        listing(tmp_path)


def test_a_listing_costs_a_few_calls_for_each_file(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{k % 7}/{k}.png" for k in range(1000)))
    with calls_at_most(10_000):
        listing(tmp_path)


@pytest.mark.parametrize(
    "name", ["a.png", "A.JPG", "b.jpeg", "c.Bmp", "d.gif", "e.webp", "f.tif", "g.TIFF", "a.b.png"]
)
def test_an_image_is_known_by_its_name(name: str) -> None:
    assert is_image(f"folder.txt/{name}")


@pytest.mark.parametrize("name", ["png", "a.png.txt", "a", "a.svg", "a.npy", "x.png/a"])
def test_other_files_are_no_images(name: str) -> None:
    assert not is_image(name)


def test_a_folder_of_idx_files_is_known_by_their_names(tmp_path: Path) -> None:
    touch(tmp_path / "idx", "train-images-idx3-ubyte.gz")
    (tmp_path / "images" / "images-idx3").mkdir(parents=True)
    assert is_idx(tmp_path / "idx")
    assert not is_idx(tmp_path / "images")


def test_the_files_that_are_read_are_idx_files_or_images(tmp_path: Path) -> None:
    touch(tmp_path / "idx", "labels-idx1", "images-idx3", "a/1.png", "readme.txt")
    touch(tmp_path / "images", "b/1.png", "a/2.JPG", "a/readme.txt", "3.gif")
    found = [path.name for path in read_files(tmp_path / "idx")]
    assert found == ["images-idx3", "labels-idx1"]
    assert [path.name for path in read_files(tmp_path / "images")] == ["3.gif", "2.JPG", "1.png"]
