"""Write a study as a table to learn from: a row for each trial, with its place and its score.

    hpsearch random experiments/digits.yaml --budget 150 --study runs/seen
    python -m experiments.surrogate_table runs/seen experiments/surrogate.csv
    hpsearch bayes experiments/tune_surrogate.yaml

The columns are the inputs of the networks of hpsearch/strategies/ann.py, not divided by length
scales: coordinates from -1 to 1, and their squares.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from hpsearch.search.plan import Plan
from hpsearch.strategies.surrogates import scores
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read


def rows(study: StudyRecord) -> list[list[float]]:
    """Return coordinates, squares and score of each trial, in the order of their losses."""
    space = Plan.of_study(study.meta).objective.space
    z = 2.0 * np.array([space.encode(trial.params) for trial, _ in study.history.done]) - 1.0
    y = scores([result.loss for _, result in study.history.done])
    found: list[list[float]] = np.column_stack([z, z**2 - 0.5, y]).tolist()
    return found


def write(study: StudyRecord, path: Path) -> None:
    """Write the table as a CSV file."""
    table = rows(study)
    names = [f"{kind}{k}" for kind in ("z", "square") for k in range((len(table[0]) - 1) // 2)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*names, "score"], *table])


if __name__ == "__main__":
    write(read(Path(sys.argv[1])), Path(sys.argv[2]))
