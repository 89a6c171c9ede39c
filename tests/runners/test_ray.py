"""What the Ray runner decides without Ray: its options, its demands, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from hpsearch.config.schema import runner_model
from hpsearch.errors import SpecError
from hpsearch.runners import Resources, Work, WorkFinished, WorkKey
from hpsearch.runners.local import LocalOptions
from hpsearch.runners.options import RunnerOptions, refuse_unshared
from hpsearch.runners.ray import RayOptions
from hpsearch.runners.ray.cluster import (
    Demand,
    NodeFacts,
    refuse_demand,
    refuse_versions,
    versions_here,
)
from hpsearch.runners.ray.packed import CALL, unpacked
from hpsearch.study.artefacts import Artefacts
from hpsearch.testing.runners import events_of

SMALL = {"CPU": 2.0, "memory": 8e9, "object_store_memory": 1e9}
LARGE = {"CPU": 16.0, "GPU": 2.0, "memory": 64e9}


def node(name: str = "10.0.0.5 a", **versions: str) -> NodeFacts:
    return NodeFacts(name, SMALL, {**versions_here(), **versions})


class TestOptions:
    def test_keys_are_checked_like_all_others(self) -> None:
        keys = runner_model("ray").model_validate(
            {"name": "ray", "address": "10.0.0.5:6379", "gpus": 0.5, "memory": "4GB"}
        )
        assert keys.part(RayOptions).memory == 4 * 10**9

    @pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", "", "a b:1"])
    def test_an_address_is_that_of_a_cluster(self, address: str) -> None:
        with pytest.raises(ValidationError):
            RayOptions(address=address)

    @pytest.mark.parametrize("address", ["auto", "10.0.0.5:6379", "[fe80::1]:6379", "head-1:6379"])
    def test_a_host_with_its_port_is_one(self, address: str) -> None:
        assert RayOptions(address=address).address == address

    def test_without_ray_it_is_said_how_to_install_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("hpsearch.runners.ray.find_spec", lambda name: None)
        with pytest.raises(SpecError, match=r"E120.*\n.*pip install 'hpsearch\[ray\]'"):
            RayOptions().build(Resources(), Artefacts(tmp_path))

    def test_on_a_cluster_somebody_says_how_many_workers_there_are(self) -> None:
        assert RayOptions().default_workers(1, "auto") == LocalOptions().default_workers(1, "cpu")
        with pytest.raises(SpecError, match="E123"):
            RayOptions(address="auto").default_workers(1, "auto")

    @pytest.mark.parametrize(
        "runner", [LocalOptions(), RayOptions(), RayOptions(address="auto", shared=True)]
    )
    def test_files_are_shared_on_one_machine_and_where_it_is_said(
        self, runner: RunnerOptions
    ) -> None:
        refuse_unshared(runner, "halving of a command")

    def test_elsewhere_what_needs_shared_files_is_refused(self) -> None:
        with pytest.raises(SpecError, match=r"E124.*halving of a command needs a folder"):
            refuse_unshared(RayOptions(address="auto"), "halving of a command")


class TestDemand:
    @pytest.mark.parametrize(
        ("demand", "times"),
        [
            (Demand(1), 16),
            (Demand(0.5), 32),
            (Demand(1, 0.5), 4),
            (Demand(0.1, 0.1), 20),
            (Demand(1, 0, 20 * 10**9), 3),
            (Demand(32), 0),
        ],
    )
    def test_a_node_has_room_for_what_fits_into_each_resource(
        self, demand: Demand, times: int
    ) -> None:
        assert demand.times(LARGE) == times

    def test_what_one_node_has_is_not_refused(self) -> None:
        refuse_demand(Demand(1, 2), [node(), NodeFacts("b", LARGE, {})])

    def test_what_no_node_has_is_refused_with_what_there_is(self) -> None:
        with pytest.raises(SpecError) as error:
            refuse_demand(Demand(4, 0.5, 2 * 10**9), [node(), NodeFacts("b", {"CPU": 1.0}, {})])
        assert str(error.value).splitlines()[:3] == [
            "error[E122]: no node of the cluster has what each trial is to get: "
            "4 CPU, 0.5 GPU, 2 GB",
            "  | 10.0.0.5 a  2 CPU, 8 GB",
            "  | b           1 CPU",
        ]


class TestVersions:
    def test_equal_ones_are_not_refused(self) -> None:
        refuse_versions(versions_here(), [node(), node("b")])

    @pytest.mark.parametrize("name", ["python", "torch", "hpsearch"])
    def test_another_one_is_refused_with_a_table_of_all(self, name: str) -> None:
        with pytest.raises(SpecError) as error:
            refuse_versions(versions_here(), [node(), node("b", **{name: "0.0.1"})])
        head, first, here, same, other, _ = str(error.value).splitlines()
        assert head.startswith("error[E121]")
        assert first.split() == ["|", "node", "python", "torch", "hpsearch"]
        assert [*versions_here().values()] == here.split()[3:] == same.split()[3:]
        assert "0.0.1" in other
        (problem,) = error.value.problems
        assert problem.record()["table"] == [line[4:] for line in (first, here, same, other)]


def test_packed_work_gives_packed_events(tmp_path: Path) -> None:
    work = Work(WorkKey(0), "hpsearch.testing.work:count", 2)
    with LocalOptions().build(Resources(), Artefacts(tmp_path)) as runner:
        *events, last = events_of(runner, Work(WorkKey(0), CALL, pickle.dumps(work)))
    assert [unpacked(event) for event in events] == [0, 1]
    assert last == WorkFinished()
