"""Where an HTML page goes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hpsearch.errors import CannotWrite, Problem, SpecError
from hpsearch.study.files import unwritable
from hpsearch.study.folder import FILE
from hpsearch.text import ERRORS

_OURS = b'<meta name="generator" content="hpsearch">'  # stands in each of our pages
_HEAD = 1_000  # bytes in which it stands
_SUFFIXES = (".html", ".htm")


def writable(page: str | None, force: bool) -> Path | None:
    """Return the path of `-o`; refuse it at once where that is no place for a page.

    Only a page of ours is written over, unless `force` says otherwise; and in the folder of a study
    nothing takes a name that the study may use.

    Raises:
        SpecError: it is a folder, is in none, or is no name of a file.
        CannotWrite: something else is there.
    """
    if page is None:
        return None
    path = Path(page)
    try:
        kind = _kind(path)
        is_place = path.parent.is_dir() and not stat.S_ISDIR(kind)
        is_ours = not stat.S_ISREG(kind) or _is_page(path)
    except OSError as error:
        raise _no_place(path, f": {error.strerror}") from error
    if not is_place:
        raise _no_place(path, "")
    if not is_ours and not force:
        message = f"{path} is there already, and is no page of hpsearch"
        raise CannotWrite(Problem("E173", message, help="--force writes over it"))
    studies = (one for one in path.resolve().parents if os.path.lexists(one / FILE))
    if path.suffix not in _SUFFIXES and any(studies) and not force:
        message = f"{path} would lie among the files of a study"
        raise CannotWrite(Problem("E173", message, help="-o FILE.html, or another folder"))
    return path


def _kind(path: Path) -> int:
    """Return the mode of what is there; 0 where nothing is.

    Raises:
        OSError: nothing can be.
    """
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def _no_place(path: Path, why: str) -> SpecError:
    help = "-o FILE.html, in a folder that is there"
    return SpecError(Problem("E093", f"{path} is no place for a page{why}", help=help))


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return _OURS in file.read(_HEAD)


def write(path: Path, text: str) -> None:
    """Write it.

    Raises:
        CannotWrite: the file system says why.
        DiskFull: so it says.
    """
    try:
        path.write_text(text, encoding="utf-8", errors=ERRORS)
    except OSError as error:
        raise unwritable(path, error) from error
