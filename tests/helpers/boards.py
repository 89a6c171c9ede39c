"""Small studies of every kind, and the lines by which two runs of one are compared.

`python -m tests.helpers.boards CHECKOUT` runs them with the hpsearch in that checkout and writes
what they come to into `tests/golden/boards`, with the kind of processor that it was made on.
Results change on purpose alone, and `SEMANTICS` rises with them; the files are of the commit that
changed them last. On another kind of processor that commit makes them anew:

    git worktree add ../before $(git log -1 --format=%h -- tests/golden/boards)
    .venv/bin/python -m tests.helpers.boards ../before
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hpsearch.engine.device import processor
from hpsearch.study.store import read
from hpsearch.study.trial import Done, Failed, Trial

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "boards"

_DIGITS = """
data: {source: digits}
train: {epochs: 3}
parameters:
  lr:        {min: 1e-4, max: 1e-1, log: true, points: 2}
  width:     {min: 16, max: 96, log: true, points: 2}
  depth:     {values: [1, 2]}
  optimizer: {values: [momentum, rmsprop, adam]}
  momentum:  {min: 0.5, max: 0.99, when: {optimizer: momentum}, points: 1}
  dropout:   {min: 0.0, max: 0.5, points: 1}
constraints: ["width * depth <= 160"]
trials: [{lr: 0.01, width: 64, depth: 2, optimizer: adam, dropout: 0.2}]
"""
_WINE = """
data: {source: wine, split: {validation: 0.3, test: 0.2}}
train: {epochs: 12, batch_size: 16, patience: 4}
parameters:
  lr:         {min: 1e-4, max: 1.0, log: true, prior: 0.01}
  width:      {min: 4, max: 64, log: true}
  activation: {values: [relu, leaky_relu, prelu, tanh, sigmoid, gelu]}
  norm:       {values: [none, batch, layer]}
  init:       {values: [fan_normal, orthogonal]}
  l1:         {min: 1e-6, max: 1e-2, log: true}
  l2:         {min: 1e-6, max: 1e-1, log: true}
"""
_FOLDS = """
data: {source: wine, split: {folds: 3, test: 0.2}}
train: {epochs: 8, batch_size: 16, patience: 0, schedule: cosine}
parameters:
  lr:        {min: 1e-3, max: 1e-1, log: true}
  dropout:   {min: 0.0, max: 0.5}
  optimizer: {values: [sgd, nesterov, adagrad, adamw]}
search: {seeds: 2}
"""
_REGRESSION = """
data: {source: diabetes}
train: {epochs: 20, patience: 5}
parameters:
  lr:          {min: 1e-4, max: 1e-1, log: true}
  depth:       {values: [2, 3]}
  skip:        {values: [none, residual, highway]}
  dropconnect: {min: 0.0, max: 0.3}
  clip_norm:   {values: [0.0, 1.0]}
  pretrain:    {values: [none, layerwise]}
search: {metric: r2, time_weight: 0.05}
"""
_RNN = """
data: {source: digits}
train:
  {model: rnn, epochs: 2, activation: tanh, clip_norm: 1.0, init: identity, init_constraint: 0.01}
parameters:
  lr:    {min: 1e-3, max: 1e-2, log: true}
  cell:  {values: [elman, gru, lstm]}
  width: {values: [12, 24]}
"""
_RESNET = """
data: {source: digits}
train: {model: resnet, epochs: 2, patience: 0, warmup: 1}
parameters:
  lr:       {min: 1e-3, max: 1e-2, log: true}
  channels: {values: [4, 6]}
  norm:     {values: [none, batch]}
"""
_BAYESIAN = """
data: {source: wine}
train: {epochs: 10, batch_size: 32}
parameters:
  lr:       {min: 1e-3, max: 1e-1, log: true}
  bayesian: {values: [none, variational, mc_dropout, laplace]}
  width:    {values: [8, 16]}
"""
_MINIMIZE = """
import json, math
import hpsearch

def bowl(params):
    if params["x"] > 0.95:
        raise ValueError("out of reach")
    kind = 0.1 if params["kind"] == "a" else 0.0
    loss = (params["x"] - 0.3) ** 2 + kind + params.get("y", 0.0) ** 2
    return (loss, 1.0 + 4.0 * params["x"]) if TIME else loss

space = {
    "x": {"min": 0.0, "max": 1.0},
    "kind": {"values": ["a", "b"]},
    "y": {"min": -1.0, "max": 1.0, "when": {"kind": "b"}},
    "n": {"min": 1, "max": 9},
}
found = hpsearch.minimize(bowl, space, STRATEGY, BUDGET, 3, constraints=["x + n <= 9"], **MORE)
for one in found.trials:
    loss = float(one.loss).hex() if one.loss == one.loss else "failed"
    print(json.dumps(one.params, sort_keys=True), loss)
