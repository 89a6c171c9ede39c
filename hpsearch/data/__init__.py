"""Where data comes from, and the records of it: `LOADERS`, `DataSpec`, `RawData` and `Dataset`.

A loader reads a source into `RawData`; `prepare` checks that, splits its rows and scales it into
the `Dataset` that trials are trained and judged on. Mistakes in the data are found before the first
trial. They are reported as a `SpecError` with one of these codes:

- E070: the source does not exist, cannot be read, or is of no known kind.
- E071: MNIST cannot be obtained.
- E072: the header or the choice of the target column is wrong.
- E073: the file is damaged, or its arrays do not fit together.
- E074: a value is missing, NaN or infinite, a text stands where a number belongs, or a weight is
  negative.
- E075: the targets do not suit the task.
- E076: the split is impossible, or leaves too few rows in one of its parts.

A new source costs one function, in a file of its own, and one line in `LOADERS`. The function only
reads: whatever it returns is checked, split and scaled afterwards, as for every other source. Here
is a complete loader of tables of numbers that are separated by blanks, the target in the end:

    >>> def load(spec: DataSpec) -> RawData:
    ...     table = np.loadtxt(spec.path)
    ...     return RawData(spec.path.stem, table[:, :-1], table[:, -1])

Saved as `hpsearch/data/sources/blanks.py`, it needs the line
`"*.txt": "hpsearch.data.sources.blanks:load"`. This is what it returns for a file of two rows:

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "sizes.txt").write_text("1.5 2 0\\n2.5 4 1\\n")
    ...     raw = load(DataSpec("sizes.txt", folder=Path(folder)))
    >>> raw.name, raw.inputs.tolist(), raw.targets.tolist()
    ('sizes', [[1.5, 2.0], [2.5, 4.0]], [0.0, 1.0])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hpsearch.data.shape import InputShape, shape_of
from hpsearch.errors import Place
from hpsearch.registry import Registry

if TYPE_CHECKING:  # pyarrow takes a while to load, and help and mistakes in a YAML need no table
    import pyarrow as pa

    from hpsearch.data.columns import Column

Task = Literal["classification", "regression"]
InputScale = Literal["standard", "unit", "none"]
Floats = NDArray[np.float32]
Exact = NDArray[np.float64]
Inputs = NDArray[np.uint8] | Floats | Exact
Ints = NDArray[np.int64]
Kind = Literal["number", "category", "date"]
Missing = Literal["impute", "error"]
BALANCED = "balanced"
"""What stands in place of a column of weights where classes are to count alike."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person says of a column.

    Attributes:
        kind: what it holds, or that it is to be left out.
        format: how its dates are written, in the notation of `strptime`.
    """

    kind: Kind | Literal["drop"]
    format: str | None = None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The section `data:` of the YAML file, with every default filled in.

    Attributes:
        source: a name of `LOADERS`, or a path.
        target: the column (tables) or array (.npz files) that is to be predicted.
        task: what the targets are; None lets it be inferred from them.
        validation: the share of all rows that validate, in (0, 1); without effect where there are
            folds or a column.
        test: the share of all rows in the test split, in [0, 1). None stands for 0.2, or for the
            source's own test file where it has one.
        folds: into how many folds all rows but the test split's are divided, each row validating
            once; None holds out the share `validation` instead.
        column: the column that says which part of the split each row belongs to; `part` where the
            source has validation rows of its own.
        group: the column of which rows with one value stay together in the split.
        by: the column of numbers or dates in whose order rows train, validate and test.
        weights: the column that says how much each row counts, or `balanced`: classes count alike.
        columns: what a person says of columns that would be read otherwise.
        missing: whether missing values are imputed, or refused.
        split_seed: the seed of every random choice of rows.
        scale: how inputs are scaled, see `hpsearch.data.scale`.
        folder: the folder from which a relative path counts: the YAML file's own.
        rows: keep only so many rows of training and validation together, and at most so many of
            the test split (for smoke runs).
        places: where in the YAML file the keys of this section stand, by their names; those that
            are not written there are missing.
    """

    source: str
    target: str | None = None
    task: Task | None = None
    validation: float = 0.2
    test: float | None = None
    folds: int | None = None
    column: str | None = None
    group: str | None = None
    by: str | None = None
    weights: str | None = None
    columns: Mapping[str, Wanted] = field(default_factory=dict)
    missing: Missing = "impute"
    split_seed: int = 0
    scale: InputScale = "standard"
    folder: Path = Path()
    rows: int | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """The path of a source that is not a name."""
        return self.folder / (
            Path(self.source).expanduser() if self.source.startswith("~/") else self.source
        )

    @property
    def named(self) -> Mapping[str, str]:
        """The columns that are named for a use of their own, by the keys that name them."""
        weights = None if self.weights == BALANCED else self.weights
        keys = {"target": self.target, "column": self.column, "group": self.group, "by": self.by}
        return {key: name for key, name in {**keys, "weights": weights}.items() if name is not None}


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """What a loader returns that has read a table: its columns as they are, the target among them.

    Attributes:
        name: what the data is called.
        table: the columns. Text is read by the rules of `hpsearch.data.values`.
        index: the names of columns that are an index, not data, as the source says itself.
        categories: the names of columns of text that are categories, likewise.
        lines: the line of the file on which each row ends, where it has lines.
        notes: what the loader has decided by itself, such as how columns are separated.
    """

    name: str
    table: pa.Table
    index: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    lines: Sequence[int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RawData:
    """What a loader returns: the numbers as read, neither checked nor split nor scaled.

    Attributes:
        name: what the data is called; `prepare` makes it fit for file names.
        inputs: numbers, (rows, columns) or (rows, channels, height, width); NaN where a number of a
            table is missing.
        targets: numbers, booleans or text, (rows,). Text has the dtype U, or object, where a long
            text among short ones takes no room in the others.
        columns: what the columns of the inputs are; () for images, and where they have no names.
        target: the name of the target, for messages.
        task: what the source itself knows of the task; None lets it be inferred.
        test: the source's own test file, if it has one.
        parts: (rows,) the text of `DataSpec.column`, if one was asked for.
        group: (rows,) the text of `DataSpec.group`, likewise.
        times: (rows,) the number of `DataSpec.by`, which orders the rows; seconds, if it is a date.
        weights: (rows,) the numbers or texts of the column that `DataSpec.weights` names, likewise;
            positive numbers when they are checked.
        lines: the line of the file on which each row ends, where it has lines.
        rows: the number of each row in the source, from 0, where some are left out.
        left_out: why columns of a table are no inputs, by their names.
        notes: what the loader has decided by itself, such as which column it has left out, in words
            that a person reads before the first trial.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    columns: tuple[Column, ...] = ()
    target: str = "target"
    task: Task | None = None
    test: RawData | None = None
    parts: NDArray[Any] | None = None
    group: NDArray[Any] | None = None
    times: Exact | None = None
    weights: NDArray[Any] | None = None
    lines: Sequence[int] | None = None
    rows: Ints | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Return in words where a row stands in the source.

        >>> RawData("x", np.zeros((2, 1)), np.zeros(2), lines=(2, 5)).place(1)
        'row 2 (line 5)'
        """
        return place_of(row if self.rows is None else int(self.rows[row]), self.lines)

    def only(self, rows: Ints, note: str) -> RawData:
        """Return the data of these rows alone, with a note on why."""

        def of(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[rows]

        return replace(
            self,
            inputs=self.inputs[rows],
            targets=self.targets[rows],
            parts=of(self.parts),
            group=of(self.group),
            times=of(self.times),
            weights=of(self.weights),
            rows=rows if self.rows is None else self.rows[rows],
            notes=(*self.notes, note),
        )


def place_of(row: int, lines: Sequence[int] | None) -> str:
    """Return in words where a row stands; it counts from 0, and what is said of it from 1."""
    return f"row {row + 1}" if lines is None else f"row {row + 1} (line {lines[row]})"


class Loader(Protocol):
    """A function that reads one kind of source.

    It reads `spec.path` (or whatever else `spec.source` names), and leaves everything else in the
    spec to `prepare`.
    """

    def __call__(self, spec: DataSpec) -> RawData | RawTable:
        """Return what the source holds.

        Raises:
            SpecError: the source cannot be understood.
            OSError: it cannot be read, which becomes an E070.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The rows that train and the rows that validate, and the scale of the inputs.

    Both sets of rows are ascending, and they are disjoint. `(x - center) / scale` is a scaled
    input, and `fill` stands for one that is missing. These are measured on the training rows, and
    have the shape (features,) or (channels, 1, 1).
    """

    train: Ints
    validation: Ints
    center: Exact
    scale: Exact
    fill: Exact


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How a data set was split and scaled: what `resplit` needs to split it anew.

    `by_column` says that a column of the source decides about the split (it gives each row its
    part, groups rows or orders them), so that nothing is drawn anew.
    """

    split_seed: int = 0
    by_column: bool = False
    input_scale: InputScale = "standard"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Data that is checked, split and scaled: what trials are trained and judged on.

    Attributes:
        name: at most 64 letters, digits, dots, dashes and underscores.
        task: classification or regression.
        inputs: unscaled and exact, (rows, columns) or (rows, channels, height, width); float64,
            float32 where the source's numbers are no wider, or uint8 for images of bytes. What the
            numbers of a table are, its columns say.
        targets: (rows,) positions in `classes` (int64), or standardised numbers (float32).
        target: the name of what is predicted.
        classes: the names of the classes in order; () for a regression.
        target_center: of a regression, `y * target_scale + target_center` is in the source's unit.
        target_scale: see `target_center`; 1 for a classification.
        folds: one where rows are held out. Of several, each row validates in exactly one, and the
            numbers of training rows differ by at most one; where groups stay together they differ
            by a group, and in order of time the earliest rows validate in none.
        whole: the fold that trains on the rows of all folds and validates none, on which the winner
            is trained in the end; None where there is one fold only.
        test: the rows of the test split, ascending, which belong to no fold.
        columns: what the columns of a table are; () for images.
        digest: the sha256 of inputs, targets, their classes or unit, weights and the split.
        weights: (rows,) how much each row counts in losses, 1 in the mean of those whose targets
            set the unit of the losses; None where all count alike.
        weighted_by: where the weights come from: the name of a column, or `balanced`.
        rule: how the rows were split.
        notes: what makes results worth less than they look, in words.
    """

    name: str
    task: Task
    inputs: Inputs
    targets: Ints | Floats
    target: str
    classes: tuple[str, ...]
    target_center: float
    target_scale: float
    folds: tuple[Fold, ...]
    whole: Fold | None
    test: Ints
    columns: tuple[Column, ...]
    digest: str
    weights: Floats | None = None
    weighted_by: str | None = None
    rule: SplitRule = SplitRule()
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> InputShape:
        """The shape of one input as it is encoded for a network."""
        return shape_of(self.columns) if self.columns else InputShape(self.inputs.shape[1:])

    @property
    def features(self) -> int:
        """The length of one input when flattened."""
        return math.prod(self.shape.sides)

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for one row: one for each class, or a single one."""
        return len(self.classes) or 1

    @property
    def metric_weights(self) -> Floats | None:
        """How much each row counts in metrics; None where all count alike.

        Weights that balance classes are for losses: an accuracy that went by them would be the
        balanced accuracy under another name.
        """
        return None if self.weighted_by == BALANCED else self.weights


LOADERS: Registry[Loader] = Registry(
    "source of data",
    {
        "digits": "hpsearch.data.sources.bundled:load",
        "wine": "hpsearch.data.sources.bundled:load",
        "breast_cancer": "hpsearch.data.sources.bundled:load",
        "diabetes": "hpsearch.data.sources.bundled:load",
        "mnist": "hpsearch.data.sources.mnist:load",
        "*.csv": "hpsearch.data.sources.delimited:load",
        "*.tsv": "hpsearch.data.sources.delimited:load",
        "*.csv.gz": "hpsearch.data.sources.delimited:load",
        "*.tsv.gz": "hpsearch.data.sources.delimited:load",
        "*.parquet": "hpsearch.data.sources.parquet:load",
        "*.npz": "hpsearch.data.sources.npz:load",
        "*/": "hpsearch.data.sources.folder:load",
    },
)
"""Which `Loader` reads which source.

A source is a name of its own (`mnist`), any file whose name ends as its line says (`*.csv`, in
small letters; the file's may be in any), or any folder (`*/`). To add one, write its loader in a
file of its own and add a line here: `"*.txt": "hpsearch.data.sources.blanks:load"`. The head of
this module has a complete example.
"""
