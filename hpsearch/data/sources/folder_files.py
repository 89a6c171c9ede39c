"""Find the files of a folder of data: IDX files, or images in sub-folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.data.sources import idx
from hpsearch.errors import Problem, SpecError

SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"],
)
"""How the names of images end, in small or capital letters."""

_OF_SYSTEMS = frozenset(["thumbs.db", "__macosx"])  # what they leave beside the files of a person
_MOST = 1_000_000  # files, folders and links


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder and in all folders below it, but for hidden files and folders.

    All are paths from the folder on, with `/` between their parts, in the order of their letters.

    Attributes:
        files: the files, links excepted.
        folders: the folders, links excepted.
        others: links, none of which is followed, and what is neither a file nor a folder.
    """

    files: Sequence[str]
    folders: Sequence[str]
    others: Sequence[str]


def listing(folder: Path) -> Listing:
    """Return what is in a folder, in an order that is not the file system's.

    Raises:
        SpecError: there are more than a million files, folders and links.
        OSError: a folder cannot be read.
    """
    files: list[str] = []
    folders: list[str] = []
    others: list[str] = []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                    continue
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                    waiting.append(path)
                else:
                    (files if entry.is_file(follow_symlinks=False) else others).append(path)
                if len(files) + len(folders) + len(others) > _MOST:
                    fault = f"'{folder}' has more than {_MOST:,} files and folders in it"
                    raise SpecError(Problem("E073", fault))
    return Listing(sorted(files), sorted(folders), sorted(others))


def is_image(path: str) -> bool:
    """Say whether a file is an image, by its name."""
    return os.path.splitext(path)[1].lower() in SUFFIXES  # noqa: PTH122 (a Path for each is slow)


def is_idx(folder: Path) -> bool:
    """Say whether a folder has files that are named like IDX files."""
    found = (path for pattern in (idx.IMAGES, idx.LABELS) for path in folder.glob(pattern))
    return any(not path.is_dir() for path in found)


def read_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that its loader reads, in an order that is always the same."""
    if is_idx(folder):
        yield from (path for path in sorted(folder.glob("*idx*")) if path.is_file())
    else:
        yield from (folder / path for path in listing(folder).files if is_image(path))
