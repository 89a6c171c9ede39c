"""A study of twelve trials with learning curves, one of them run twice."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from random import Random

from hpsearch.config.spec import networks_of, parse
from hpsearch.space.space import Params
from hpsearch.study.history import History
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Epoch, Failed, Result, Trial
from tests.helpers.histories import done, loss_of
from tests.helpers.studies import META

CONFIG = """
data: {source: digits}
train: {epochs: 12}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  width: {min: 8, max: 64}
  optimizer: {values: [momentum, adam]}
  momentum: {min: 0.5, max: 0.99}
"""
SPEC = networks_of(parse(CONFIG, "search.yaml", Path()))


def curve(number: int, *losses: float) -> tuple[Epoch, ...]:
    """Return the epochs of a trial that had these losses."""
    return tuple(
        Epoch(number, at, loss / 2, loss, 1 - loss / 4) for at, loss in enumerate(losses, 1)
    )


def points(trials: int) -> list[Params]:
    """Return so many points of the space, always the same ones."""
    rng = Random(0)
    return [SPEC.space.sample(rng) for _ in range(trials)]


def study(trials: int = 12) -> StudyRecord:
    """Return the study.

    Trial 1 has diverged. Trial 2 is the best by its first run; it was run again, as trial `trials`,
    with a higher loss. Trial 3 was asked for by a model.
    """
    results: dict[int, Result] = {
        number: replace(
            done(0.2 + loss_of(SPEC.space, params), flops=1e9 * (1 + number)),
            curve=curve(number, 2.0, 0.5, 0.4),
        )
        for number, params in enumerate(points(trials))
    }
    results[1] = Failed("diverged", "at once", 0.1, curve(1, math.nan))
    results[2] = replace(done(0.1), curve=curve(2, 2.0, 0.3, math.nan, 0.1))
    results[trials] = replace(done(0.14), curve=curve(2, 2.0, 0.2))
    asked = [
        Trial(n, p, f"reason {n}", n // 4, n, origin="random" if n else "default")
        for n, p in enumerate(points(trials))
    ]
    asked[3] = replace(
        asked[3],
        reason="expected improvement 0.1 (3 trials)",
        expected_improvement=0.25,
        origin="model",
    )
    asked.append(
        replace(
            asked[2],
            number=trials,
            reason="confirm, round 1 of 1",
            wave=9,
            cohort=9,
            parent=2,
            replicate=1,
            origin="repeat",
        )
    )
    return StudyRecord(replace(META, config=CONFIG), History(tuple(asked), results), (), ())


STUDY = study()
