"""`export`: the trained network of a trial, as a folder of its own or as a file of ONNX."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.again import Reopened, described, reopened
from hpsearch.commands.studies import picked, picked_trial
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.model import record
from hpsearch.registry import resolve
from hpsearch.study import files
from hpsearch.study.artefacts import FOLDER, Artefacts, Lost
from hpsearch.study.differences import Difference
from hpsearch.study.layout import SEMANTICS
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read
from hpsearch.study.trial import WEIGHTS, Done, Failed, Measured
from hpsearch.text import shell_word


class _Format(NamedTuple):
    """A way to write a model: what sees that there is room, what writes it, and what comes next."""

    check_free: Callable[[Path, bool], None]
    save: str
    next: str


FORMATS: Mapping[str, _Format] = {
    "folder": _Format(
        record.check_free, "hpsearch.model.folder:save", "next:  hpsearch predict {} FILE"
    ),
    "onnx": _Format(
        files.check_free,
        "hpsearch.model.onnx:save",
        "onnxruntime answers its reference rows as the network does",
    ),
}
"""The ways to write a model, by their names."""


def export(
    *,
    study: str | None,
    number: int | None,
    out: str,
    data: str | None,
    format: str,
    force: bool,
    json: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Write the model of the winner, or of trial `number`; return the exit code."""
    folder, kept, number = picked(study, number, "E193")
    result = _result(kept, number)
    FORMATS[format].check_free(Path(out), force)
    again: Mapping[str, Any] = {}
    try:
        model = Artefacts(folder / FOLDER).read(_weights(kept, number, result))
    except Lost as lost:
        if not quiet:
            text = f"trial {number} is trained again for its weights: {lost}"
            console.note(text, no_color=no_color)
        _check_trainable(kept, number, lost)
        with reopened(kept, "export", data, quiet, no_color) as place:
            model, result, notes = _train_again(place, number, result)
            place.options.note(*(f"note: {note}" for note in notes))
        again = {"trained_again": {"because": str(lost), "notes": notes}}
    command = f"hpsearch export {shell_word(str(folder))} {number} -o {shell_word(out)}"
    command += f" --format {format}" * (format != "folder")
    metrics = dict(_metrics(kept, number, result, hashlib.sha256(model).hexdigest()))
    facts = {"study": kept.meta.name, "trial": number, **again, "metrics": metrics}
    facts["command"] = command
    try:
        # loaded here, since what cannot be exported is refused without torch
        resolve(FORMATS[format].save)(Path(out), model, facts, force)
    except ValueError as error:
        raise _no_model(number, f"its weights cannot be read: {error}") from error
    if json:
        output.emit(dumps({"model": out, **facts}, indent=2, allow_nan=False))
    elif not quiet:
        console.note(
            f"the model of trial {number} of {kept.meta.name} is in {out}",
            FORMATS[format].next.format(shell_word(out)),
            no_color=no_color,
        )
    return EXIT_OK


def winners_model(folder: Path) -> tuple[int, bytes]:
    """Return the number of a study's winner, and the bytes of its model as the study keeps them.

    Raises:
        SpecError: there is no winner, or its weights are not there.
    """
    kept = read(folder)
    number = picked_trial(kept, None, "E193")
    try:
        weights = _weights(kept, number, _result(kept, number))
        return number, Artefacts(folder / FOLDER).read(weights)
    except Lost as lost:
        help = f"hpsearch export {shell_word(str(folder))} -o FOLDER  trains it again"
        raise SpecError(
            Problem("E193", f"trial {number} has no model: {lost}", help=help)
        ) from lost


def _result(study: StudyRecord, number: int) -> Done:
    result = study.history.ended.get(number)
    if isinstance(result, Failed):
        raise _no_model(number, f"it has failed ({result.message})")
    if not isinstance(result, Done):
        raise _no_model(number, "it has not ended")
    return result


def _tested(study: StudyRecord, number: int) -> str | None:
    """Return the digest of the weights with which a trial was tested, where it was."""
    own = (one for one in study.evaluations if (one.number, one.model) == (number, "own"))
    return next((one.weights for one in own if one.weights), None)


def _weights(study: StudyRecord, number: int, result: Done) -> str:
    """Return the digest of a trial's weights: those that were tested, where it was.

    Raises:
        Lost: it left none.
    """
    if found := _tested(study, number) or result.weights:
        return found
    raise Lost("it left no weights")


def _check_trainable(study: StudyRecord, number: int, lost: Lost) -> None:
    """Refuse a trial that this version would train otherwise."""
    if study.meta.semantics != SEMANTICS:
        raise _no_model(number, f"{lost}, and the version that began it trained otherwise")


def _train_again(place: Reopened, number: int, result: Done) -> tuple[bytes, Done, list[str]]:
    """Return the model of a trial as another training gives it, its result, and what differs."""
    tested = _tested(place.study, number)
    if tested and tested != result.weights:  # it was trained once more to be tested
        weights = place.tested(number)
        differing: tuple[Difference, ...] = ()
        if weights != tested and not place.others:
            differing = (Difference(number, WEIGHTS, tested, weights),)
    else:
        found, differing = place.train([number])
        here = found.ended[number]
        if not isinstance(here, Done):
            raise _no_model(number, f"trained again, it has failed ({here.reason})")
        weights, result = str(here.weights), here
    notes = [f"begun with {place.others}"] if place.others else []
    return place.artefacts.read(weights), result, [*notes, *described(differing)]


def _no_model(number: int, why: str) -> SpecError:
    help = "take another trial:  hpsearch leaderboard  shows them"
    return SpecError(Problem("E193", f"trial {number} has no model: {why}", help=help))


def _metrics(
    study: StudyRecord, number: int, result: Done, weights: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the figures of a model by the rows on which they were measured, where defined there.

    Args:
        study: what it is from.
        number: its trial.
        result: what its trial has come to.
        weights: the digest of its weights: only what was tested with them counts.
    """
    name = study.meta.metric or "metric"
    judged = {study.meta.minimized: Measured(result.loss), name: Measured(result.metric)}
    yield "validation", record.figures(judged)
    for test in study.evaluations:
        if (test.number, test.weights) == (number, weights):
            loss = Measured(test.loss, test.loss_interval)
            metric = Measured(test.metric, test.metric_interval)
            yield "test", record.figures({"loss": loss, name: metric})
