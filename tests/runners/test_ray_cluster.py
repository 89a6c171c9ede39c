"""Searches on a cluster of Ray that loses nodes, workers and its driver: no trial is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

from hpsearch.errors import EXIT_OK, EXIT_USAGE
from hpsearch.report.board.view import canonical
from hpsearch.study.store import read
from hpsearch.study.trial import Done, Failed
from tests.helpers.commands import AS_MODULE, ROOT, TIMEOUT, ended
from tests.helpers.processes import descendants, kill, stop

pytestmark = pytest.mark.slow

_SPACE = """
data: {source: digits, split: {test: 0.2}}
train: {epochs: 18, patience: 0}
parameters:
  lr:    {min: 1e-4, max: 1e-1, log: true}
  depth: {values: [1, 2, 3]}
  batch_size: {values: [16, 32]}
search: {wave: 6}
"""
_SEARCHES = {
    "random": ("random", "--budget", "12"),
    "bayes": ("bayes", "--budget", "14"),
    "halving": ("random", "--budget", "6", "--halving"),
}
_STORE = 80 << 20  # bytes of objects, the least that Ray allows for


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of three nodes beside its head, on which nothing is trained."""
    node = {"object_store_memory": _STORE, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **node})
    for _ in range(3):
        found.add_node(wait=False, num_cpus=1, object_store_memory=_STORE)
    found.wait_for_nodes()
    yield found
    found.shutdown()


def of_ray(cluster: Cluster) -> tuple[str, ...]:
    return ("--runner", "ray", "--address", cluster.address, "--workers", "3")


@cache
def expected(name: str) -> object:
    """Return the board of a search that local workers ran, whom nobody disturbed."""
    folder = Path(mkdtemp())
    (folder / "space.yaml").write_text(_SPACE)
    arguments = (*_SEARCHES[name], "space.yaml", "--study", "local", "--quiet")
    done = ended(folder, *AS_MODULE, *arguments, "--workers", "2")
    assert done.returncode == EXIT_OK, done.stderr
    return canonical(read(folder / "local"))


