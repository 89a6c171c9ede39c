"""A process of its own that has a runner do work, for tests that end it.

`python -m tests.helpers.coordinator RUNNER CALL ARGUMENT` prints each event on a line, and "over" at the end; it takes no
notice of SIGINT and SIGTERM.
"""

from __future__ import annotations

import signal
import sys

from hpsearch.runners import RUNNERS, Crashed, Finished, Work


def main(name: str, call: str, argument: str) -> None:
    """Do two pieces of work at a time, and print what happens."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    with RUNNERS.load(name)(2, 1) as runner:
        for key in range(2):
            runner.submit(
                Work(key, call, float(argument) if call.endswith("process") else argument)
            )
        left = 2
        while left:
            for _, event in runner.wait(0.2):
                left -= isinstance(event, Finished | Crashed)
                print(event, flush=True)
    print("over", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
