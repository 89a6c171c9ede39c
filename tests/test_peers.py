"""The same kills for Optuna: what becomes of its trials is counted, in a group of its own."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.faulty import TIMEOUT, killed_again_and_again
from tests.helpers.tally import Tallies, Tally

_ROOT = Path(__file__).parents[1]
_KILLS = 100
_TRIALS = 60
_STALE = 3  # seconds after which Optuna takes a trial without a heartbeat for dead, and one more
_COMPLETE = "SELECT number FROM trials WHERE state = 'COMPLETE'"
_RUNNING = "SELECT number FROM trials WHERE state = 'RUNNING'"
_POINTS = """
SELECT group_concat(param_name || param_value) FROM
(SELECT number, param_name, param_value FROM trials JOIN trial_params USING (trial_id)
 WHERE state = 'COMPLETE' ORDER BY number, param_name) GROUP BY number"""


class Optunas:
    """A study of Optuna's, as in experiments/peers/killed_optuna.py."""

    def __init__(self, folder: Path, tally: Tally, kind: str) -> None:
        self.folder, self.tally, self.kind = folder, tally, kind
        folder.mkdir()

    def start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "experiments.peers.killed_optuna",
            str(self.folder),
            self.kind,
        ]
        with (self.folder / "stderr").open("ab") as stderr:
            return subprocess.Popen(
                command, cwd=_ROOT, stderr=stderr, env={**os.environ, "PYTHONPATH": str(_ROOT)}
            )

    def results(self) -> int:
        return len(self.said())

    def is_over(self) -> bool:
        return self.results() >= _TRIALS

    def audit(self) -> None:
        self.tally.tried += 1

    def said(self) -> list[int]:
        path = self.folder / "said"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def told(self, question: str) -> list[object]:
        with closing(
            sqlite3.connect(f"file:{self.folder / 'study.db'}?mode=ro", uri=True)
        ) as connection:
            return [row[0] for row in connection.execute(question)]

    def check(self) -> None:
        """Count what is lost, stuck or there twice in the end."""
        if self.kind == "heartbeat":  # the trial of the last kill, too, may be found
            time.sleep(_STALE)
            assert self.start().wait(TIMEOUT) == 0
        complete, points = set(self.told(_COMPLETE)), Counter(self.told(_POINTS))
        self.tally.lost += len(set(self.said()) - complete)
        self.tally.stuck += len(self.told(_RUNNING))
        self.tally.duplicates += sum(times - 1 for times in points.values())
        self.tally.tracebacks += (self.folder / "stderr").read_text().count("Traceback")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("kind", "name"), [("plain", "kill -9"), ("heartbeat", "heartbeat and retry")]
)
def test_what_a_hundred_kills_do_to_optuna_is_counted(
    tmp_path: Path, kind: str, name: str, tally: Tallies
) -> None:
    """A kill is survived where the points are in the end those of a study that nobody disturbed."""
    pytest.importorskip("optuna", reason="the extra bench is not installed")
    group, rng, left = tally(f"Optuna, {name}"), random.Random(3), _KILLS
    calm, again = (Optunas(tmp_path / name, Tally(), kind) for name in ("calm", "again"))
    assert [one.start().wait(TIMEOUT) for one in (calm, again)] == [0, 0]
    assert calm.told(_POINTS) == again.told(_POINTS)  # undisturbed it repeats itself
    while left:
        study = Optunas(tmp_path / str(left), group, kind)
        done = killed_again_and_again(study, min(8, left), rng, pause=0.4)
        group.survived += done * (Counter(study.told(_POINTS)) == Counter(calm.told(_POINTS)))
        left -= done
    assert group.tried == _KILLS
