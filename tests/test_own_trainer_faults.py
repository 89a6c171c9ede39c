"""Searches over a program of one's own: what they find, and that kills change and leave nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from hpsearch.objectives.trainers import LOG
from hpsearch.study.folder import trial_folder
from hpsearch.study.store import read
from tests.helpers.commands import AS_MODULE, ended
from tests.helpers.faulty import TIMEOUT, Undertaking
from tests.helpers.processes import descendants
from tests.helpers.tally import Tallies, Tally

BRANIN = """
import argparse, json, math

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, required=True)
parser.add_argument("--y", type=float, required=True)
args = parser.parse_args()
bent = args.y - 5.1 / (4 * math.pi**2) * args.x**2 + 5 / math.pi * args.x - 6
loss = bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(args.x) + 10
print(json.dumps({"loss": loss}))
"""
LOWEST, HIGHEST = 0.397887, 308.129096  # of Branin's function in its box
BOX = "parameters:\n  x: {min: -5.0, max: 10.0}\n  y: {min: 0.0, max: 15.0}\n"

EPOCHS = """
import json, os, sys, time

x = float(sys.argv[1].partition("=")[2])
path = os.path.join(os.environ["HPSEARCH_TRIAL_FOLDER"], "state")
done = os.path.getsize(path) if os.path.exists(path) else 0
for epoch in range(done + 1, 28):
    with open(path, "a") as file:
        file.write("x")
    print(json.dumps({"epoch": epoch, "loss": (x - 0.3) ** 2 + 1 / epoch}), flush=True)
    time.sleep(0.01)
"""
PROGRAM = (sys.executable, "-S", "train.py", "{args}")


def own(folder: Path, program: str, *lines: str) -> None:
    """Write a program, and the space that it is searched over."""
    (folder / "train.py").write_text(program)
    (folder / "space.yaml").write_text("\n".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_an_unchanged_argparse_script_is_searched_to_one_percent(tmp_path: Path, seed: int) -> None:
    own(tmp_path, BRANIN, BOX)
    given = ("bayes", "space.yaml", "--budget", "50", "--seed", str(seed), "--json", "--quiet")
    done = ended(tmp_path, *AS_MODULE, *given, "--", *PROGRAM)
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    assert len(trials) <= 50
    best = min(one["loss"] for one in trials if one["loss"] is not None)
    assert (best - LOWEST) / (HIGHEST - LOWEST) <= 0.01


@pytest.mark.slow
def test_halving_counts_the_epochs_of_a_program_and_prunes_most(tmp_path: Path) -> None:
    space = "parameters:\n  x: {min: 0.0, max: 1.0}\n"
    own(tmp_path, EPOCHS, space, "epochs: 27")
    given = ("random", "space.yaml", "--budget", "6", "--halving", "--study", "study", "--workers")
    done = ended(tmp_path, *AS_MODULE, *given, "2", "--", *PROGRAM)
    assert done.returncode == 0, done.stderr
    history = read(tmp_path / "study").history
    budget = history.epochs(27)
    assert budget <= 6 * 27
    runs = {trial.run for trial in history.trials}
    assert len(runs) > 12
    logged = {run: (trial_folder(tmp_path / "study", run) / LOG).read_text() for run in runs}
    reported = sum(text.count('"epoch"') for text in logged.values())
    # a program that is stopped may have begun another epoch by then
    segments = len(history.trials)
    assert budget <= reported <= budget + 2 * segments
    whole = [run for run, text in logged.items() if '"epoch": 27' in text]
    assert 0 < len(whole) < len(runs) / 2


def begun(folder: Path, tally: Tally) -> Undertaking:
    """Return a search over the program, which takes its time, that has not run yet."""
    search = Undertaking(folder, tally, "bayes", "space.yaml", "--budget", "16", "--workers", "2")
    command = f"command: {json.dumps(PROGRAM)}"
    # kills are to cost nothing, however often they hit the same trial
    own(
        folder, f"{BRANIN}import time; time.sleep(0.1)\n", command, BOX, "search: {max_retries: 50}"
    )
    return search


def disturbed(search: Undertaking, kills: int, rng: random.Random) -> int:
    """Run a search to its end and kill its processes on the way; return how many were killed.

    Half of the kills are for the coordinator, with which all must end; the others are for workers,
    what they are forked from, and what they run.
    """
    done, process = 0, search.start()
    while process.poll() is None and done < kills:
        time.sleep(rng.uniform(0.05, 0.7))
        below = sorted(descendants(process.pid))
        victim = process.pid if rng.random() < 0.5 or not below else rng.choice(below)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
        done += 1
        search.tally.tried += 1
        if victim == process.pid:
            process.wait(TIMEOUT)
            search.check()
            process = search.start()
    assert process.wait(TIMEOUT) == 0, search.stderr()
    search.check()
    return done


@pytest.mark.slow
def test_twenty_kills_of_any_process_change_nothing_and_leave_nothing(
    tmp_path: Path, tally: Tallies
) -> None:
    calm = begun(tmp_path / "calm", Tally())
    calm.finish()
    rng, kills, counts = random.Random(0), 20, tally("kill -9, own trainers")
    for round in range(20):
        search = begun(tmp_path / str(round), counts)
        done = disturbed(search, kills, rng)
        assert search.trace().result == calm.trace().result
        counts.survived += done
        kills -= done
        if kills <= 0:
            break
    assert kills <= 0
