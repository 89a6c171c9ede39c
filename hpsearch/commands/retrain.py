"""`retrain`: a new model with the settings of a trial, on more rows or from more seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from json import dumps, loads
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.again import reopened
from hpsearch.commands.studies import picked
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.model import record
from hpsearch.objectives.jobs import Refit
from hpsearch.registry import resolve
from hpsearch.report.board.view import Row, row_of
from hpsearch.report.render import figures
from hpsearch.study.record import StudyRecord, TestEvaluation
from hpsearch.study.store import Store
from hpsearch.study.trial import Measured
from hpsearch.text import shell_word

if TYPE_CHECKING:  # what draws splits takes a while to load
    from hpsearch.data.splits.refit import RefitRows

_DIGITS = 4


def retrain(
    *,
    study: str | None,
    number: int | None,
    out: str,
    on: RefitRows,
    seeds: int | None,
    data: str | None,
    force: bool,
    json: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Train a model with the settings of the winner, or of trial `number`; return the exit code."""
    folder, kept, number = picked(study, number, "E195")
    row = _row(kept, number, on)
    record.check_free(Path(out), force)
    trial, epochs = kept.history.trials[row.number], row.best_epoch or 0
    looks = on != "all" and loads(kept.meta.data)["rows"]["test"]
    with (
        Store.open(folder) if looks else nullcontext() as store,  # which refuses what cannot count
        reopened(kept, "retrain", data, quiet, no_color) as place,
    ):
        found: Refit
        (found,) = place.do(place.networks.refit(trial, epochs, on, seeds))
        evaluations = _counted(store, row.number, found) if store is not None else 0
        model = place.artefacts.read(found.weights)
    command = f"hpsearch retrain {shell_word(str(folder))} {row.number} -o {shell_word(out)}"
    command += f" --on {on} --seeds {found.seeds}"
    facts = {
        "study": kept.meta.name,
        "trial": row.number,
        "retrained": {"on": on, "rows": found.rows, "seeds": found.seeds, "epochs": epochs},
        "metrics": {rows: record.figures(each) for rows, each in _measured(kept, found).items()},
        "evaluations": evaluations,
        "command": command,
    }
    resolve("hpsearch.model.folder:save")(Path(out), model, facts, force)
    if json:
        output.emit(dumps({"model": out, **facts}, indent=2, allow_nan=False))
    elif not quiet:
        console.note(*_told(kept, facts, found, out), no_color=no_color)
    return EXIT_OK


def _row(study: StudyRecord, number: int, on: RefitRows) -> Row:
    """Return the trial whose settings are taken.

    Raises:
        SpecError: it has come to nothing, or no rows are its training rows alone.
    """
    row = row_of(study, number)
    if row.loss is None:
        why = f"trial {row.number} has come to nothing: {row.failure or 'it has not ended'}"
        raise SpecError(Problem("E195", why))
    if on == "train" and loads(study.meta.data)["folds"] > 1:
        why = "over folds all rows but the test rows train, in one fold or another"
        raise SpecError(Problem("E195", why, help="--on validation"))
    return row


def _counted(store: Store, number: int, found: Refit) -> int:
    """Write down an evaluation on the test rows, unless the very same model has had one.

    Return how many there are now.
    """
    known = {one.weights for one in store.study().evaluations}
    if found.weights not in known:
        loss, metric = found.scores["test"]
        store.record_test(
            TestEvaluation(
                number,
                loss.value,
                metric.value,
                found.weights,
                loss.interval,
                metric.interval,
                "retrained",
            )
        )
    return len(store.study().evaluations)


def _measured(study: StudyRecord, found: Refit) -> Mapping[str, Mapping[str, Measured]]:
    """Return the figures of the model by the rows on which they were measured."""
    name = study.meta.metric or "metric"
    return {rows: {"loss": loss, name: metric} for rows, (loss, metric) in found.scores.items()}


def _said(name: str, one: Measured) -> str:
    """Return a figure in words, with its interval where it has one."""
    text = figures.measured(name, one.value, _DIGITS)
    if one.interval is None:
        return text
    return f"{text} (95 % interval {figures.between(name, one.interval, _DIGITS)})"


def _told(study: StudyRecord, facts: Mapping[str, Any], found: Refit, out: str) -> Iterator[str]:
    """Give in words what the model is, and what it is worth."""
    done = facts["retrained"]
    networks, epochs = (
        f"{count} {word}{'s' * (count > 1)}"
        for count, word in ((done["seeds"], "network"), (done["epochs"], "epoch"))
    )
    yield f"a new model with the settings of trial {facts['trial']} of {facts['study']} is in {out}"
    yield f"it is {networks}, trained for {epochs} on {done['rows']:,} rows"
    for rows, each in _measured(study, found).items():
        said = [_said(name, one) for name, one in each.items() if isfinite(one.value)]
        looks = f" ({facts['evaluations']} evaluations so far)" if rows == "test" else ""
        yield f"on the {rows} rows: {', '.join(said)}{looks}"
    if not found.scores:
        yield "no rows are left to score it on"
    yield f"next:  hpsearch predict {shell_word(out)} FILE"
