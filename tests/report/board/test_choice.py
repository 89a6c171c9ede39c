"""Who wins."""

from __future__ import annotations

import pytest

from hpsearch.report.board.choice import Candidate, chosen


def one(
    number: int, score: float, error: float | None, price: float, cost: float = 0.0
) -> Candidate:
    return Candidate(number, score, error, price, cost)


@pytest.mark.parametrize(
    ("candidates", "number"),
    [
        ([one(0, 0.5, None, 1.0), one(1, 0.4, None, 9.0)], 1),
        ([one(0, 0.44, 0.01, 1.0), one(1, 0.4, 0.05, 9.0)], 0),
        ([one(0, 0.46, 0.09, 1.0), one(1, 0.4, 0.05, 9.0)], 1),
        ([one(0, 0.4, 0.0, 1.0, 9.0), one(1, 0.4, 0.0, 9.0, 1.0)], 1),
        ([one(1, 0.4, None, 1.0), one(0, 0.4, None, 1.0)], 0),
        ([one(0, 0.42, 0.1, 2.0), one(1, 0.41, 0.1, 2.0), one(2, 0.4, 0.1, 9.0)], 1),
    ],
    ids=[
        "the best",
        "the cheapest near it",
        "not one that is farther",
        "of equals the one that costs less",
        "of equals the earlier",
        "of equally cheap ones the better",
    ],
)
def test_the_cheapest_within_one_standard_error_of_the_best_wins(
    candidates: list[Candidate], number: int
) -> None:
    assert chosen(candidates).number == number
