"""Where an HTML page goes."""

from __future__ import annotations

from pathlib import Path

from hpsearch.errors import Problem, SpecError
from hpsearch.study.files import unwritable
from hpsearch.text import ERRORS


def writable(page: str | None) -> Path | None:
    """Return the path of `-o`; refuse it at once where that is no place for a file.

    Raises:
        SpecError: it is a folder, or in none.
    """
    path = Path(page) if page else None
    if path and (path.is_dir() or not path.parent.is_dir()):
        raise SpecError(
            Problem(
                "E093",
                f"{path} is no place for a page",
                help="-o FILE.html, in a folder that is there",
            )
        )
    return path


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
