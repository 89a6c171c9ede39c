"""Finding studies."""

from __future__ import annotations

from pathlib import Path

from hpsearch.errors import Problem, SpecError
from hpsearch.store import FILE

RUNS = Path("runs")


def find_study(study: str | None) -> Path:
    """The folder of a study: the one named (also by its name under runs/), or the newest one there.

    Raises:
        SpecError: there is none.
    """
    if study is not None:
        paths = [Path(study), RUNS / study]
        found = [path for path in paths if (path / FILE).exists()]
        if not found:
            raise SpecError(Problem("E062", f"there is no study in {study}", help=f"{_known()}"))
        return found[0]
    studies = sorted(RUNS.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime_ns)
    if not studies:
        raise SpecError(
            Problem("E062", f"there is no study under {RUNS}/", help="begin one:  hpsearch bayes --budget 50")
        )
    return studies[-1].parent


def _known() -> str:
    names = sorted(path.parent.name for path in RUNS.glob(f"*/{FILE}"))
    return f"under {RUNS}/ there are: {', '.join(names)}" if names else "begin one:  hpsearch bayes --budget 50"
