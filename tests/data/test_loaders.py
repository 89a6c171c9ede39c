"""The table of sources, and the records."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from hpsearch.data import LOADERS, DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.registry import resolve
from tests.helpers.sources import same


@pytest.mark.parametrize("name", LOADERS)
def test_each_loader_in_the_table_is_there(name: str) -> None:
    assert callable(resolve(LOADERS[name]))


def test_importing_the_records_loads_no_library_that_reads_data() -> None:
    heavy = ["pandas", "pyarrow", "sklearn", "scipy", "torch"]
    code = (
        "import sys, hpsearch.data.prepare, hpsearch.data.splits.resplit, hpsearch.data.stored\n"
        f"print(set({heavy}) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_dataset_can_be_sent_to_another_process() -> None:
    data = prepare(DataSpec("wine"))
    assert same(pickle.loads(pickle.dumps(data)), data)
