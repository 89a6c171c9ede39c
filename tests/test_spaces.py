"""A search is refused before anything runs, or it ends with a table: whatever space, data, options.

Spaces are random, with random conditions and constraints; data files have a few rows; options have
random values. Most of them are sound each by itself, and few go together.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner

from hpsearch.cli import cli
from tests.helpers.tally import Tallies

STRATEGIES = ("random", "grid", "bayes", "manual")
ALLOWED = {0, 1, 2, 4}
"""A winner, none, a refusal, or trials that crash one after the other."""

_RANGES: Mapping[str, tuple[Any, ...]] = {
    "width": (1, 2, 3, 5, 8, 13, 64),
    "depth": (1, 2, 3),
    "batch_size": (1, 2, 4, 7, 16, 50, 2000),
    "lr": (1e-6, 1e-3, 0.01, 0.1, 1.0, 1e3),
    "dropout": (0.0, 0.1, 0.25, 0.5, 0.99),
    "l1": (0.0, 1e-9, 1e-3, 0.1, 1.0),
    "l2": (0.0, 1e-6, 0.01, 1.0),
    "momentum": (0.0, 0.5, 0.9),
    "init_scale": (0.1, 1.0, 10.0),
    "clip_norm": (0.0, 0.5, 10.0),
}
_WORDS: Mapping[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "momentum", "adam", "SGD"),
    "activation": ("relu", "tanh", "sigmoid", "gelu"),
    "norm": ("none", "batch", "layer"),
    "schedule": ("constant", "cosine", "step"),
    "skip": ("none", "residual"),
}


def parameter(name: str, before: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a random entry of `parameters:`; it may depend on those before it."""
    if name in _WORDS:
        words = _WORDS[name] if rng.random() < 0.03 else [w for w in _WORDS[name] if w != "SGD"]
        found: dict[str, Any] = {"values": rng.sample(words, rng.randint(1, len(words)))}
    elif rng.random() < 0.3:
        found = {"values": rng.sample(_RANGES[name], rng.randint(1, 3))}
    else:
        low, high = sorted(rng.choices(_RANGES[name], k=2))
        found = {"min": low, "max": high}
        if rng.random() < 0.3 and (low > 0 or rng.random() < 0.05):
            found["log"] = True
        elif rng.random() < 0.1:
            found["step"] = rng.choice([high - low or 1, 1])
        if rng.random() < 0.2:
            found["points"] = rng.randint(1, 4)
        if rng.random() < 0.2:
            found["prior"] = low if rng.random() < 0.95 else rng.choice(_RANGES[name])
    if before and rng.random() < 0.25:
        parent = rng.choice([*before])
        found["when"] = {parent: value_of(parent, before[parent], rng)}
    return found


def value_of(name: str, entry: Mapping[str, Any], rng: random.Random) -> Any:
    """Return a value that a parameter takes, most of the times."""
    if rng.random() < 0.05:
        return rng.choice(_RANGES.get(name) or _WORDS[name])
    return rng.choice(entry.get("values") or [entry["min"], entry["max"]])


def constraint(parameters: Mapping[str, Any], rng: random.Random) -> str:
    """Return a random condition on some of the parameters."""
    numbers = [name for name in parameters if name in _RANGES]
    words = [name for name in parameters if name in _WORDS]
    if words and (not numbers or rng.random() < 0.3):
        word = rng.choice(words)
        value = value_of(word, parameters[word], rng)
        return rng.choice(
            [f"{word} == '{value}'", f"{word} != '{value}'", f"{word} in ['{value}']"]
        )
    if not numbers:
        return "1 < 2"
    one, other = rng.choice(numbers), rng.choice(numbers)
    value = value_of(one, parameters[one], rng)
    return rng.choice(
        [
            f"{one} <= {value}",
            f"{one} > {value}",
            f"{one} == {other}",
            f"{one} == {value}",
            f"{one} + {other} < {value}",
            f"{one} * {other} <= {value}",
            f"{one} % 3 == 1",
            f"abs({one} - {value}) < {rng.choice([1e-6, 0.01, 1])}",
            f"log({one}) < {rng.choice([-20, -1, 2])}",
            f"max({one}, {other}) < {value} or not {one} < {other}",
            f"{one} / {other} > {value}",
        ]
    )


