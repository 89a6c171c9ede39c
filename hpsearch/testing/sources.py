"""What every source of data promises: numbers that make a data set, the same each time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hpsearch.data import DataSpec, Loader, RawData, RawTable
from hpsearch.data.table import data_of
from hpsearch.testing import Check, bound


@dataclass(frozen=True, slots=True)
class ReadableSource:
    """A loader, and a spec of data that it can read."""

    loader: Loader
    spec: DataSpec

    def read(self, split_seed: int = 0) -> RawData:
        """Return what the loader reads; of a table, its target and its inputs."""
        spec = replace(self.spec, split_seed=split_seed)
        found = self.loader(spec)
        return data_of(found, spec) if isinstance(found, RawTable) else found


def it_gives_as_many_targets_as_inputs(source: ReadableSource) -> None:
    """Each row of inputs has one target, and there are rows."""
    raw = source.read()
    assert len(raw.inputs) == len(raw.targets) > 0


def its_inputs_are_numbers_of_a_table_or_of_images(source: ReadableSource) -> None:
    """Inputs are (rows, features) or (rows, channels, height, width)."""
    raw = source.read()
    assert raw.inputs.dtype.kind in "biuf"
    assert raw.inputs.ndim in (2, 4)


def it_names_all_columns_or_none(source: ReadableSource) -> None:
    """A table has as many names as features, if it has any."""
    raw = source.read()
    assert len(raw.columns) in (0, raw.inputs.shape[1])


def its_test_file_has_the_same_inputs(source: ReadableSource) -> None:
    """Rows of a test file of its own look as the others do."""
    raw = source.read()
    if raw.test is not None:
        assert raw.test.inputs.shape[1:] == raw.inputs.shape[1:]
        assert len(raw.test.inputs) == len(raw.test.targets)
        assert (raw.test.weights is None) == (raw.weights is None)


def it_reads_the_same_twice(source: ReadableSource) -> None:
    """Two readings give the same rows, whatever the seed of the split."""
    once, again = source.read(), source.read(split_seed=5)
    assert np.array_equal(once.inputs, again.inputs, equal_nan=True)
    assert np.array_equal(once.targets, again.targets)


_PROMISES = (
    it_gives_as_many_targets_as_inputs,
    its_inputs_are_numbers_of_a_table_or_of_images,
    it_names_all_columns_or_none,
    its_test_file_has_the_same_inputs,
    it_reads_the_same_twice,
)


def checks(loader: Loader, spec: DataSpec) -> list[Check[ReadableSource]]:
    """Return the checks of a loader on data that it can read."""
    return bound(_PROMISES, ReadableSource(loader, spec))
