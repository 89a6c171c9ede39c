"""Eight who start at once, one who writes, many who read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hpsearch.errors import EXIT_IN_USE
from hpsearch.study.folder import FILE
from hpsearch.study.store import read
from tests.helpers.studies import create
from tests.helpers.tally import Tallies

ROOT = Path(__file__).parent.parent.parent
_STARTERS = 8

# Takes a study for each line that comes in, or says why not, and lets it go with the next line.
STARTER = """
import sys
from pathlib import Path
from hpsearch.errors import HpsearchError
from hpsearch.study.folder import FILE
from hpsearch.study.store import Store
from tests.helpers.studies import create
print("ready", flush=True)
for line in sys.stdin:
    folder = Path(line.strip())
    store = None
    try:
        store = Store.open(folder) if (folder / FILE).exists() else create(folder)
        print("runs", flush=True)
    except HpsearchError as error:
        print(error.exit_code, error.problems[0].message, flush=True)
    sys.stdin.readline()
    if store:
        store.close()
    print("gone", flush=True)
"""

# Opens a study, adds to it, closes it, and so on, until its input ends.
WRITER = """
import sys, threading
from pathlib import Path
from hpsearch.study.store import Store
from hpsearch.study.trial import Trial
from tests.helpers.histories import done
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    with Store.open(Path(sys.argv[1])) as store:
        for _ in range(5):
            number = len(store.study().history)
            store.record_wave([Trial(number, {"x": number}, "", number, number)])
            store.record_results({number: done(float(number))})
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.fixture
def starters() -> Iterator[Sequence[subprocess.Popen[str]]]:
    processes = [python(STARTER) for _ in range(_STARTERS)]
    try:
        assert [said(process) for process in processes] == ["ready"] * _STARTERS
        yield processes
    finally:
        for process in processes:
            assert process.stdin
            process.stdin.close()
            process.wait()
            assert process.stdout
            process.stdout.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: object) -> None:
    assert process.stdin
    print(line, file=process.stdin, flush=True)


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.faults)])
@pytest.mark.parametrize("is_there", [False, True], ids=["a new study", "one that is there"])
def test_of_eight_that_start_at_once_one_runs(
    tmp_path: Path,
    starters: Sequence[subprocess.Popen[str]],
    is_there: bool,
    rounds: int,
    tally: Tallies,
) -> None:
    for round in range(rounds):
        folder = tmp_path / str(round)
        if is_there:
            create(folder).close()
        with tally("starts").attempt():
            for process in starters:
                tell(process, folder)
            answers = [said(process) for process in starters]
            (holder,) = [
                process
                for process, answer in zip(starters, answers, strict=True)
                if answer == "runs"
            ]
            others = [answer for answer in answers if answer != "runs"]
            assert all(
                answer.startswith(f"{EXIT_IN_USE} the study {folder} is in use by process")
                for answer in others
            )
            assert f"{holder.pid} on {os.uname().nodename}" in (folder / "study.lock").read_text()
            for process in starters:
                tell(process, "let it go")
            assert [said(process) for process in starters] == ["gone"] * _STARTERS
            assert (folder / FILE).exists()
            assert read(folder).meta.name == "digits-random"


@pytest.mark.parametrize("reads", [30, pytest.param(200, marks=pytest.mark.faults)])
def test_who_reads_while_a_study_is_written_opened_and_closed_never_fails(
    tmp_path: Path, reads: int, tally: Tallies
) -> None:
    folder, seen = tmp_path / "study", 0
    create(folder).close()
    writer = python(WRITER, str(folder))
    try:
        number = 0
        while number < reads or not seen:
            with tally("reads").attempt():
                history = read(folder).history
                assert len(history) >= seen
                assert all(result.loss == number for number, result in history.results.items())  # type: ignore[union-attr]
                seen, number = len(history), number + 1
    finally:
        assert writer.stdin
        writer.stdin.close()
        assert writer.wait() == 0
        assert writer.stdout
        writer.stdout.close()