def cell(kind: str, row: int, rng: random.Random) -> str:
    """Return a random cell of a column of some kind."""
    if rng.random() < 0.03:
        return rng.choice(["", "NA", "?", "strange", "1;2", 'a "b"', "\u00e9", "-", "1e400"])
    number = rng.choice([rng.gauss(0, 1), 0.0, 1e30, 1e-30, 3])
    return {
        "number": f"{number:g}",
        "gaps": rng.choice(["", f"{number:g}"]),
        "comma": f"{rng.gauss(0, 9):.2f}".replace(".", ","),
        "money": f"${rng.randint(1, 99_999):,}",
        "few": rng.choice(["red", "green", "blue", "line\nbreak"]),
        "many": f"text {rng.randint(0, 10**6)}",
        "date": f"{rng.randint(1999, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        "other date": f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{rng.randint(1999, 2026)}",
        "truth": rng.choice(["true", "false"]),
        "row": str(row),
        "same": "7",
    }[kind]


KINDS = ("number", "gaps", "comma", "money", "few", "many", "date", "other date", "truth", "row")


def table(target: str, rng: random.Random) -> str:
    """Return a table of a few rows of any columns; some have what no search can use."""
    rows, columns = rng.choice([1, 5, 8, 12, 12, 30, 30]), rng.randint(1, 4)
    plain = rng.random() < 0.4
    kinds = ["number" if plain else rng.choice([*KINDS, "same"]) for _ in range(columns)]
    lines = [[*(f"x{k}" for k in range(columns)), "y"]]
    for row in range(rows):
        cells = [cell(kind, row, rng) for kind in kinds]
        cells += {"class": ["ab"[row % 2]], "number": [f"{rng.gauss(0, 10):g}"], "odd": ["7"]}[
            target
        ]
        lines.append(cells)
    if rng.random() < 0.05:
        lines[-1] = rng.choice([[], ["nan" * columns], lines[0]])
    written = io.StringIO()
    csv.writer(written, delimiter="," if plain else rng.choice(",;\t|")).writerows(lines)
    return written.getvalue()


def options(strategy: str, rng: random.Random) -> list[str]:
    """Return random options of a command."""
    found = ["--runner", "inline", "--epochs", str(rng.choice([1, 1, 3]))]
    if rng.random() < 0.9:
        found += ["--budget", str(rng.choice([1, 2, 3, 5]))]
    more: list[list[str]] = [
        ["--seed", str(rng.choice([0, 7, 2**40]))],
        ["--set", f"search.wave={rng.choice([1, 2, 64])}"],
        ["--set", f"search.lag={rng.choice([0, 1, 3])}"],
        ["--set", f"search.seeds={rng.choice([1, 2])}"],
        ["--set", f"search.metric={rng.choice(['loss', 'accuracy', 'r2'])}"],
        ["--set", f"data.split.folds={rng.choice([2, 2, 3, 20])}"],
        ["--set", f"data.split.test={rng.choice([0, 0.2, 0.2, 0.9])}"],
        ["--set", f"data.missing={rng.choice(['impute', 'error'])}"],
        ["--set", f"data.scale={rng.choice(['standard', 'unit', 'none'])}"],
        ["--set", f"data.split.{rng.choice(['group', 'by'])}=x{rng.choice([0, 0, 3])}"],
        ["--set", f"data.columns={{x0: {rng.choice(['number', 'category', 'date', 'drop'])}}}"],
        ["--set", f"search.time_weight={rng.choice([0, 0.5])}"],
        ["--set", f"search.max_failures={rng.choice([1, 5])}"],
        ["--time", rng.choice(["1s", "2s", "0.2s"])],
    ]
    own = {
        "random": [["--halving"], ["--rounds", "2"], ["--confirm"]],
        "grid": [["--points", str(rng.choice([1, 2, 3]))], ["--all"]],
        "bayes": [["--halving"], ["--pareto"], ["--confirm"], ["--until-converged"]],
        "manual": [],
    }
    for group in rng.sample(more + own[strategy], rng.randint(0, 3)):
        found += group
    return found


