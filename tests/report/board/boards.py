"""A study of five trials, for tests of the board: three done, one failed, one pending."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.report.board.view import board
from hpsearch.space.space import Params
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.record import Session, StudyRecord, TestEvaluation
from hpsearch.study.trial import Done, Epoch, Failed, Result, Trial
from tests.helpers.studies import META

POINTS: list[Params] = [
    {"lr": 0.001, "width": 64, "optimizer": "adam", "skip": False},
    {"lr": 0.02, "width": 8, "optimizer": "sgd", "skip": True},
    {"lr": 0.0003, "width": 128, "optimizer": "momentum", "momentum": 0.9, "skip": False},
    {"lr": 0.1, "width": 16, "optimizer": "adam", "skip": False},
    {"lr": 0.01, "width": 32, "optimizer": "adam", "skip": False},
]
DIVERGED = Failed(
    "diverged", "training loss 9.12e+03 after epoch 1", 0.1, (Epoch(3, 1, 9e3, 9e3, 0.1),)
)
RESULTS: dict[int, Result] = {
    0: Done(0.25, 0.90, 2.0, 2e9, 100, 10, 7),
    1: Done(0.50, 0.80, 0.5, 1e8, 100, 10, 3),
    2: Done(0.0924, 0.975, 12.5, 9e9, 100, 10, 9),
    3: DIVERGED,
}


def study(
    points: Sequence[Params] = POINTS,
    results: dict[int, Result] | None = None,
    evaluations: tuple[TestEvaluation, ...] = (),
    meta: StudyMeta = META,
) -> StudyRecord:
    """Return a study of these points, the first of which is the default one."""
    trials = tuple(
        Trial(n, params, f"reason {n}", n, n, origin="random" if n else "default")
        for n, params in enumerate(points)
    )
    history = History(trials, RESULTS if results is None else results)
    return StudyRecord(meta, history, evaluations, (Session(3.0, 0),))


BOARD = board(study(evaluations=(TestEvaluation(2, 0.1, 0.97),)))
