"""A search over a program in a process of its own, for tests that end it.

`python -m tests.helpers.program_search FOLDER` searches with two workers, and goes on with what is
there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hpsearch.objectives.command import Command
from hpsearch.objectives.reports import Reporting
from hpsearch.runners import Resources
from tests.helpers.programs import command, search

# as long as `hang` is there, it notes its processes and takes no notice of requests to end
_SCRIPT = """
trap '' TERM HUP INT
if [ -e hang ]; then
    echo $$ >> pids
    setsid sh -c 'trap "" TERM; echo $$ >> pids; sleep 600' &
    sh -c 'echo $$ >> pids; sleep 600; exit' &
    wait
fi
echo "{\\"loss\\": $1}"
"""


def objective(folder: Path) -> Command:
    """Return the program that is searched."""
    return command(folder, _SCRIPT, ("sh", "train.py", "{x}"), reporting=Reporting())


if __name__ == "__main__":
    search(objective(Path(sys.argv[1])), budget=6, resources=Resources(workers=2), max_retries=1)