def search(seed: int, folder: Path) -> list[str]:
    """Write the files of a random search into a folder, and return the command's arguments."""
    rng = random.Random(seed)
    target = rng.choices(["class", "number", "odd"], [50, 50, 3])[0]
    task = "classification" if target == "class" else "regression"
    spec: dict[str, Any] = {"data": {"source": "table.csv", "target": "y", "task": task}}
    parameters: dict[str, Any] = {}
    for name in rng.sample([*_RANGES, *_WORDS], rng.randint(0, 4)):
        if name != "momentum" or rng.random() < 0.05:
            parameters[name] = parameter(name, parameters, rng)
    if parameters:
        spec["parameters"] = parameters
        count = rng.choice([0, 0, 1, 1, 2])
        spec["constraints"] = [constraint(parameters, rng) for _ in range(count)]
    if parameters and rng.random() < 0.2:
        name = rng.choice([*parameters])
        spec["trials"] = [{name: value_of(name, parameters[name], rng)}]
    (folder / "table.csv").write_text(table(target, rng))
    (folder / "space.yaml").write_text(json.dumps(spec))  # which is YAML, too
    strategy = rng.choice(STRATEGIES)
    study = str(folder / "study")
    return [strategy, str(folder / "space.yaml"), "--study", study, *options(strategy, rng)]


def check(code: int, output: str, printed: str, folder: Path) -> None:
    """Check that a search was refused before anything ran, or has ended with a table."""
    assert code in ALLOWED, f"exit code {code}\n{output[-3000:]}"
    assert "Traceback" not in output
    assert "bug in hpsearch" not in output
    if code == 2:
        assert "error" in output.lower() or "usage" in output.lower(), output[-2000:]
        assert not (folder / "study" / "study.db").exists(), output[-2000:]
    else:
        assert any(title in printed for title in ("loss", "1 - ")), output[-2000:]


def check_predictions(folder: Path) -> None:
    """Check that the winner's model predicts the rows that it was searched for."""
    model, data = str(folder / "model"), str(folder / "table.csv")
    for command in (
        ["export", str(folder / "study"), "-o", model],
        ["predict", model, data, "-o", str(folder / "predictions.csv")],
    ):
        done = CliRunner().invoke(cli, command, standalone_mode=False)
        assert (done.exception, done.return_value) == (None, 0), f"{command}: {done.output}"
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert len(lines) > 1, lines


def tried(seed: int) -> int:
    """Run one random search in this process, and return its exit code."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        arguments = search(seed, folder)
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        code = done.return_value
        if done.exception is not None:
            code = getattr(done.exception, "exit_code", None)
            assert code is not None, (seed, arguments, done.exception)
        try:
            check(code, done.output, done.stdout, folder)
            if code == 0:
                check_predictions(folder)
        except AssertionError as error:
            text = (folder / "space.yaml").read_text()
            raise AssertionError(f"seed {seed}: {arguments}\n{text}\n{error}") from error
        return int(code)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_a_random_search_is_refused_or_ends_with_a_table(part: int) -> None:
    codes = [tried(seed) for seed in range(50 * part, 50 * part + 50)]
    assert {0, 2} <= set(codes)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(100))
def test_ten_thousand_random_searches_are_refused_or_end_with_a_table(
    part: int, tally: Tallies
) -> None:
    group = tally("spaces, data and options")
    for seed in range(1_000 + 98 * part, 1_000 + 98 * part + 98):
        with group.attempt():
            tried(seed)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(10))
def test_random_searches_end_so_as_processes(part: int, tmp_path: Path, tally: Tallies) -> None:
    group = tally("spaces, data and options")
    for seed in range(20_000 + 20 * part, 20_000 + 20 * part + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with group.attempt():
            done = subprocess.run(
                [sys.executable, "-m", "hpsearch", *search(seed, folder)],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                timeout=300,
            )
            group.tracebacks += "Traceback" in done.stderr
            check(done.returncode, done.stderr + done.stdout, done.stdout, folder)
