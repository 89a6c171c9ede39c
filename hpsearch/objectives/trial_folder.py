"""The folder of a trial, where a trainer of one's own keeps what it likes beside its log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpsearch.objectives.trainers import LOG
from hpsearch.study import files


@dataclass(slots=True)
class Log:
    """The file that takes what a trial prints, by its descriptor."""

    file: int


@contextmanager
def opened(folder: Path, is_first: bool) -> Iterator[Log]:
    """Prepare the folder of a trial for a call, and give its log.

    Args:
        folder: the folder, which is made where it is not there.
        is_first: whether this is the first segment of a training, which finds its folder empty. A
            later one finds what the one before has left.

    Raises:
        DiskFull, CannotWrite: it cannot be written.
    """
    try:
        for each in (folder.parent, folder):
            if files.is_link(each):
                raise OSError("it is a link")
            each.mkdir(exist_ok=True)
        for path in folder.iterdir() if is_first else ():
            if files.is_folder(path):
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        file = files.open_own(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise files.unwritable(folder, error) from error
    try:
        yield Log(file)
    finally:
        os.close(file)
