"""Read a folder of images, in which each sub-folder holds the images of one class.

    photos/cat/1.png                    photos/train/cat/1.png
    photos/dog/2.jpg                    photos/test/dog/2.jpg

Folders such as `train/` and `test/`, with the classes in them, are parts of the split. All images
get one size and one number of channels, which those that do not test decide: see `docs/data.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.data.sources.class_folders import divided
from hpsearch.data.sources.folder_files import listing
from hpsearch.data.sources.image_file import Channels, ImageHeader, Size, image_header, read_image
from hpsearch.data.sources.own_parts import own_parts
from hpsearch.errors import Problem, SpecError

_LONGEST_KEPT = 256  # pixels of a side, where all images have one size
_LONGEST_MADE = 64  # pixels of a side, where they are scaled: small networks are trained on such
_LISTED = 10


class ImageShape(NamedTuple):
    """The size and the number of channels that all images of a source get."""

    size: Size
    channels: Channels


def load(spec: DataSpec) -> RawData:
    """Return the images as bytes (rows, channels, height, width), and the class of each.

    The rows are sorted by their class, then by their path. A folder of test images becomes the
    source's test file.

    Raises:
        SpecError: the folder is not divided into classes, an image cannot be read, or all of them
            take more than 4 GiB.
    """
    if spec.target is not None:
        fault = f"'{spec.source}' has no columns: the class of an image is the name of its folder"
        raise SpecError(Problem("E072", fault, spec.places.get("target"), help="leave it out"))
    parts, others = divided(listing(spec.path), spec)
    train, validation, test = (
        parts[name].rows if name in parts else [] for name in ("train", "validation", "test")
    )
    own = [*train, *validation]
    column = None
    if validation:
        column = own_parts(len(train), len(validation), [parts["validation"].folder], spec)
    pixels, notes = _read([spec.path / path for path, _ in (*own, *test)], len(own), spec)
    tested = RawData("the test images", pixels[len(own) :], _labels(test), target="class")
    return RawData(
        spec.path.resolve().name,
        pixels[: len(own)],
        _labels(own),
        target="class",
        task="classification",
        test=tested if test else None,
        parts=column,
        notes=(*notes, *_ignored(others)),
    )


def common_shape(headers: Sequence[ImageHeader]) -> ImageShape:
    """Return the size and the number of channels that images get which are trained on together.

    Where they all have one size of at most 256 x 256 pixels, they keep it. Otherwise it is the
    median of their heights by the median of their widths, scaled down, its sides in their ratio, to
    at most 64 pixels. There is one channel where all are grey.

    >>> photos = [ImageHeader(size, "RGB", False) for size in ((300, 400), (480, 640), (600, 800))]
    >>> common_shape(photos)
    ImageShape(size=(48, 64), channels=3)
    """
    channels: Channels = 1 if all(header.is_grey for header in headers) else 3
    sizes = {header.size for header in headers}
    if len(sizes) == 1 and max(one := sizes.pop()) <= _LONGEST_KEPT:
        return ImageShape(one, channels)
    height, width = np.median([header.size for header in headers], axis=0).tolist()
    scale = min(1.0, _LONGEST_MADE / max(height, width))
    return ImageShape((max(1, round(height * scale)), max(1, round(width * scale))), channels)


def _read(paths: Sequence[Path], own: int, spec: DataSpec) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the pixels of all images, and notes; the first `own` images decide the shape."""
    with _every_fault(paths):
        headers = [image_header(path) for path in paths]
    (height, width), channels = shape = common_shape(headers[:own])
    needed = len(paths) * channels * height * width
    # A small file may be honest and unfold to much, but no more than 256 x 256 pixels of it are
    # kept: only the sum has a limit.
    check_size(f"'{spec.source}'", needed, stored=needed)
    pixels = np.empty((len(paths), channels, height, width), dtype=np.uint8)
    with _every_fault(paths):
        for row, path in enumerate(paths):
            pixels[row] = read_image(path, shape.size, channels)
    return pixels, [*_decided(headers, shape)]


@contextmanager
def _every_fault(paths: Sequence[Path]) -> Iterator[None]:
    """When one image cannot be read, look at all of them, and name the first ten."""
    try:
        yield
    except SpecError as first:
        problems: list[Problem] = []
        for path in paths:
            try:
                read_image(path, (1, 1), 1)
            except SpecError as error:
                problems += error.problems
            if len(problems) > _LISTED:
                problems[_LISTED - 1] = replace(problems[_LISTED - 1], help="there are more")
                break
        raise SpecError(*(problems[:_LISTED] or first.problems)) from first


def _labels(rows: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """Return the class of each row; a name that many rows have is kept once."""
    return np.array([name for _, name in rows], dtype=object)


def _decided(headers: Sequence[ImageHeader], shape: ImageShape) -> Iterator[str]:
    """Yield in words what was made of the images, where they were not kept as they are."""
    total, mode = f"{len(headers):,}", "L" if shape.channels == 1 else "RGB"
    modes = Counter(header.mode for header in headers if header.mode != mode)
    if modes:
        made, listed = "grey of 8 bits" if mode == "L" else mode, ", ".join(sorted(modes))
        yield f"{modes.total():,} of {total} images were made {made} (from {listed})"
    if clear := sum(header.has_transparency for header in headers):
        yield f"{clear:,} of {total} images have transparency, and were laid on white"
    sizes = {header.size for header in headers}
    if sizes != {shape.size}:
        least, most = (_pixels(size) for size in _extremes(sizes))
        found = f"have {len(sizes):,} sizes, from {least} to {most}"
        found = found if len(sizes) > 1 else f"have {least} pixels"
        yield f"the images {found}: all were made {_pixels(shape.size)}"


def _extremes(sizes: Collection[Size]) -> tuple[Size, Size]:
    """Return the smallest and the largest size, by the number of pixels."""
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return ordered[0], ordered[-1]


def _pixels(size: Size) -> str:
    return f"{size[0]:,} x {size[1]:,}"


def _ignored(others: Sequence[str]) -> Iterator[str]:
    """Yield in words how many files are no images of a class, and the name of one."""
    if others:
        name = others[0].encode(errors="replace").decode()
        many = f"{len(others):,} files are no images of a class, and were ignored ('{name}', ...)"
        yield many if len(others) > 1 else f"'{name}' is no image of a class, and was ignored"
