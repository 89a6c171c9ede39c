"""`predict`: what a trained model says of new rows."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.export import winners_model
from hpsearch.commands.studies import named_study
from hpsearch.data import Inputs
from hpsearch.data.sources.folder_files import is_image, listing
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.model.reading import ColumnReading
from hpsearch.model.record import RECORD
from hpsearch.model.rows import Rows, from_path, numbers, open_rows, places
from hpsearch.registry import resolve
from hpsearch.report.render.tables import PrintedColumn, aligned
from hpsearch.study.files import check_free, unfinished, unwritable

if TYPE_CHECKING:  # torch takes a while to load
    from hpsearch.model.predictor import Predictor

_STREAM = "-"  # the name of standard input and output
_LISTED = 10  # columns that a note names
_IMAGES = 256  # that are in memory at the same time
_SPOOLED = 64 << 20  # bytes of standard input that are kept in memory


def predict(
    *,
    model: str,
    data: str,
    out: str | None,
    proba: bool,
    explain: bool,
    force: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Write a prediction for each row; return the exit code."""
    if out not in (None, _STREAM):
        check_free(Path(str(out)), force)

    def note(text: str) -> None:
        if not quiet:
            console.note(f"note: {text}", no_color=no_color)

    predictor = _predictor(model, note)
    classes = predictor.info.classes
    if proba and not classes:
        fault = f"--proba: {model} predicts numbers, which have no probabilities"
        raise SpecError(Problem("E192", fault, help="leave it out"))
    if explain and not predictor.columns:
        fault = f"--explain: {model} reads images, which have no columns"
        raise SpecError(Problem("E192", fault, help="leave it out"))
    readings = [ColumnReading(column) for column in predictor.columns]
    if predictor.columns:
        given = _of_table(predictor, data, note, readings)
    else:
        given = _of_images(predictor, data, note)
    with _sink(out) as write:
        key = "row" if predictor.columns else "file"
        std = ["std"] if predictor.networks > 1 else []
        header = [key, "prediction", *std, *(f"p({one})" for one in classes if proba)]
        for keys, inputs in given:
            write(_csv([*([header] if header else []), *_lines(keys, inputs, predictor, proba)]))
            header = []
    if explain:
        console.progress(no_color).print("\n".join(_explained(readings)), soft_wrap=True)
    else:
        for text in filter(None, (reading.note() for reading in readings)):
            note(text)
    return EXIT_OK


def _predictor(name: str, note: Callable[[str], None]) -> Predictor:
    """Return the model of a folder, or that of a study's winner.

    Raises:
        SpecError: there is none.
        DamagedModel: it is damaged, or of a newer format.
    """
    found: Predictor
    folder = named_study(name)
    if folder is None or (Path(name) / RECORD).exists():
        found = resolve("hpsearch.model.folder:load")(Path(name))
        return found
    number, data = winners_model(folder)
    note(f"the model is that of trial {number}, the winner of {folder}")
    found = resolve("hpsearch.model.folder:predictor_of")(data)
    return found


def _explained(readings: Sequence[ColumnReading]) -> Sequence[str]:
    """Return a table of how the cells of each column were read."""
    columns = [reading.column for reading in readings]
    counts = {
        "missing": [reading.missing for reading in readings],
        "unreadable": [reading.unreadable for reading in readings],
        "not told apart": [reading.unseen for reading in readings],
    }
    return aligned(
        [
            PrintedColumn("column", [column.name for column in columns], left=True),
            PrintedColumn("read as", [column.written or column.kind for column in columns], True),
            *(
                PrintedColumn(title, [f"{count:,}" if count else "-" for count in each])
                for title, each in counts.items()
            ),
        ]
    )


def _of_table(
    predictor: Predictor,
    data: str,
    note: Callable[[str], None],
    readings: Sequence[ColumnReading],
) -> Iterator[tuple[Sequence[object], Inputs]]:
    """Give the numbers of some rows, which count from 1, and what the model reads of them.

    How their cells were read is counted in `readings`.
    """
    with _opened(data) as file:
        rows = open_rows(file, data)
        at = places(rows.names, predictor.columns, data)
        for text in _notes(rows, at, predictor.info.target):
            note(text)
        done = 0
        yield [], np.empty((0, len(at)))
        for batch in rows.batches:
            found = numbers(batch, at, predictor.columns)
            for reading, place, own in zip(readings, at, found.T, strict=True):
                reading.count(batch.column(place), own)
            yield range(done + 1, done + 1 + len(batch)), found
            done += len(batch)


def _of_images(
    predictor: Predictor, data: str, note: Callable[[str], None]
) -> Iterator[tuple[Sequence[object], Inputs]]:
    """Give the names of some images of a folder, and their pixels."""
    channels, *size = predictor.info.inputs
    folder = Path(data)
    if not folder.is_dir() or channels not in (1, 3):
        help_ = "in Python:  hpsearch.load(MODEL).predict(array)"
        fault = f"{data} is no folder of images, and the model reads images"
        raise SpecError(Problem("E192", fault, help=help_))
    found = listing(folder).files
    names = [name for name in found if is_image(name)]
    if len(names) < len(found):
        note(f"not used: {len(found) - len(names):,} files that are no images")
    read_image = resolve("hpsearch.data.sources.image_file:read_image")
    yield [], np.empty((0, channels, *size), np.uint8)
    for start in range(0, len(names), _IMAGES):
        some = names[start : start + _IMAGES]
        images = [read_image(folder / name, tuple(size), channels) for name in some]
        yield some, np.array(images, np.uint8)


def _notes(rows: Rows, at: Collection[int], target: str) -> Iterator[str]:
    """Give what a person should know of how the rows are read."""
    yield from rows.notes
    unused = [name for k, name in enumerate(rows.names) if k not in at and name != target]
    if unused:
        yield f"not used: {', '.join(unused[:_LISTED])}{', ...' * (len(unused) > _LISTED)}"


def _lines(
    keys: Sequence[object], inputs: Inputs, predictor: Predictor, proba: bool
) -> Iterator[list[Any]]:
    """Give the cells of each row: its key, the prediction, and what else there is.

    That is the standard deviation where networks differ (of a class that of its probability), and
    probabilities if asked for.
    """
    classes = predictor.info.classes
    stds: list[list[float]] = [[]] * len(keys)
    if predictor.networks == 1:
        answers = predictor.answers(inputs)
    else:
        answers, scatter = predictor.answers_with_std(inputs)
        stds = np.take_along_axis(scatter, answers.argmax(1)[:, None], 1).tolist()
    said = [classes[k] for k in answers.argmax(1)] if classes else answers[:, 0].tolist()
    probabilities = answers.tolist() if proba else [[]] * len(said)
    for key, one, std, more in zip(keys, said, stds, probabilities, strict=True):
        yield [key, one, *std, *more]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    found = io.StringIO()
    csv.writer(found, lineterminator="\n").writerows(rows)
    return found.getvalue()


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
