"""What every runner promises, kept by Ray: on a cluster of one node, which all checks share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

from hpsearch.runners import Resources, Runner
from hpsearch.runners.ray import RayOptions
from hpsearch.study.artefacts import Artefacts
from hpsearch.testing import Check
from hpsearch.testing.runners import Build, checks, fault_checks, process_checks

pytestmark = pytest.mark.slow

_ADDRESS: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    found = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 2,
            "object_store_memory": 80 << 20,
            "include_dashboard": False,
        },
    )
    _ADDRESS.append(found.address)
    yield
    found.shutdown()


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep workers from importing pytest, the main module of their coordinator, for a second."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)


def build(resources: Resources, artefacts: Artefacts) -> Runner:
    return RayOptions(address=_ADDRESS[-1]).build(resources, artefacts)


_ALL = [check for suite in (checks, process_checks, fault_checks) for check in suite(build)]


@pytest.mark.parametrize("check", _ALL, ids=str)
def test_ray(check: Check[Build]) -> None:
    check()
