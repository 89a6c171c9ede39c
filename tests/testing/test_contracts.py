"""Every registered component passes the contract suite of its kind in `hpsearch.testing`."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpsearch.config.spec import networks_of, parse
from hpsearch.data import LOADERS, DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.models import MODELS
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.function import Function
from hpsearch.objectives.networks import Networks
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.running_trial import RunningTrial
from hpsearch.runners import Resources
from hpsearch.runners.local import Local
from hpsearch.space.parameters import Choice, Real
from hpsearch.space.space import Params, Space
from hpsearch.strategies import STRATEGIES
from hpsearch.study.artefacts import Artefacts
from hpsearch.testing import Check, bound, models, objectives, sources, strategies
from tests.helpers.programs import command
from tests.helpers.real import needs_mnist

YAML = """
data: {source: wine}
train: {epochs: 2, batch_size: 64}
parameters:
  lr: {min: 0.001, max: 0.1, log: true}
  width: {values: [4, 8]}
  depth: {values: [1, 2]}
"""


def named(name: str, checks: list[Check[Any]]) -> Iterator[Any]:
    for check in checks:
        yield pytest.param(check, id=f"{name}-{check}")


@pytest.mark.parametrize(
    "check",
    [one for name in STRATEGIES for one in named(name, strategies.checks(STRATEGIES.load(name)))],
)
def test_a_strategy_keeps_what_every_strategy_promises(check: Check[Any]) -> None:
    check()


@pytest.mark.parametrize(
    "check", [one for name in MODELS for one in named(name, models.checks(name))]
)
def test_a_model_keeps_what_every_model_promises(check: Check[Any]) -> None:
    check()


def spec_of(kind: str, folder: Path) -> DataSpec:
    """Return a spec of data that the loader of this kind can read."""
    rows = np.arange(24.0).reshape(8, 3)
    if kind.startswith(("*.csv", "*.tsv")):
        text = "a,b,y\n" + "".join(f"{k},{k * k},{k % 2}\n" for k in range(8))
        data = text.replace(",", "\t" if "tsv" in kind else ",").encode()
        (folder / f"d{kind[1:]}").write_bytes(gzip.compress(data) if "gz" in kind else data)
    elif kind == "*.npz":
        np.savez(folder / "d.npz", X=rows, y=np.arange(8) % 2)
    elif kind == "*.parquet":
        import pyarrow as pa  # noqa: PLC0415 (only this one needs it)
        import pyarrow.parquet as pq  # noqa: PLC0415

        pq.write_table(pa.table({"a": rows[:, 0], "y": rows[:, 1]}), folder / "d.parquet")
    elif kind == "*/":
        header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2])
        (folder / "images-idx3-ubyte").write_bytes(header + bytes(range(8)))
        (folder / "labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
        return DataSpec(str(folder))
    return DataSpec(f"d{kind[1:]}" if kind.startswith("*") else kind, target="y", folder=folder)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(name, marks=needs_mnist if name == "mnist" else ()) for name in LOADERS],
)
def test_a_source_of_data_keeps_what_every_source_promises(kind: str, tmp_path: Path) -> None:
    spec = spec_of(kind, tmp_path)
    spec = spec if kind != "*.npz" else DataSpec("d.npz", folder=tmp_path)
    for check in sources.checks(LOADERS.load(kind), spec):
        check()


def bowl(params: Params) -> float:
    return float(params["x"]) ** 2


def test_a_function_keeps_what_every_objective_promises() -> None:
    space = Space({"x": Real(-1.0, 1.0), "kind": Choice(("a", "b"))})
    for check in objectives.checks(Function(bowl, space)):
        check()


def training(params: Params, trial: RunningTrial) -> None:
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, float(params["x"]) ** 2 + 1 / epoch)


@pytest.mark.parametrize("in_process", [True, False])
def test_a_function_that_reports_keeps_it_as_well(tmp_path: Path, in_process: bool) -> None:
    space, reporting = Space({"x": Real(-1.0, 1.0)}), Reporting(epochs=4)
    function = Function(training, space, tmp_path, reporting, in_process=in_process)
    for check in objectives.checks(function):
        check()


def test_a_program_keeps_what_every_objective_promises(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    for check in objectives.checks(command(tmp_path)):
        check()


@pytest.mark.slow
def test_networks_keep_what_every_objective_promises(tmp_path: Path) -> None:
    spec, artefacts = (
        networks_of(parse(YAML, "space.yaml", tmp_path, strategy="random")),
        Artefacts(tmp_path),
    )
    data = prepare(spec.data)
    with stored_data(data, artefacts) as (data, held):
        networks = Networks(spec).on(data, held, CPU, 1)
        for check in objectives.checks(networks, lambda: Local(Resources(), artefacts)):
            check()


def test_a_check_names_its_promise_and_fails_where_it_is_broken() -> None:
    def promise(number: int) -> None:
        """It is 1."""
        assert number == 1

    (kept,) = bound([promise], 1)
    kept()
    (broken,) = bound([promise], 2)
    with pytest.raises(AssertionError):
        broken()
    assert str(broken) == "promise"
