"""A process of its own that has a runner do work, for tests that end it.

`python -m tests.helpers.coordinator RUNNER FOLDER CALL ARGUMENT` prints each event on a line, and
"over" at the end; it takes no notice of SIGINT and SIGTERM. FOLDER is where artefacts are kept.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from hpsearch.runners import RUNNERS, Resources, Work, WorkCrashed, WorkFinished, WorkKey
from hpsearch.study.artefacts import Artefacts


def main(name: str, folder: str, call: str, argument: str) -> None:
    """Do two pieces of work at a time, and print what happens."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    with RUNNERS.load(name)().build(Resources(workers=2), Artefacts(Path(folder))) as runner:
        for cohort in range(2):
            given = float(argument) if call.endswith("process") else argument
            runner.submit(Work(WorkKey(cohort), call, given))
        left = 2
        while left:
            for _, event in runner.wait(0.2):
                left -= isinstance(event, WorkFinished | WorkCrashed)
                print(event, flush=True)
    print("over", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
