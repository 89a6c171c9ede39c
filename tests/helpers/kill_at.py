"""The command line with a side log of what it has said, struck by a signal the k-th time that it passes a named point.

`python -m tests.helpers.kill_at FOLDER POINT K SIGNAL -- bayes ...` writes into FOLDER `said`: the number of each trial as soon
as `Store.told` has returned, one a line; and for each point a file that grows by a byte each time it is passed, so that
whoever is started with the same FOLDER goes on counting, and comes past the place of the death alive. SIGKILL is for
the process that passes, other signals are for its whole group, as those of a terminal are. At "nowhere" there is none.

The product knows nothing of this: its functions are wrapped here, in the coordinator and in its workers, which import
the main module of their parent again.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

IN_COORDINATOR = (
    "while-created",  # each statement of the study's first transaction, and after the last
    "before-asked-commit",
    "after-asked-commit",
    "after-submit",
    "after-receive",
    "before-told-commit",
    "after-told-commit",
    "during-look",  # asked, answered, before and after the answer's commit
    "during-close",  # each statement that folds the journal into the file, and after the last
)
IN_WORKER = ("worker-first-epoch", "worker-mid-weights", "worker-before-send")
SAID = "said"
_VARIABLE = "TESTS_KILL_AT"
_WRITTEN = {"INSERT INTO trial": "asked", "UPDATE trial SET": "told", "INSERT INTO look": "look"}


def passed(point: str, last: Callable[[], None] = lambda: None) -> None:
    """Count a passing; where it is the one, do what is last, and strike."""
    folder, deadly, k, number = os.environ[_VARIABLE].split("\n")
    if _append(Path(folder) / point, b".") == int(k) and point == deadly:
        last()
        (os.kill if int(number) == signal.SIGKILL else os.killpg)(os.getpid(), int(number))


def _append(path: Path, text: bytes) -> int:
    """Add to a file, in one piece; its size."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, text)
        return os.fstat(file).st_size
    finally:
        os.close(file)


class Connection(sqlite3.Connection):
    """Passes points before and after a commit, by what is committed; where `step` is one, that at each statement."""

    step = ""
    _written = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if Connection.step:
            passed(Connection.step)
        self._written = _WRITTEN.get(" ".join(sql.split()[:3]), self._written)
        if sql != "COMMIT" or not self._written:
            return super().execute(sql, *values)
        what, self._written = self._written, ""
        passed("during-look" if what == "look" else f"before-{what}-commit")
        cursor = super().execute(sql, *values)
        passed("during-look" if what == "look" else f"after-{what}-commit")
        return cursor


def _stepwise(function: Callable[..., Any], point: str) -> Callable[..., Any]:
    """The function, each of whose statements passes the point."""

    def wrapped(*given: Any) -> Any:
        Connection.step = point
        result = function(*given)
        passed(point)
        Connection.step = ""
        return result

    return wrapped


def wrap_coordinator() -> None:
    """Put the points and the side log into what the coordinator calls."""
    from hpsearch.runners import Finished  # noqa: PLC0415 (the help loads nothing heavy, here neither)
    from hpsearch.runners.local import Local  # noqa: PLC0415
    from hpsearch.study.store import Store  # noqa: PLC0415

    told, submit, wait = Store.told, Local.submit, Local.wait

    def says(store: Store, results: Any, *more: Any) -> None:
        told(store, results, *more)
        folder = Path(os.environ[_VARIABLE].split("\n")[0])
        _append(folder / SAID, "".join(f"{number}\n" for number in results).encode())

    def submits(runner: Local, work: Any) -> None:
        submit(runner, work)
        if work.key >= 0:
            passed("after-submit")
        elif work.call.endswith(":score_test"):
            passed("during-look")

    def waits(runner: Local, seconds: float) -> Sequence[tuple[int, object]]:
        events = wait(runner, seconds)
        for key, event in events:
            if isinstance(event, Finished) and key >= 0:
                passed("after-receive")
            elif isinstance(event, tuple) and key < 0:
                passed("during-look")
        return events

    patched: Any = Store
    patched.told, patched.close = says, _stepwise(Store.close, "during-close")
    patched.create = staticmethod(_stepwise(Store.create, "while-created"))
    patched = Local
    patched.submit, patched.wait = submits, waits
    sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]


def wrap_worker() -> None:
    """Put the points into what a worker calls."""
    from hpsearch.engine import jobs  # noqa: PLC0415 (the coordinator does without)
    from hpsearch.study.trial import Epoch  # noqa: PLC0415

    train, replace = jobs.train_cohort, os.replace

    def trains(job: Any) -> Iterator[Any]:
        epochs = 0
        for event in train(job):
            epochs += isinstance(event, Epoch)
            if isinstance(event, Epoch) and epochs == 1:
                passed("worker-first-epoch")
            elif isinstance(event, tuple):
                passed("worker-before-send")
            yield event

    def replaces(half: Any, whole: Any, **places: Any) -> None:
        if str(whole).endswith(".safetensors"):
            passed("worker-mid-weights", lambda: os.truncate(half, Path(half).stat().st_size // 2))
        replace(half, whole, **places)

    patched: Any = jobs
    patched.train_cohort = trains
    patched = os
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
