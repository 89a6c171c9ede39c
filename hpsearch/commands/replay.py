"""`replay`: train a trial again as it was trained, and say whether it comes to the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from json import dumps
from math import isfinite
from typing import Any

from hpsearch import output
from hpsearch.commands.again import described, reopened
from hpsearch.commands.studies import picked
from hpsearch.errors import EXIT_CONFIG_DIFFERS, EXIT_DIFFERS, EXIT_OK, Problem, SpecError
from hpsearch.study.differences import Difference, Fact
from hpsearch.study.history import History
from hpsearch.study.trial import Failed

_EXITS = {"same": EXIT_OK, "differs": EXIT_DIFFERS, "cannot be expected here": EXIT_CONFIG_DIFFERS}


def replay(
    *,
    study: str | None,
    number: int | None,
    data: str | None,
    json: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Train the winner again, or trial `number`, and compare; return the exit code."""
    _, kept, number = picked(study, number, "E196")
    runs = _runs(kept.history, number)
    with reopened(kept, "replay", data, quiet, no_color) as again:
        _, differing = again.train(runs)
        others = again.others
    outcome = "same"
    if differing:
        outcome = "cannot be expected here" if others else "differs"
    if json:
        facts: dict[str, Any] = {"study": kept.meta.name, "trial": number, "outcome": outcome}
        facts["others"] = others
        facts["differences"] = [*map(_record, differing)]
        output.emit(dumps(facts, indent=2, allow_nan=False))
    else:
        output.emit("\n".join(_lines(number, outcome, others, differing)))
    return _EXITS[outcome]


def _runs(history: History, number: int) -> Collection[int]:
    """Return the runs of a trial, or of the one that the trial of this number belongs to.

    Raises:
        SpecError: none of them has a result that another training would give again.
    """
    run = history.trials[history.trials[number].run]
    first = run.number if run.parent is None else run.parent
    runs = [one.number for one in history.runs[first] if one.number in history.ended]
    crashes = {n: one for n in runs if isinstance(one := history.ended[n], Failed) and one.crashed}
    if len(crashes) == len(runs):
        reason = crashes[runs[0]].reason if runs else "it has not ended"
        raise SpecError(Problem("E196", f"trial {first} has come to nothing: {reason}"))
    return [number for number in runs if number not in crashes]


def _lines(
    number: int, outcome: str, others: str, differing: Sequence[Difference]
) -> Iterator[str]:
    verdicts = {
        "same": f"trial {number} has come to what the study says, to the last bit",
        "differs": f"trial {number} has not come to what the study says",
        "cannot be expected here": f"begun with {others}",
    }
    yield f"{outcome}: {verdicts[outcome]}"
    if outcome == "same" and others:
        yield f"note: begun with {others}"
    yield from (f"  {text}" for text in described(differing))


def _record(one: Difference) -> dict[str, Fact]:
    """Return a difference as JSON; null stands for what is not there, or no finite number."""
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in asdict(one).items()
    }
