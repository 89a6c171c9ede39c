"""The command line with a side log, struck by a signal the k-th time that it passes a named point.

`python -m tests.helpers.kill_at FOLDER POINT K SIGNAL -- bayes ...` writes into FOLDER `said`: the
number of each trial as soon as `Store.record_results` has returned, one a line. For each point it
writes a file that grows by a byte each time that the point is passed; so whoever is started with
the same FOLDER goes on counting, and comes past the place of the death alive. SIGKILL is for the
process that passes, other signals are for its whole group, as those of a terminal are. At "nowhere"
there is none.

The product knows nothing of this: its functions are wrapped here, in the coordinator and in its
workers, which import the main module of their parent again.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

IN_COORDINATOR = (
    "while-created",  # each statement of the study's first transaction, and after the last
    "mid-data",  # the data is half written
    "before-wave-commit",
    "after-wave-commit",
    "after-submit",
    "after-receive",
    "before-results-commit",
    "after-results-commit",
    "during-clean",  # before and after artefacts are removed
    "during-test",  # asked, answered, before and after the answer's commit
    "during-close",  # each statement that folds the journal into the file, and after the last
)
IN_WORKER = ("worker-first-epoch", "worker-mid-artefact", "worker-before-send")
SAID = "said"
_VARIABLE = "TESTS_KILL_AT"
_WRITTEN = {
    "INSERT INTO trial": "wave",
    "UPDATE trial SET": "results",
    "INSERT INTO test_evaluation": "test",
}


def passed(point: str, last: Callable[[], None] = lambda: None) -> None:
    """Count a passing; where it is the one, do what is last, and strike."""
    folder, deadly, k, number = os.environ[_VARIABLE].split("\n")
    if _append(Path(folder) / point, b".") == int(k) and point == deadly:
        last()
        (os.kill if int(number) == signal.SIGKILL else os.killpg)(os.getpid(), int(number))


def _append(path: Path, text: bytes) -> int:
    """Add to a file, in one piece; return its size."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, text)
        return os.fstat(file).st_size
    finally:
        os.close(file)


class Connection(sqlite3.Connection):
    """A connection that passes points before and after a commit, by what is committed.

    Where `step` is a point, that one is passed at each statement.
    """

    step = ""
    _written = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if Connection.step:
            passed(Connection.step)
        self._written = _WRITTEN.get(" ".join(sql.split()[:3]), self._written)
        if sql != "COMMIT" or not self._written:
            return super().execute(sql, *values)
        what, self._written = self._written, ""
        passed("during-test" if what == "test" else f"before-{what}-commit")
        cursor = super().execute(sql, *values)
        passed("during-test" if what == "test" else f"after-{what}-commit")
        return cursor


def _stepwise(function: Callable[..., Any], point: str) -> Callable[..., Any]:
    """Return the function, each of whose statements passes the point."""

    def wrapped(*given: Any) -> Any:
        Connection.step = point
        result = function(*given)
        passed(point)
        Connection.step = ""
        return result

    return wrapped


def wrap_coordinator() -> None:
    """Put the points and the side log into what the coordinator calls."""
    # the help loads nothing heavy, here neither
    from hpsearch.objectives import TestScore  # noqa: PLC0415
    from hpsearch.runners import WorkFinished, WorkKey  # noqa: PLC0415
    from hpsearch.runners.local import Local  # noqa: PLC0415
    from hpsearch.study.artefacts import Artefacts  # noqa: PLC0415
    from hpsearch.study.store import Store  # noqa: PLC0415

    record, submit, wait, remove = (
        Store.record_results,
        Local.submit,
        Local.wait,
        Artefacts.remove,
    )

    def says(store: Store, results: Any) -> None:
        record(store, results)
        folder = Path(os.environ[_VARIABLE].split("\n")[0])
        _append(folder / SAID, "".join(f"{number}\n" for number in results).encode())

    def submits(runner: Local, work: Any) -> None:
        submit(runner, work)
        if work.key.cohort >= 0:
            passed("after-submit")
        elif work.call.endswith(":score_test"):
            passed("during-test")

    def waits(runner: Local, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        events = wait(runner, seconds)
        for key, event in events:
            if isinstance(event, WorkFinished) and key.cohort >= 0:
                passed("after-receive")
            elif isinstance(event, TestScore):
                passed("during-test")
        return events

    def removes(artefacts: Artefacts, doomed: Callable[[str], bool]) -> None:
        passed("during-clean")
        remove(artefacts, doomed)
        passed("during-clean")

    patched: Any = Store
    patched.record_results, patched.close = says, _stepwise(Store.close, "during-close")
    patched.create = staticmethod(_stepwise(Store.create, "while-created"))
    patched = Local
    patched.submit, patched.wait = submits, waits
    patched = Artefacts
    patched.remove = removes
    _wrap_replace("mid-data")
    sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]


def wrap_worker() -> None:
    """Put the points into what a worker calls."""
    from hpsearch.objectives import training  # noqa: PLC0415 (the coordinator does without)
    from hpsearch.study.trial import Epoch, TrialEnded  # noqa: PLC0415

    train = training.train_cohort

    def trains(*given: Any) -> Iterator[Any]:
        epochs = 0
        for event in train(*given):
            epochs += isinstance(event, Epoch)
            if isinstance(event, Epoch) and epochs == 1:
                passed("worker-first-epoch")
            elif isinstance(event, TrialEnded):
                passed("worker-before-send")
            yield event

    patched: Any = training
    patched.train_cohort = trains
    _wrap_replace("worker-mid-artefact")


def _wrap_replace(point: str) -> None:
    """Pass a point where an artefact gets its name; who is struck there leaves a half of it."""
    replace, patched = os.replace, os  # type: Any, Any

    def replaces(half: Any, whole: Any, **places: Any) -> None:
        if re.fullmatch("[0-9a-f]{64}", Path(whole).name):
            passed(point, lambda: os.truncate(half, Path(half).stat().st_size // 2))
        replace(half, whole, **places)

    patched.replace = replaces


def main() -> None:
    """Run the command line behind `--`."""
    *place, _ = sys.argv[1:6]
    os.environ[_VARIABLE], arguments = "\n".join(place), sys.argv[6:]
    sys.argv[1:] = arguments
    wrap_coordinator()

    from hpsearch.cli import main  # noqa: PLC0415

    main()


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__" and _VARIABLE in os.environ:
    wrap_worker()
