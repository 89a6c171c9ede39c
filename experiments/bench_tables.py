"""What do four commands make of a table that nobody has prepared, in two minutes on this machine?

    make bench-tables
    python -m experiments.bench_tables [diamonds storms ...] [--time 2m]

For each table: `hpsearch init FILE --target COLUMN`, `bayes --time 2m`, `export`, `predict`. `test`
is the figure of the model on the test rows, and `boosted` that of gradient boosting by scikit-learn
(HistGradientBoosting at its defaults) on the same columns and test rows, fitted to the rows that
train or validate. `constant` is what the constant prediction comes to. The
figures are accuracy or r2. `trials` is how many were trained, and `predict` the seconds that the
last command took for the whole file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from experiments.comparison import table
from experiments.real_tables import TABLES, write_tables
from hpsearch.config.spec import networks_of, parse
from hpsearch.data import Dataset
from hpsearch.data.baseline import baseline
from hpsearch.data.columns import UNSEEN
from hpsearch.data.prepare import prepare

_MOST_BINS = 255  # categories that gradient boosting tells apart
_HPSEARCH = (sys.executable, "-m", "hpsearch")


def main() -> None:
    """Print one line for each table."""
    names = {name.split("/")[1]: target for name, target in TABLES.items()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(names))
    parser.add_argument("--time", default="2m", help="of each search")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as made:
        write_tables(Path(made))
        for name in asked.tables or names:
            rows.append(_line(Path(made), name, names[name], asked.time))
            print(f"{name}: done", file=sys.stderr)
    head = ("table", "rows", "inputs", "trials", "constant", "test", "boosted", "predict")
    print(table([head, *rows]))


def _line(tables: Path, name: str, target: str, length: str) -> tuple[str, ...]:
    folder = tables / f"of-{name}"
    folder.mkdir()
    source = folder / f"{name}.csv"
    source.symlink_to(tables / source.name)
    _run(folder, "init", source.name, "--target", target)
    _run(folder, "bayes", "--time", length, "--study", "study", "-q")
    _run(folder, "export", "study", "-o", "model")
    start = time.perf_counter()
    _run(folder, "predict", "model", source.name, "-o", "predictions.csv")
    taken = time.perf_counter() - start
    board = json.loads(_run(folder, "leaderboard", "study", "--format", "json"))
    data = prepare(
        networks_of(parse((folder / "hpsearch.yaml").read_text(), "hpsearch.yaml", folder)).data
    )
    metric = "accuracy" if data.classes else "r2"
    tested = json.loads((folder / "model" / "model.json").read_text())["metrics"]["test"]
    return (
        name,
        f"{len(data.targets):,}",
        str(len(data.columns)),
        str(len(board["trials"])),
        f"{baseline(data, metric).metric:.3f}",
        f"{tested[metric]:.3f}",
        f"{_boosted(data):.3f}",
        f"{taken:.1f} s",
    )


def _run(folder: Path, *command: str) -> str:
    """Run a command of hpsearch and return what it prints."""
    words = [*_HPSEARCH, *command]
    return subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def _boosted(data: Dataset) -> float:
    """Return the accuracy or r2 of gradient boosting on the test rows."""
    fold = data.folds[0]
    inputs = np.array(data.inputs, dtype=np.float64)
    is_category = np.array([column.kind == "category" for column in data.columns])
    inputs[is_category & (inputs == UNSEEN)] = np.nan
    categories = is_category & (np.nanmax(inputs, axis=0) < _MOST_BINS)
    kind = HistGradientBoostingClassifier if data.classes else HistGradientBoostingRegressor
    model: Any = kind(categorical_features=categories, random_state=0)
    pool = np.concatenate([fold.train, fold.validation])
    model.fit(inputs[pool], data.targets[pool])
    return float(model.score(inputs[data.test], data.targets[data.test]))


if __name__ == "__main__":
    main()
