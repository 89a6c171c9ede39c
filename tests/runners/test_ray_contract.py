"""What every runner promises, kept by Ray: on a cluster of one node, which all checks share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

from hpsearch.runners import Resources, Runner
from hpsearch.runners.ray import RayOptions
from hpsearch.runners.ray.node import _own_folder, sweep
from hpsearch.study.artefacts import Artefacts
from hpsearch.testing import Check
from hpsearch.testing.runners import Build, checks, fault_checks, process_checks
from tests.helpers.commands import ROOT, ended, script
from tests.helpers.processes import descendants, is_gone

pytestmark = pytest.mark.slow

_SCRIPT = """
from pathlib import Path
import beside
from hpsearch.runners import Resources, Work, WorkKey
from hpsearch.runners.ray import RayOptions
from hpsearch.runners.ray.node import _own_folder, sweep
from hpsearch.study.artefacts import Artefacts
from hpsearch.testing.runners import events_of

def work(number, artefacts):
    yield number.value

class Number:
    def __init__(self, value):
        self.value = beside.square(value)

if __name__ == "__main__":
    with RayOptions().build(Resources(), Artefacts(Path("artefacts"))) as runner:
        print(events_of(runner, Work(WorkKey(0), "__mp_main__:work", Number(3)))[0])
"""

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


class TestRayOfItsOwn:
    """What is only so where no address is given."""

    def test_no_process_is_left_when_the_coordinator_is_killed(self, tmp_path: Path) -> None:
        call = "hpsearch.testing.work:process"
        command = ("-m", "tests.helpers.coordinator", "ray", str(tmp_path / "a"), call, "600")
        process = subprocess.Popen(
            (sys.executable, *command), stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout
        workers = {int(process.stdout.readline()), int(process.stdout.readline())}
        left = descendants(process.pid)
        assert workers <= left
        process.kill()
        process.communicate()
        assert all(map(is_gone, left))

    def test_a_script_is_imported_by_its_workers(self, tmp_path: Path) -> None:
        (tmp_path / "beside.py").write_text("def square(x):\n    return x * x\n")
        done = ended(tmp_path, *script(tmp_path, _SCRIPT))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "9\n"


def test_folders_that_nobody_holds_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, held = _own_folder("mine")
    other, left = _own_folder("other")
    os.close(left)  # as when its process has died
    (other / "data").touch()
    sweep()
    assert (mine.exists(), other.exists()) == (True, False)
    sweep("mine")
    assert not mine.exists()
    os.close(held)