print("best", json.dumps(found.best.params, sort_keys=True), found.best.loss.hex())
"""


@dataclass(frozen=True, slots=True)
class Board:
    """A study to run: by the command line from a YAML, or by a script where `command` is empty."""

    text: str
    command: tuple[str, ...] = ()


def _minimize(strategy: str, budget: int, timed: bool = False, **more: object) -> Board:
    values = {
        "STRATEGY": repr(strategy),
        "BUDGET": str(budget),
        "TIME": str(timed),
        "MORE": repr(more),
    }
    script = _MINIMIZE
    for name, value in values.items():
        script = script.replace(name, value)
    return Board(script)


BOARDS: Mapping[str, Board] = {
    "manual": Board(_DIGITS, ("manual",)),
    "manual-presets": Board("data: {source: digits}\ntrain: {epochs: 2}\n", ("manual",)),
    "grid": Board(_DIGITS, ("grid",)),
    "random": Board(_DIGITS, ("random", "--budget", "14")),
    "guided": Board(_WINE, ("random", "--budget", "18", "--rounds", "3")),
    "bayes": Board(_WINE, ("bayes", "--budget", "24")),
    "bayes-ann": Board(_WINE, ("bayes", "--budget", "14", "--surrogate", "ann")),
    "bayes-pareto": Board(_WINE, ("bayes", "--budget", "14", "--pareto")),
    "bayes-confirm": Board(_DIGITS, ("bayes", "--budget", "26", "--confirm")),
    "random-halving": Board(
        _WINE, ("random", "--budget", "7", "--halving", "--set", "schedule=step")
    ),
    "bayes-halving": Board(
        _DIGITS, ("bayes", "--budget", "9", "--halving", "--confirm", "--epochs", "9")
    ),
    "folds-seeds": Board(_FOLDS, ("random", "--budget", "6")),
    "folds-confirm": Board(_FOLDS, ("random", "--budget", "12", "--confirm", "--seeds", "1")),
    "regression": Board(_REGRESSION, ("bayes", "--budget", "14")),
    "rnn": Board(_RNN, ("random", "--budget", "6")),
    "resnet": Board(_RESNET, ("random", "--budget", "5")),
    "bayesian-nets": Board(_BAYESIAN, ("bayes", "--budget", "12")),
    "minimize-bayes": _minimize("bayes", 45),
    "minimize-time": _minimize("bayes", 40, timed=True, time=60.0),
    "minimize-random": _minimize("random", 12, rounds=3),
    "minimize-grid": _minimize("grid", 12, points=3),
}
NO_LOSS = (
    "manual",
    "manual-presets",
    "grid",
    "random",
    "folds-seeds",
    "rnn",
    "resnet",
    "minimize-grid",
)
"""The boards whose params rest on no loss, and are the same on every processor."""


def kind() -> str:
    """Return what losses rest on beside the code: the processor and the versions that compute."""
    versions = [
        f"{module.__name__} {module.__version__}"
        for module in (torch, __import__("numpy"), __import__("scipy"))
    ]
    return ", ".join([processor("cpu"), *versions])


def lines(name: str, folder: Path, path: Path = ROOT) -> list[str]:
    """Run one of the boards in an empty folder, with the hpsearch at `path`.

    Return what it came to, a trial a line.
    """
    board = BOARDS[name]
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    if board.command:
        (folder / "space.yaml").write_text(board.text)
        strategy, *flags = board.command
        given = [
            "-m",
            "hpsearch",
            strategy,
            "space.yaml",
            *flags,
            "--study",
            "study",
            "--quiet",
            "--device",
            "cpu",
        ]
    else:
        given = ["-c", board.text]
    done = subprocess.run(
        [sys.executable, *given],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr}")
    return study_lines(folder / "study") if board.command else done.stdout.splitlines()


def study_lines(folder: Path) -> list[str]:
    """Return all that is promised of a study's trials, a line each, losses to the last bit."""
    history = read(folder).history
    return [_line(trial, history.results.get(trial.number)) for trial in history.trials]


def _line(trial: Trial, result: Done | Failed | None) -> str:
    asked = [
        trial.number,
        trial.parent,
        trial.replicate,
        trial.start_epoch,
        trial.until_epoch,
        trial.seed_group,
        trial.wave,
        trial.cohort,
    ]
    params = json.dumps(dict(trial.params), sort_keys=True)
    if isinstance(result, Done):
        error = None if result.loss_se is None else result.loss_se.hex()
        state = "paused" if result.paused else "done"
        facts = [
            state,
            result.epochs,
            result.best_epoch,
            result.loss.hex(),
            error,
            result.flops.hex(),
            result.steps,
        ]
    else:
        facts = ["pending"] if result is None else ["failed", result.reason]
    return " ".join(map(str, [*asked, params, *facts]))


def without_losses(found: Sequence[str]) -> list[str]:
    """Return the lines less what rests on losses.

    What is left is who was asked for what, with whom, and at which cost.
    """
    kept = []
    for line in found:
        head, brace, rest = line.partition("}")
        facts = rest.split()
        kept.append(" ".join([head + brace, *(facts[-2:] if facts[:1] == ["done"] else [])]))
    return kept


def main(checkout: str, *names: str) -> None:
    """Write the golden files of these boards, or of all, anew."""

    def one(name: str) -> None:
        with TemporaryDirectory() as folder:
            found = lines(name, Path(folder), Path(checkout).resolve())
        (GOLDEN / f"{name}.txt").write_text("\n".join(found) + "\n", encoding="utf-8")
        print(name, len(found), flush=True)

    GOLDEN.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, names or BOARDS))
    (GOLDEN / "KIND").write_text(kind() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
