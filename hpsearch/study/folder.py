"""The names in a study's folder. Whatever has another name is somebody else's, and is let alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hpsearch.errors import CannotWrite, DamagedStudy, Problem
from hpsearch.study.artefacts import FOLDER, is_artefact
from hpsearch.study.files import check_single, is_folder, is_link, is_unfinished, sweep

FILE = "study.db"
CONFIG = "config.yaml"
LOG = "errors.log"
RAY_LOG = "ray.log"
LOCK = "study.lock"
HALF = "study.db.new"
TRIALS = "trials"
"""Where each trial of a trainer of one's own has a folder, by the number of its training."""

BEGUN = (LOCK, HALF, f"{HALF}-journal")
"""What is there before a study is."""

_IN_PLACE = (LOCK, FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal", *BEGUN[1:], LOG, RAY_LOG)


def refuse_links(folder: Path, *older: str) -> None:
    """Refuse a study of which something is a link: it would lead to what is no part of the study.

    The folder itself may be one, since whoever names it has chosen it. `older` are the names of
    folders that a study of an earlier version has beside its file.

    Raises:
        DamagedStudy: something is.
    """
    for path in _own(folder, older):
        if is_link(path):
            message = f"{path} is a link, and a study has none"
            raise DamagedStudy(Problem("E165", message, help="put there what it leads to"))


def refuse_shared(folder: Path) -> None:
    """Refuse to write a study of which a file has a second name (a hard link).

    It is written where it stands, and the file of that name would be written with it.

    Raises:
        CannotWrite: one has.
    """
    for name in _IN_PLACE:
        try:
            check_single(os.lstat(folder / name))
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"cannot write to {folder / name}: {error.strerror}"
            help = "make a copy of the folder, and go on with that"
            raise CannotWrite(Problem("E173", message, help=help)) from error


def trial_folder(study: Path, number: int) -> Path:
    """Return the folder of a trial of one's own trainer, by the number of its first segment."""
    return study / TRIALS / str(number)


def sweep_study(folder: Path) -> None:
    """Remove what killed processes have left half written in a study."""
    sweep(folder)
    sweep(folder / FOLDER)


def _own(folder: Path, older: tuple[str, ...]) -> Iterator[Path]:
    """Give each name of a study's own, whether or not something is there."""
    for name in (*_IN_PLACE, CONFIG, FOLDER, TRIALS, *older):
        yield folder / name
    for inner in ("", FOLDER, *older):
        if not inner or is_folder(folder / inner):
            for path in (folder / inner).iterdir():
                if is_artefact(path.name) or is_unfinished(path.name) or inner in older:
                    yield path
