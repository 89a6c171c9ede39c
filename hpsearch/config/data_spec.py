"""What a file says of data, as the `DataSpec` that is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpsearch.config.diagnostics import Diagnostics
from hpsearch.config.document import Document
from hpsearch.config.schema import DataKeys
from hpsearch.data import DataSpec, Wanted
from hpsearch.errors import Place


def data_spec(keys: DataKeys, folder: Path, rows: int | None, diagnostics: Diagnostics) -> DataSpec:
    """Return the data of a file, and note what does not go together."""
    split = keys.split
    given = split.model_fields_set
    for way, others in (
        ("column", {"validation", "test", "folds", "group", "by"}),
        ("folds", {"validation"}),
        ("group", {"by"}),
    ):
        if way in given and (besides := sorted(others & given)):
            message = f"'{besides[0]}' has no meaning beside '{way}'"
            path, help = ("data", "split", besides[0]), "leave one of the two out"
            diagnostics.add("E076", message, path, key=True, help=help)
    if split.validation + (split.test or 0.0) >= 1:
        message = "validation and test leave no rows to train on"
        help = "what is left is trained on:  {validation: 0.2, test: 0.2} trains on 0.6"
        diagnostics.add("E076", message, ("data", "split"), help=help)
    return DataSpec(
        source=keys.source,
        target=keys.target,
        task=keys.task,
        validation=split.validation,
        test=split.test,
        folds=split.folds,
        column=split.column,
        group=split.group,
        by=split.by,
        weights=keys.weights,
        columns={name: Wanted(one.kind, one.format) for name, one in keys.columns.items()},
        missing=keys.missing,
        split_seed=keys.split_seed,
        scale=keys.scale,
        folder=folder,
        rows=rows,
        places=dict(_places(keys, diagnostics.document)),
    )


def _places(keys: DataKeys, document: Document) -> Iterator[tuple[str, Place]]:
    """Give the place of each key of `data:` that is written, those of `split:` among them."""
    for name in keys.model_fields_set:
        yield name, document.value_place(("data", name))
    for name in keys.split.model_fields_set:
        yield name, document.value_place(("data", "split", name))
    for name in keys.columns:
        yield f"columns.{name}", document.key_place(("data", "columns", name))