class Running:
    """A search on a cluster, of which some trials have a result."""

    def __init__(self, folder: Path, name: str, where: Sequence[str]) -> None:
        self.study = folder / "study"
        (folder / "space.yaml").write_text(_SPACE)
        arguments = (*_SEARCHES[name], "space.yaml", "--study", "study", "--json", *where)
        self.process = subprocess.Popen(
            (*AS_MODULE, *arguments),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._wait(lambda: len(read(self.study).history.results) >= 2)

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            if (self.study / "study.db").exists() and until():
                return
            time.sleep(0.05)
        raise TimeoutError

    def end(self) -> tuple[str, str]:
        """Return what it has printed, after it has ended well."""
        out, said = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == EXIT_OK, said
        return out, said


def tasks(process: int) -> list[int]:
    """Return the processes of Ray below this one that do a piece of work now."""
    found = []
    for pid in descendants(process):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::do"):
                found.append(pid)
        except OSError:
            continue
    return found


def a_busy_node(cluster: Cluster) -> tuple[Any, int]:
    """Return a node on which a trial is trained, and the process of Ray, which is stopped.

    So the trial cannot end before something becomes of either.
    """
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        for node in cluster.worker_nodes:
            (raylet,) = node.all_processes["raylet"]
            for task in tasks(raylet.process.pid):
                stop(task)
                if task in tasks(raylet.process.pid):
                    return node, task
                os.kill(task, signal.SIGCONT)
    raise TimeoutError


def left_on_this_machine() -> list[Path]:
    return [*Path("/tmp").glob("hpsearch-ray-*")]


def test_a_node_that_is_lost_costs_nothing_but_time(cluster: Cluster, tmp_path: Path) -> None:
    search = Running(tmp_path, "random", of_ray(cluster))
    node, task = a_busy_node(cluster)
    cluster.remove_node(node, allow_graceful=False)
    cluster.wait_for_nodes()  # until all know that it is gone
    with suppress(ProcessLookupError):  # what ran there is gone with it
        kill(task)
    out, said = search.end()
    assert canonical(read(search.study)) == expected("random")
    assert json.loads(out)["trials"]  # what Ray says is in neither of the streams
    (line,) = [line for line in said.splitlines() if "was lost" in line]
    assert "was lost; what it did is done again" in line
    assert "raylet" not in said
    assert "the node it was running on is dead" in (search.study / "ray.log").read_text()
    assert not left_on_this_machine()


def test_workers_that_are_killed_cost_nothing_but_time(cluster: Cluster, tmp_path: Path) -> None:
    search = Running(tmp_path, "bayes", of_ray(cluster))
    for _ in range(2):
        _, task = a_busy_node(cluster)
        kill(task)
    _, said = search.end()
    assert canonical(read(search.study)) == expected("bayes")
    assert "a process of Ray has died" in said


def test_a_driver_that_is_killed_goes_on_where_it_was(cluster: Cluster, tmp_path: Path) -> None:
    search = Running(tmp_path, "halving", of_ray(cluster))
    search.process.send_signal(signal.SIGKILL)
    search.process.communicate()
    before = len(read(search.study).history.results)
    done = ended(tmp_path, *AS_MODULE, "resume", "study", *of_ray(cluster))
    assert done.returncode == EXIT_OK, done.stderr
    study = read(search.study)
    assert canonical(study) == expected("halving")
    assert 2 <= before < len(study.history.results)
    assert not left_on_this_machine()


def test_only_the_trial_that_takes_too_much_memory_fails(cluster: Cluster, tmp_path: Path) -> None:
    trials = "trials: [{width: 16}, {width: 30000}, {width: 32}, {width: 8}]"
    text = f"data: {{source: digits}}\ntrain: {{epochs: 2, depth: 2}}\n{trials}\n"
    (tmp_path / "space.yaml").write_text(
        f"{text}parameters: {{width: {{min: 8, max: 30000, log: true}}}}\n"
    )
    for name, where in (("local", ()), ("ray", of_ray(cluster))):
        command = ("manual", "space.yaml", "--study", name, "--memory", "1GB", *where)
        done = ended(tmp_path, *AS_MODULE, *command)
        assert done.returncode == EXIT_OK, done.stderr
    study = read(tmp_path / "ray")
    results = [study.history.results[number] for number in range(4)]
    assert [type(one) for one in results] == [Done, Failed, Done, Done]
    assert isinstance(results[1], Failed)
    assert results[1].reason == "memory: it takes more than the 1 GB that a worker may hold"
    assert canonical(study) == canonical(read(tmp_path / "local"))


def test_a_function_beside_the_yaml_is_searched(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def loss(params):\n    return (params['x'] - 0.3) ** 2\n")
    space = "objective: mine:loss\nparameters: {x: {min: 0.0, max: 1.0}}\n"
    (tmp_path / "space.yaml").write_text(space)
    for study, where in (("ray", of_ray(cluster)), ("local", ("--workers", "2"))):
        arguments = ("random", "space.yaml", "--budget", "6", "--study", study, "--quiet")
        done = ended(tmp_path, *AS_MODULE, *arguments, *where)
        assert done.returncode == EXIT_OK, done.stderr
    assert canonical(read(tmp_path / "ray")) == canonical(read(tmp_path / "local"))


def refused(folder: Path, *where: str) -> tuple[str, float]:
    """Return what is said of a search that is refused, and after how many seconds."""
    (folder / "space.yaml").write_text(_SPACE)
    began = time.monotonic()
    done = ended(folder, *AS_MODULE, "random", "space.yaml", "--study", "none", *where)
    assert done.returncode == EXIT_USAGE, done.stderr
    assert not (folder / "none").exists()
    return done.stderr, time.monotonic() - began


def test_what_no_node_has_is_refused_within_seconds(cluster: Cluster, tmp_path: Path) -> None:
    said, seconds = refused(tmp_path, *of_ray(cluster), "--set", "runner.cpus=64")
    assert "error[E122]: no node of the cluster has what each trial is to get: 64 CPU" in said
    assert said.count("1 CPU, ") >= 2
    assert seconds < 60


def test_a_node_of_another_version_is_refused_before_the_first_trial(
    cluster: Cluster, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    (planted / "torch-0.1.0.dist-info").mkdir(parents=True)
    text = "Metadata-Version: 2.1\nName: torch\nVersion: 0.1.0\n"
    (planted / "torch-0.1.0.dist-info" / "METADATA").write_text(text)
    node = cluster.add_node(
        num_cpus=1, object_store_memory=_STORE, env_vars={"PYTHONPATH": str(planted)}
    )
    try:
        said, _ = refused(tmp_path, *of_ray(cluster))
    finally:
        cluster.remove_node(node)
    assert "error[E121]: the nodes of the cluster do not all have the versions" in said
    assert [line for line in said.splitlines() if "  0.1.0  " in line]


def test_no_cluster_at_an_address_is_an_error(tmp_path: Path) -> None:
    said, _ = refused(tmp_path, "--runner", "ray", "--address", "127.0.0.1:9", "--workers", "2")
    assert "no Ray can be used at 127.0.0.1:9" in said
