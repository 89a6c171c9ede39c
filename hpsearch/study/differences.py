"""What differs, to the last bit, between a result that a study keeps and another training's.

Seconds are left out, since no training takes the same time twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan

from hpsearch.study.trial import WEIGHTS, Done, Result

Fact = float | str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of a trial that is not what it was; None stands for one that is not there.

    >>> print(Difference(3, "loss", 0.25, 0.5))
    trial 3, loss: 0.25 in the study, 0.5 here (by 0.25)
    """

    trial: int
    figure: str
    study: Fact
    here: Fact

    def __str__(self) -> str:
        by = ""
        if isinstance(self.study, float | int) and isinstance(self.here, float | int):
            by = f" (by {abs(self.here - self.study):.2g})"
        study, here = ("none" if one is None else one for one in (self.study, self.here))
        return f"trial {self.trial}, {self.figure}: {study} in the study, {here} here{by}"


def differences(
    number: int, study: Result, here: Result, with_weights: bool = True
) -> tuple[Difference, ...]:
    """Return what differs between the result that a study keeps and that of another training.

    Args:
        number: the trial's.
        study: what the study keeps.
        here: what the same trial has come to now.
        with_weights: whether the digests of the weights count. The file of the weights says by
            which versions it was computed, so that across these its digest is another one.
    """
    before, now = dict(_facts(study)), dict(_facts(here))
    names = [name for name in {**before, **now} if with_weights or name != WEIGHTS]
    return tuple(
        Difference(number, name, before.get(name), now.get(name))
        for name in names
        if _bits(before.get(name)) != _bits(now.get(name))
    )


def _facts(result: Result) -> Iterator[tuple[str, Fact]]:
    """Give all that another training of the same trial gives again, by names for people."""
    if isinstance(result, Done):
        yield "state", "paused" if result.paused else "done"
        for name in ("loss", "loss_se", "metric", "flops", "steps", "epochs", "best_epoch"):
            yield name, getattr(result, name)
        for one in result.replicates:
            for name in ("loss", "metric", "best_epoch"):
                yield f"replicate {one.replicate}, fold {one.fold}: {name}", getattr(one, name)
        yield from sorted(result.artefacts.items())
    else:
        yield "state", result.reason
    for at in result.curve:
        for name in ("train_loss", "loss", "metric"):
            yield f"epoch {at.epoch}: {name}", getattr(at, name)


def _bits(fact: Fact) -> object:
    """Return what tells two facts apart; a study does not tell infinite figures from NaN."""
    if not isinstance(fact, float):
        return fact
    return (fact if isfinite(fact) else nan).hex()
