"""Read the trials of a study into a data frame, or into dictionaries where there is no pandas.

    hpsearch random examples/search.yaml --study runs/example
    python examples/study_to_dataframe.py runs/example

The second command prints the best five trials, here with pandas:

     number     loss loss_se  accuracy ...
          4 0.156793    None  0.955432 ...
          5 0.164071    None  0.938719 ...
          8 0.185381    None  0.922006 ...
          9 0.266355    None  0.922006 ...
          3 0.358672    None  0.919220 ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read
from hpsearch.study.sums import merge_repeats
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
        print(pd.DataFrame(best).to_string(index=False))
    else:
        print(*best, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
