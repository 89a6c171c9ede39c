"""Folders of images: rows, classes, sizes, channels, notes, and what is refused."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hpsearch.data import DataSpec, RawData
from hpsearch.data.prepare import prepare
from hpsearch.data.sources import image_folder
from hpsearch.data.sources.folder import load
from hpsearch.data.sources.image_file import ImageHeader, read_image
from hpsearch.data.sources.image_folder import common_shape
from hpsearch.errors import SpecError
from hpsearch.testing import Check, sources
from tests.helpers.effort import calls_at_most
from tests.helpers.pictures import draw, draw_classes, random_pixels
from tests.helpers.sources import refused, same

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


def of(folder: Path, **options: Any) -> DataSpec:
    """Return the spec of the folder `set` in this one."""
    return DataSpec("set", folder=folder, **options)


class TestRows:
    def test_they_are_sorted_by_class_and_path(self, tmp_path: Path) -> None:
        paths = ["b/1.png", "a/2.png", "a/10.PNG", "a/x/1.png", "b/0.bmp"]
        for seed, path in enumerate(paths):
            draw(tmp_path / "set" / path, seed=seed)
        raw = load(of(tmp_path))
        assert raw.name == "set"
        assert raw.targets.tolist() == ["a", "a", "a", "b", "b"]
        for row, path in enumerate(["a/10.PNG", "a/2.png", "a/x/1.png", "b/0.bmp", "b/1.png"]):
            pixels = random_pixels((6, 8), paths.index(path)).transpose(2, 0, 1)
            assert np.array_equal(raw.inputs[row], pixels)

    def test_they_do_not_depend_on_the_order_of_the_file_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw_classes(tmp_path / "set", {"a": 7, "b": 5, "c": 6})
        before, scandir, rng = prepare(of(tmp_path)), os.scandir, random.Random(0)

        @contextmanager
        def shuffled(path: Any) -> Iterator[list[os.DirEntry[str]]]:
            with scandir(path) as entries:
                found = list(entries)
            rng.shuffle(found)
            yield found

        monkeypatch.setattr(os, "scandir", shuffled)
        assert all(same(prepare(of(tmp_path)), before) for _ in range(5))

    def test_classes_are_the_names_of_folders(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"10": 6, "9": 6, "11": 6})
        assert prepare(of(tmp_path)).classes == ("9", "10", "11")

    def test_folders_are_classes_however_many_numbers_they_are(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {str(number): 2 for number in range(25)})
        assert prepare(of(tmp_path, validation=0.5, test=0)).task == "classification"

    def test_a_folder_of_tests_is_the_test_split(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set" / "train", {"a": 10, "b": 10})
        draw_classes(tmp_path / "set" / "test", {"a": 3, "b": 1})
        data = prepare(of(tmp_path))
        assert data.test.tolist() == [20, 21, 22, 23]
        assert data.targets[data.test].tolist() == [0, 0, 0, 1]
        first = read_image(tmp_path / "set" / "test" / "a" / "0.png", (6, 8), 3)
        assert np.array_equal(data.inputs[20], first)
        problem = refused(of(tmp_path, test=0.2))
        assert (problem.code, "test file of its own" in problem.message) == ("E076", True)

    @pytest.mark.parametrize("has_test", [False, True])
    def test_a_folder_that_validates_is_used_where_the_split_asks_for_it(
        self, tmp_path: Path, has_test: bool
    ) -> None:
        draw_classes(tmp_path / "set" / "train", {"a": 4, "b": 4})
        draw_classes(tmp_path / "set" / "val", {"a": 2, "b": 3})
        if has_test:
            draw_classes(tmp_path / "set" / "test", {"a": 1, "b": 1})
        data = prepare(of(tmp_path, column="part"))
        ((train, judged),) = ((fold.train, fold.validation) for fold in data.folds)
        assert (train.tolist(), judged.tolist()) == ([*range(8)], [*range(8, 13)])
        assert data.targets.tolist()[:13] == [0] * 4 + [1] * 4 + [0] * 2 + [1] * 3
        assert data.test.tolist() == ([13, 14] if has_test else [])
        assert data.rule.by_column

    @pytest.mark.parametrize("options", [{}, {"folds": 3}, {"column": "parts"}])
    def test_a_folder_that_validates_is_not_passed_over(
        self, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        draw_classes(tmp_path / "set" / "train", {"a": 4, "b": 4})
        draw_classes(tmp_path / "set" / "val", {"a": 2, "b": 3})
        problem = refused(of(tmp_path, **options))
        assert problem.code == "E076"
        assert "validation rows of its own ('val')" in problem.message
        assert "split: {column: part}" in problem.help

    def test_a_class_that_only_tests_have_is_refused(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set" / "train", {"a": 4, "b": 4})
        draw_classes(tmp_path / "set" / "test", {"c": 2})
        problem = refused(of(tmp_path))
        assert problem.code == "E075"
        assert "the test images: target 'class', row 1, is 'c'" in problem.message


class TestShape:
    @pytest.mark.parametrize("size", [(1, 1), (28, 28), (20, 90), (256, 256)])
    def test_images_of_one_size_keep_it(self, tmp_path: Path, size: tuple[int, int]) -> None:
        draw_classes(tmp_path / "set", {"a": 2, "b": 2}, size=size, mode="L")
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (4, 1, *size)
        assert raw.notes == ()

    def test_images_of_one_size_that_is_large_are_scaled(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 2, "b": 2}, size=(257, 512), mode="L")
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (4, 1, 32, 64)
        assert raw.notes == ("the images have 257 x 512 pixels: all were made 32 x 64",)

    def test_images_of_many_sizes_get_the_median_one(self, tmp_path: Path) -> None:
        for seed, size in enumerate([(10, 30), (20, 20), (40, 25), (40, 25), (300, 10)]):
            draw(tmp_path / "set" / "ab"[seed % 2] / f"{seed}.png", size, "L", seed)
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (5, 1, 40, 20 + 5)
        assert raw.notes == (
            "the images have 4 sizes, from 10 x 30 to 300 x 10: all were made 40 x 25",
        )
        # what has that size is not touched
        pixels = np.asarray(Image.open(tmp_path / "set" / "a" / "2.png"))
        assert np.array_equal(raw.inputs[1, 0], pixels)

    @given(st.lists(SIZES, min_size=1, max_size=9), st.randoms(use_true_random=False))
    def test_the_size_is_small_between_the_others_and_in_no_order(
        self, sizes: list[tuple[int, int]], rng: random.Random
    ) -> None:
        headers = [ImageHeader(size, "RGB", False) for size in sizes]
        shape = common_shape(headers)
        assert common_shape(rng.sample(headers, len(headers))) == shape
        if len(set(sizes)) == 1 and max(sizes[0]) <= 256:
            assert shape.size == sizes[0]
            return
        assert min(shape.size) >= 1
        assert max(shape.size) <= 64
        for side, sides in zip(shape.size, zip(*sizes, strict=True), strict=True):
            assert side <= max(sides)
            assert side >= min(sides) or max(map(max, sizes)) > 64

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
    def test_grey_images_have_one_channel(self, tmp_path: Path, mode: str) -> None:
        draw_classes(tmp_path / "set", {"a": 2, "b": 2}, mode=mode)
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (4, 1, 6, 8)
        made = [f"4 of 4 images were made grey of 8 bits (from {mode})"] * (mode != "L")
        clear = ["4 of 4 images have transparency, and were laid on white"] * (mode == "LA")
        assert raw.notes == (*made, *clear)

    def test_grey_images_among_colours_have_three(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 3}, mode="RGB")
        draw_classes(tmp_path / "set", {"b": 2}, mode="L")
        draw_classes(tmp_path / "set", {"d": 1}, mode="P")
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (6, 3, 6, 8)
        assert raw.notes == ("3 of 6 images were made RGB (from L, P)",)

    def test_the_tests_are_made_like_the_others_and_decide_nothing(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set" / "train", {"a": 3, "b": 3}, size=(10, 12), mode="L")
        draw_classes(tmp_path / "set" / "test", {"a": 1, "b": 1}, size=(40, 40), mode="RGBA")
        raw = load(of(tmp_path))
        assert raw.inputs.shape == (6, 1, 10, 12)
        assert raw.test is not None
        assert raw.test.inputs.shape == (2, 1, 10, 12)
        assert raw.notes == (
            "2 of 8 images were made grey of 8 bits (from RGBA)",
            "2 of 8 images have transparency, and were laid on white",
            "the images have 2 sizes, from 10 x 12 to 40 x 40: all were made 10 x 12",
        )


class TestNotes:
    def test_one_file_that_is_ignored_is_named(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        (tmp_path / "set" / "a" / "labels.csv").touch()
        assert load(of(tmp_path)).notes == (
            "'a/labels.csv' is no image of a class, and was ignored",
        )

    def test_many_are_counted_links_among_them(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        (tmp_path / "set" / "readme.txt").touch()
        (tmp_path / "set" / "a" / "up").symlink_to(tmp_path / "set")
        (tmp_path / "set" / "b" / "0.png").rename(tmp_path / "set" / "loose.png")
        data = prepare(of(tmp_path))
        assert len(data.inputs) == 9
        assert data.notes[0] == "3 files are no images of a class, and were ignored ('a/up', ...)"

    def test_a_name_that_is_not_utf_8_is_made_so(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        (tmp_path / "set" / os.fsdecode(b"caf\xe9.txt")).touch()
        assert load(of(tmp_path)).notes[0].startswith("'caf?.txt' is no image")


class TestRefusals:
    def test_each_damaged_image_is_named(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        (tmp_path / "set" / "a" / "3.png").write_bytes(b"")
        cut = (tmp_path / "set" / "b" / "1.png").read_bytes()[:-30]
        (tmp_path / "set" / "b" / "1.png").write_bytes(cut)
        with pytest.raises(SpecError) as caught:
            prepare(of(tmp_path))
        assert [(one.code, one.message) for one in caught.value.problems] == [
            ("E073", f"the image '{tmp_path}/set/a/3.png' cannot be read: it is empty"),
            (
                "E073",
                f"the image '{tmp_path}/set/b/1.png' cannot be read: image file is truncated",
            ),
        ]

    def test_an_image_whose_pixels_alone_are_damaged_is_named(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        path = draw(tmp_path / "set" / "a" / "x.bmp")
        path.write_bytes(path.read_bytes()[:-30])  # its header is sound
        problem = refused(of(tmp_path))
        assert (problem.code, "set/a/x.bmp" in problem.message) == ("E073", True)

    @pytest.mark.parametrize(("damaged", "helped"), [(10, ""), (11, "there are more")])
    def test_of_many_damaged_images_ten_are_named(
        self, tmp_path: Path, damaged: int, helped: str
    ) -> None:
        draw_classes(tmp_path / "set", {"a": 15, "b": 5})
        for number in range(damaged):
            (tmp_path / "set" / "a" / f"{number}.png").write_bytes(b"nothing")
        with pytest.raises(SpecError) as caught:
            prepare(of(tmp_path))
        assert len({problem.message for problem in caught.value.problems}) == 10
        assert caught.value.problems[-1].help == helped

    def test_too_many_pixels_in_all_are_refused_before_they_are_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        monkeypatch.setattr("hpsearch.data.size.MOST_BYTES", 10 * 3 * 6 * 8)
        assert len(load(of(tmp_path)).inputs) == 10
        draw(tmp_path / "set" / "a" / "x.png")
        monkeypatch.setattr(image_folder, "read_image", None)
        problem = refused(of(tmp_path))
        assert problem.code == "E073"
        assert "'set' claims 1,584 bytes" in problem.message

    def test_drawings_that_unfold_to_much_are_read(self, tmp_path: Path) -> None:
        for number in range(100):
            path = tmp_path / "set" / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (256, 256), "red").save(path)
        assert load(of(tmp_path)).inputs.nbytes > 16 << 20

    def test_one_class_alone_is_refused(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"cat": 10})
        problem = refused(of(tmp_path))
        assert (problem.code, "one class only, 'cat'" in problem.message) == ("E075", True)

    def test_a_target_is_refused(self, tmp_path: Path) -> None:
        draw_classes(tmp_path / "set", {"a": 5, "b": 5})
        problem = refused(of(tmp_path, target="animal"))
        assert (problem.code, "has no columns" in problem.message) == ("E072", True)


def another(folder: Path) -> None:
    draw(folder / "set" / "b" / "9.png")


def changed(folder: Path) -> None:
    draw(folder / "set" / "b" / "4.png", seed=99)


def gone(folder: Path) -> None:
    (folder / "set" / "a" / "0.png").unlink()


def exchanged(folder: Path) -> None:
    first, second = folder / "set" / "a" / "0.bmp", folder / "set" / "b" / "0.bmp"
    first.rename(folder / "aside")
    second.rename(first)
    (folder / "aside").rename(second)


@pytest.mark.parametrize("act", [another, changed, gone, exchanged])
def test_images_that_change_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None]
) -> None:
    draw_classes(tmp_path / "set", {"a": 5, "b": 5})
    for name in "ab":  # of one size and one time
        os.utime(draw(tmp_path / "set" / name / "0.bmp", seed=ord(name)), ns=(0, 0))
    acts = [act]

    def read(*given: Any) -> Any:
        found = read_image(*given)
        if acts:
            acts.pop()(tmp_path)
        return found

    monkeypatch.setattr(image_folder, "read_image", read)
    problem = refused(of(tmp_path))
    assert problem.code == "E070"
    assert "was written while it was read" in problem.message
    assert prepare(of(tmp_path)).classes == ("a", "b")


def test_what_is_no_image_may_change_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_classes(tmp_path / "set", {"a": 5, "b": 5})

    def reading(spec: DataSpec) -> RawData:
        (tmp_path / "set" / "notes.txt").touch()
        return load(spec)

    monkeypatch.setattr("hpsearch.data.sources.folder.load", reading)
    assert len(prepare(of(tmp_path)).inputs) == 10


def test_images_are_read_in_so_many_calls_each(tmp_path: Path) -> None:
    draw_classes(tmp_path / "set", {"a": 150, "b": 150}, mode="L")
    draw(tmp_path / "set" / "a" / "first.png", mode="L")  # what Pillow loads once, it has loaded
    read_image(tmp_path / "set" / "a" / "first.png", (6, 8), 1)
    with calls_at_most(301 * 1000):
        load(of(tmp_path))


def sets(kind: str, folder: Path) -> DataSpec:
    """Write a folder of images of some kind; return its spec."""
    if kind == "split":
        draw_classes(folder / "set" / "train", {"a": 4, "b": 4})
        draw_classes(folder / "set" / "test", {"a": 4, "b": 4}, size=(3, 3), mode="L")
        return of(folder)
    draw_classes(folder / "set", {"a": 4, "b": 4}, mode="L" if kind == "grey" else "RGB")
    if kind == "mixed":
        draw_classes(folder / "set", {"c": 4}, size=(30, 7), mode="LA")
    return of(folder)


@pytest.mark.parametrize("kind", ["grey", "colours", "mixed", "split"])
def test_a_folder_of_images_keeps_what_every_source_promises(tmp_path: Path, kind: str) -> None:
    checks: list[Check[Any]] = [*sources.checks(load, sets(kind, tmp_path))]
    for check in checks:
        check()
