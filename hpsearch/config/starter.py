"""A first YAML for data: a space that suits them, and every column with what it was found to hold.

It is what `hpsearch init` writes, and what is searched where `--data` stands without a YAML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hpsearch.config.document import scalar
from hpsearch.config.spaces import USUAL, SpaceText, named_space
from hpsearch.data import LOADERS, RawData
from hpsearch.data.columns import Column, DateColumn
from hpsearch.data.targets import task_of

_FEW_ROWS = 1_000  # of which folds give a steadier loss than one set of validation rows
_MOST_LISTED = 200  # columns that are written down
_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")  # a text that needs no quotes
_TRAIN = """train:
  model: mlp
  epochs: {epochs}          # at most; a training ends where it is better no more
  patience: {patience}
"""
_SETTING = re.compile(r"  (\w+):")
_BATCHES = re.compile(r"(batch_size: *\{values: )\[[^]]*\]")


@dataclass(frozen=True, slots=True)
class Size:
    """What suits data of at most so many rows."""

    rows: int
    epochs: int
    patience: int
    batches: tuple[int, ...]


_SIZES = (
    Size(1_000, 100, 20, (8, 16, 32)),
    Size(20_000, 50, 10, (32, 64, 128)),
    Size(200_000, 30, 6, (64, 128, 256)),
    Size(10**12, 15, 4, (256, 512, 1024)),
)


def starter(
    source: str, target: str | None, raw: RawData | None = None, space: SpaceText | None = None
) -> str:
    """Return a YAML for data.

    Args:
        source: where the data come from.
        target: the column that is to be predicted, in a table.
        raw: what was read from it; without it the space is that for a few thousand rows, and no
            column is listed.
        space: what is searched; the basic space where nothing is said.

    >>> print(starter("wine", None).splitlines()[0])
    data:
    """
    rows = 10_000 if raw is None else len(raw.inputs)
    size = next(size for size in _SIZES if rows <= size.rows)
    space = space or named_space(USUAL)
    if space.is_named:
        batches = json.dumps(size.batches)
        space = replace(space, text=_BATCHES.sub(rf"\g<1>{batches}", space.text))
    if raw is not None and space.looks_at_data:
        space = space.suiting(raw)
    return "\n".join([*_data(source, target, raw), _train(space, size) + space.text])


def _train(space: SpaceText, size: Size) -> str:
    """Return the section `train:`: that of the space, or what suits data of this size."""
    if space.train:
        return space.train
    lines = _TRAIN.format(epochs=size.epochs, patience=size.patience).splitlines(keepends=True)
    kept = [
        line
        for line in lines
        if not (setting := _SETTING.match(line)) or setting[1] not in space.searched
    ]
    return "".join(kept) if len(kept) > 1 else ""


def _data(source: str, target: str | None, raw: RawData | None) -> Iterator[str]:
    yield "data:"
    yield f"  source: {_text(source)}"
    if target is not None:
        yield f"  target: {_text(target)}"
    if raw is None:
        return
    if source not in LOADERS:  # what comes along has no columns that could hold something else
        yield from _columns(raw)
    yield "  # missing: error                        # refuses missing values"
    if task_of(raw, None) == "classification":
        yield "  # weights: balanced                     # rare classes count like frequent ones"
    elif raw.columns:
        yield "  # weights: COLUMN                       # which says how much each row counts"
    if raw.test is not None:
        yield "  split: {validation: 0.2}                # the test rows are those of the source"
    elif len(raw.inputs) <= _FEW_ROWS:
        yield "  split: {folds: 5, test: 0.2}            # few rows: each of them validates once"
    else:
        yield "  split: {validation: 0.2, test: 0.2}     # or {folds: 5, test: 0.2}"


def _columns(raw: RawData) -> Iterator[str]:
    """Give the lines that say what each column holds."""
    found = [(column.name, _kind(column), "") for column in raw.columns]
    found += [(name, "drop", reason) for name, reason in raw.left_out.items()]
    if not raw.columns or len(found) > _MOST_LISTED or "" in raw.left_out:
        return
    yield "  columns:                      # as they were found: number, category, date or drop"
    for name, kind, reason in found:
        yield f"    {_text(name)}: {kind}" + (f"    # {reason}" if reason else "")


def _kind(column: Column) -> str:
    if isinstance(column, DateColumn) and column.format:
        return f"{{kind: date, format: {_text(column.format)}}}"
    return column.kind


def _text(text: str) -> str:
    """Return a text as YAML reads it, whatever is in it."""
    is_plain = _PLAIN.fullmatch(text) is not None and isinstance(scalar(text), str)
    if is_plain:
        return text
    shown = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in _escaped(text))
    return f'"{shown}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
