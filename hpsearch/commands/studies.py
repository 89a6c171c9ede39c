"""Finding studies, and their trials."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hpsearch.errors import Problem, SpecError
from hpsearch.report.board.view import board
from hpsearch.study.folder import FILE
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read

RUNS = Path("runs")


def find_study(study: str | None) -> Path:
    """Return the folder of the study that is named, or of the newest one under runs/.

    Raises:
        SpecError: there is none.
    """
    if study is not None:
        found = named_study(study)
        if found is None:
            raise SpecError(Problem("E062", f"there is no study in {study}", help=f"{_known()}"))
        return found
    studies = [path.parent for path in RUNS.glob(f"*/{FILE}")]
    if not studies:
        raise SpecError(
            Problem(
                "E062",
                f"there is no study under {RUNS}/",
                help="begin one:  hpsearch bayes --budget 50",
            )
        )
    return max(studies, key=_written)


def named_study(study: str) -> Path | None:
    """Return the folder of the study that is named; None where there is none."""
    paths = (Path(study), RUNS / study)
    return next((path for path in paths if _may_be(path / FILE)), None)


def meant(study: str | None, number: int | None) -> tuple[str | None, int | None]:
    """Return which study and which of its trials are meant.

    A number alone is that of a trial of the newest study, unless a study is called so.
    """
    if study is None or number is not None or not study.isdecimal():
        return study, number
    if named_study(study):
        return study, number
    return None, int(study)


def picked(study: str | None, number: int | None, code: str) -> tuple[Path, StudyRecord, int]:
    """Return the folder of the study that is meant, what it keeps, and the number of its trial.

    What it keeps is with the curves of that trial.

    Raises:
        SpecError: there is no such study or trial, see `picked_trial`.
    """
    name, number = meant(study, number)
    folder = find_study(name)
    number = picked_trial(read(folder), number, code)
    return folder, read(folder, curves_of=number), number


def picked_trial(study: StudyRecord, number: int | None, code: str) -> int:
    """Return the number of the trial of a study of networks that is meant; of none, the winner's.

    Raises:
        SpecError: there is no such trial; with the code, that there are no networks or no winner.
    """
    meta, trials = study.meta, study.history.trials
    if meta.objective != "networks":
        help = "what a trainer of one's own has written is in the folders under STUDY/trials"
        raise SpecError(Problem(code, f"{meta.name} has trained no networks", help=help))
    if number is None:
        winner = board(study).winner
        if winner is None:
            raise SpecError(Problem(code, f"{meta.name} has no winner: no trial has succeeded"))
        return winner.number
    if number >= len(trials):
        help = f"its trials are 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise SpecError(Problem("E096", f"{meta.name} has no trial {number}", help=help))
    return number


def _may_be(path: Path) -> bool:
    """Return whether something is there, or in a folder that nobody may look into.

    Who reads it says so.
    """
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _written(study: Path) -> int:
    """Return when it was last written; what is new stands in the journal beside it at first."""
    times = [0]
    for path in (study / FILE, study / f"{FILE}-wal"):
        with suppress(OSError):
            times.append(path.lstat().st_mtime_ns)
    return max(times)


def _known() -> str:
    names = sorted(path.parent.name for path in RUNS.glob(f"*/{FILE}"))
    return (
        f"under {RUNS}/ there are: {', '.join(names)}"
        if names
        else "begin one:  hpsearch bayes --budget 50"
    )
