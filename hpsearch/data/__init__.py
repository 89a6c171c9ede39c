"""Where the data comes from: a table of sources, and the records that the engine trains on.

What is wrong with the data is a `SpecError` with one of these codes, found before the first trial:

- E070 the source is not there, cannot be read or is of no known kind
- E071 MNIST cannot be had
- E072 the header or the choice of the target column
- E073 the file is damaged, or its arrays do not fit together
- E074 a value is missing, text where a number belongs, NaN or infinite
- E075 the targets do not suit the task
- E076 the split, or too few rows for it
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.registry import Registry

Task = Literal["classification", "regression"]
Scale = Literal["standard", "unit", "none"]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

RAREST = 1e-6
"""The probability a baseline gives at least to each class, so that a class absent from training is no infinite loss."""


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What the YAML's `data:` says, with every default filled in.

    `source` is a name or a path (relative to `folder`, the YAML's own). `target` is read by tables and .npz files.
    `validation` and `test` are shares of all rows (but those of the source's own test file, where it has one);
    `test=None` means 0.2, or that file. With `folds`, all rows but the test split's validate once each, and no share
    does. With `column`, that column of the source says which part each row belongs to. `rows` keeps only so many rows
    of training and validation together, and at most so many of the test split (the smoke run), drawn by `split_seed`.
    Each `draw` splits all rows but the test split's anew, in the same sizes; not where a column says what is what.
    """

    source: str
    target: str | None = None
    task: Task | None = None
    validation: float = 0.2
    test: float | None = None
    folds: int | None = None
    column: str | None = None
    split_seed: int = 0
    scale: Scale = "standard"
    folder: Path = Path()
    rows: int | None = None
    draw: int = 0

    @property
    def path(self) -> Path:
        """Where a source that is no name lies."""
        return self.folder / (
            Path(self.source).expanduser() if self.source.startswith("~/") else self.source
        )


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What a loader returns: numbers as read, neither checked for sense nor split nor scaled.

    `inputs` are numbers, (rows, features) or (rows, channels, height, width); `targets` (rows,) numbers, booleans or
    text (dtype U). `columns` names the features, () where they have no names. `test` is the source's own test file.
    `task` is what the source itself knows; None lets it be inferred from the targets. `parts` (rows,) is the text of
    the column that says which part of the split a row belongs to, where one was asked for.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    columns: tuple[str, ...] = ()
    target: str = "target"
    task: Task | None = None
    test: Raw | None = None
    parts: NDArray[np.str_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to train on and rows to judge by, ascending and disjoint; and the scale, measured on the former.

    `(x - center) / spread` scales one row; both are float32, (features,) or (channels, 1, 1).
    """

    train: Ints
    validation: Ints
    center: Floats
    spread: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Data that was checked, split and measured: what trials are trained and judged on.

    `inputs` are in their own units, float32 (rows, features), or uint8 or float32 (rows, channels, height, width).
    `targets` are int64 class numbers (the index into `classes`), or float32 in standardised units:
    `y * target_spread + target_center` is in the file's. `folds` is one where rows are held out; of several, each row
    validates in one. The folds' training rows are as many, but for one. `test` are rows of no fold. `whole`
    trains on all rows of several folds and validates none: what their winner is trained on in the end.
    The digest (sha256) covers inputs, targets, their names or units, and the split.
    """

    name: str
    task: Task
    inputs: NDArray[np.uint8] | Floats
    targets: Ints | Floats
    classes: tuple[str, ...]
    target_center: float
    target_spread: float
    folds: tuple[Fold, ...]
    whole: Fold | None
    test: Ints
    columns: tuple[str, ...]
    digest: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input: (features,) or (channels, height, width)."""
        return self.inputs.shape[1:]

    @property
    def features(self) -> int:
        """The length of one input when flattened."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for one row: one per class, or one."""
        return len(self.classes) or 1


class Baseline(NamedTuple):
    """How well one does without looking at the inputs; `metric` is the accuracy, or R2."""

    loss: float
    metric: float


def baseline(dataset: Dataset) -> Baseline:
    """Judge the constant predictor fitted on the training rows (class frequencies, or the mean), over all folds."""
    found = [constant(dataset, fold.train, fold.validation) for fold in dataset.folds]
    return Baseline(*(sum(values) / len(found) for values in zip(*found, strict=True)))


def constant(dataset: Dataset, fitted: Ints, judged: Ints) -> Baseline:
    """What the constant predictor that was fitted on some rows is worth on others.

    Losses are cross-entropy in nats, or the mean squared error in standardised units. R2 of rows that all have one
    target is 0.
    """
    known, seen = dataset.targets[fitted], dataset.targets[judged]
    if dataset.task == "classification":
        shares = np.bincount(known, minlength=dataset.outputs) / len(known)
        return Baseline(
            float(-np.log(np.maximum(shares[seen], RAREST)).mean()),
            float((seen == shares.argmax()).mean()),
        )
    error = ((seen - known.mean(dtype=np.float64)) ** 2).mean()
    variance = seen.var(dtype=np.float64)
    return Baseline(float(error), float(1 - error / variance) if variance else 0.0)


LOADERS = Registry(
    "source of data",
    {
        "digits": "hpsearch.data.bundled:load",
        "wine": "hpsearch.data.bundled:load",
        "breast_cancer": "hpsearch.data.bundled:load",
        "diabetes": "hpsearch.data.bundled:load",
        "mnist": "hpsearch.data.mnist:load",
        "*.csv": "hpsearch.data.table:load",
        "*.parquet": "hpsearch.data.parquet:load",
        "*.npz": "hpsearch.data.npz:load",
        "*/": "hpsearch.data.idx:load",
    },
)
"""Each is `load(spec: DataSpec) -> Raw`; a source is a name, or a path that ends as the star says ('*/': a folder)."""
