"""Read the trials of a study into a data frame, or into dictionaries where there is no pandas.

    hpsearch random examples/search.yaml --study runs/example
    python examples/study_to_dataframe.py runs/example

The second command prints the best five trials, here without pandas:

    {'number': 4, 'loss': 0.1567926664594304, 'loss_se': None, 'accuracy': 0.9554317548746518, ...
    {'number': 5, 'loss': 0.16407138325045597, 'loss_se': None, 'accuracy': 0.9387186629526463, ...
    {'number': 8, 'loss': 0.18538147227677812, 'loss_se': None, 'accuracy': 0.9220055710306406, ...
    {'number': 9, 'loss': 0.266354616638013, 'loss_se': None, 'accuracy': 0.9220055710306406, ...
    {'number': 3, 'loss': 0.3586716080774504, 'loss_se': None, 'accuracy': 0.9192200557103064, ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpsearch.study.history import merge_repeats
from hpsearch.study.store import StudyRecord, read
from hpsearch.study.trial import Done

try:
    import pandas as pd  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError:  # the rows are dictionaries either way
    pd = None

_SHOWN = 5


def rows(study: StudyRecord) -> Iterator[Mapping[str, Any]]:
    """Give the number, settings and figures of each trial that has a loss.

    A repeated trial has the means of its runs.
    """
    history, minimized = study.history, study.meta.minimized  # loss, or such as 1 - auc
    for number, runs in history.runs.items():
        result = merge_repeats(runs, history.ended)
        if isinstance(result, Done):
            yield {
                "number": number,
                minimized: result.loss,
                f"{minimized}_se": result.loss_se,
                study.meta.metric or "metric": result.metric,
                "seconds": result.seconds,
                "cost": result.cost,
                "epochs": result.epochs,
                "origin": runs[0].origin,
                **runs[0].params,
            }


def main(folder: str) -> None:
    """Print the best trials of a study."""
    study = read(Path(folder))
    best = sorted(rows(study), key=lambda row: float(row[study.meta.minimized]))[:_SHOWN]
    if pd is not None:
        print(pd.DataFrame(best).set_index("number").to_string())
    else:
        print(*best, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
