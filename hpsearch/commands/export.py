"""`export`: the trained network of a trial, as a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from math import isfinite
from pathlib import Path
from typing import Any

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.studies import find_study, meant
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.registry import resolve
from hpsearch.report.board.view import board
from hpsearch.study.artefacts import FOLDER, Artefacts, Lost
from hpsearch.study.store import StudyRecord, read
from hpsearch.study.trial import Done, Failed
from hpsearch.text import shell_word


def export(
    *,
    study: str | None,
    number: int | None,
    out: str,
    force: bool,
    json: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Write the model of the winner, or of trial `number`; return the exit code."""
    name, number = meant(study, number)
    folder = find_study(name)
    kept = read(folder)
    number = _winner(kept) if number is None else number
    result = _result(kept, number)
    weights = _weights(kept, number, result)
    command = f"hpsearch export {shell_word(str(folder))} {number} -o {shell_word(out)}"
    metrics = dict(_metrics(kept, number, result))
    facts = {"study": kept.meta.name, "trial": number, "metrics": metrics, "command": command}
    try:
        data = Artefacts(folder / FOLDER).read(weights)
        # loaded here, since what cannot be exported is refused without torch
        resolve("hpsearch.model.folder:save")(Path(out), data, facts, force)
    except (Lost, ValueError) as error:
        raise _no_model(number, f"its weights cannot be read: {error}") from error
    if json:
        output.emit(dumps({"model": out, **facts}, indent=2, allow_nan=False))
    elif not quiet:
        texts = [f"the model of trial {number} of {kept.meta.name} is in {out}"]
        texts.append(f"next:  hpsearch predict {shell_word(out)} FILE")
        console.note(*texts, no_color=no_color)
    return EXIT_OK


def _winner(study: StudyRecord) -> int:
    winner = board(study).winner
    if winner is None:
        fault = f"{study.meta.name} has no winner: no trial has succeeded"
        raise SpecError(Problem("E193", fault))
    return winner.number


def _result(study: StudyRecord, number: int) -> Done:
    if study.meta.objective != "networks":
        raise SpecError(Problem("E193", f"{study.meta.name} has trained no networks"))
    if number not in {trial.number for trial in study.history.trials}:
        most = len(study.history.trials) - 1
        fault = f"{study.meta.name} has no trial {number}"
        raise SpecError(Problem("E096", fault, help=f"its trials are 0 to {most}"))
    result = study.history.ended.get(number)
    if isinstance(result, Failed):
        raise _no_model(number, f"it has failed ({result.message})")
    if not isinstance(result, Done):
        raise _no_model(number, "it has not ended")
    return result


def _weights(study: StudyRecord, number: int, result: Done) -> str:
    """Return the digest of a trial's weights: those that were tested, where it was."""
    tested = next((one for one in study.evaluations if one.number == number and one.weights), None)
    found = tested.weights if tested else result.weights
    if found is None:
        raise _no_model(number, "its weights were not kept")
    return found


def _no_model(number: int, why: str) -> SpecError:
    help = "take another trial:  hpsearch leaderboard  shows them"
    return SpecError(Problem("E193", f"trial {number} has no model: {why}", help=help))


def _metrics(
    study: StudyRecord, number: int, result: Done
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the figures of a trial by the rows on which they were measured, where defined there."""
    name = study.meta.metric or "metric"
    found = {"validation": {study.meta.minimized: result.loss, name: result.metric}}
    for test in study.evaluations:
        if test.number == number:
            found["test"] = {"loss": test.loss, name: test.metric}
    for rows, figures in found.items():
        yield rows, {name: value for name, value in figures.items() if isfinite(value)}
