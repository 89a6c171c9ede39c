"""`predict`: what a trained model says of new rows."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from hpsearch import output
from hpsearch.commands import console
from hpsearch.data import Exact
from hpsearch.errors import EXIT_OK, CannotWrite, Problem, SpecError
from hpsearch.model.rows import Rows, from_path, numbers, open_rows, places
from hpsearch.registry import resolve
from hpsearch.study.files import unfinished, unwritable

_STREAM = "-"  # the name of standard input and output
_LISTED = 10  # columns that a note names
_SPOOLED = 64 << 20  # bytes of standard input that are kept in memory


def predict(
    *,
    model: str,
    data: str,
    out: str | None,
    proba: bool,
    force: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Write a prediction for each row; return the exit code."""
    _check_free(out, force)
    # loaded here: torch takes a while
    predictor = resolve("hpsearch.model.folder:load")(Path(model))
    if not predictor.columns:
        fault = f"{model} is a model of images, and a table has none"
        raise SpecError(
            Problem("E192", fault, help="hpsearch.load(MODEL).predict(array) in Python")
        )
    classes = predictor.info.classes
    if proba and not classes:
        fault = f"--proba: {model} predicts numbers, which have no probabilities"
        raise SpecError(Problem("E192", fault, help="leave it out"))
    with _opened(data) as file, open_rows(file, data) as rows, _sink(out) as write:
        at = places(rows.names, predictor.columns, data)
        if not quiet:
            notes = (f"note: {note}" for note in _notes(rows, at, predictor.info.target))
            console.note(*notes, no_color=no_color)
        write(_csv([["row", "prediction", *(f"p({one})" for one in classes if proba)]]))
        done = 0
        for batch in rows.batches:
            answers = predictor.answers(numbers(batch, at, predictor.columns))
            write(_csv(_lines(answers, classes, proba, done)))
            done += len(answers)
    return EXIT_OK


def _notes(rows: Rows, at: Collection[int], target: str) -> Iterator[str]:
    """Give what a person should know of how the rows are read."""
    yield from rows.notes
    unused = [name for k, name in enumerate(rows.names) if k not in at and name != target]
    if unused:
        yield f"not used: {', '.join(unused[:_LISTED])}{', ...' * (len(unused) > _LISTED)}"


def _lines(answers: Exact, classes: Sequence[str], proba: bool, done: int) -> Iterator[list[Any]]:
    """Give the cells of each row: its number, the prediction, and probabilities if asked for."""
    best = [classes[k] for k in answers.argmax(1)] if classes else answers[:, 0].tolist()
    probabilities = answers.tolist() if proba else [[]] * len(best)
    for row, (one, more) in enumerate(zip(best, probabilities, strict=True), done + 1):
        yield [row, one, *more]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    found = io.StringIO()
    csv.writer(found, lineterminator="\n").writerows(rows)
    return found.getvalue()


def _check_free(out: str | None, force: bool) -> None:
    if out not in (None, _STREAM) and os.path.lexists(str(out)) and not force:
        raise CannotWrite(Problem("E173", f"{out} is there already", help="--force replaces it"))


@contextmanager
def _opened(data: str) -> Iterator[BinaryIO]:
    """Open the rows; standard input is kept first, since it cannot be read twice."""
    if data != _STREAM:
        with from_path(Path(data)) as file:
            yield file
        return
    with tempfile.SpooledTemporaryFile(_SPOOLED) as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.seek(0)
        yield cast(BinaryIO, kept)


@contextmanager
def _sink(out: str | None) -> Iterator[Callable[[str], object]]:
    """Give what takes lines: standard output, or a file that appears when it is whole."""
    if out in (None, _STREAM):
        yield lambda lines: output.emit(lines.removesuffix("\n"))
        return
    path = Path(str(out))
    half = unfinished(path)
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            yield file.write
        half.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        half.unlink(missing_ok=True)
