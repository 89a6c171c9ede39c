"""Training jobs for which a device, or a worker, has too little memory."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hpsearch.commands.basis import planned_on
from hpsearch.data import DataSpec, stored
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.cohorts import arrays
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.memory import data_bytes, member_bytes
from hpsearch.objectives.jobs import DataRef, TrainingJob
from hpsearch.objectives.networks import Networks, set_up
from hpsearch.objectives.training import train_cohort
from hpsearch.runners import Resources, Work, WorkCrashed, WorkFinished, WorkKey
from hpsearch.runners.local import LocalOptions
from hpsearch.study.artefacts import Artefacts, Held
from hpsearch.study.trial import Done, Epoch, Failed, Result, TrialEnded
from tests.helpers.pretended import Pretended
from tests.helpers.problems import blobs, member
from tests.helpers.studies import META
from tests.objectives.test_networks import spec

DATA = prepare(DataSpec("wine"))
WIDE = 200
"""The width of networks of which thirty-two take about a hundred megabytes."""


def job(artefacts: Artefacts, count: int, width: int = 8, device: Device = CPU) -> TrainingJob:
    """Return the training of so many trials for two epochs, as one array, and of a wide one."""
    members = [member(k, width=width, depth=2, lr=0.001 * (k + 1)) for k in range(count)]
    held = Held(artefacts.fill(partial(stored.write, DATA)))
    return TrainingJob(tuple(members), DataRef(held), "loss", 0, device)


def test_a_cohort_that_does_not_fit_gives_all_results_but_that_of_the_trial_that_never_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts = Artefacts(tmp_path)
    asked = job(artefacts, 6)
    wide = member(6, width=60, depth=2)
    asked = TrainingJob((*asked.members, wide), asked.data, "loss", 0, CPU)
    one, most = (member_bytes(m.settings, DATA.shape, DATA.outputs) for m in asked.members[-2:])
    device = Pretended(monkeypatch, (one + most) // 2, until=1)
    events = [*train_cohort(asked, artefacts)]
    assert device.arrays[0] == 7
    results = {event.run: event.result for event in events if isinstance(event, TrialEnded)}
    assert isinstance(failed := results.pop(6), Failed)
    assert failed.kind == "memory"
    assert sorted(results) == [*range(6)]
    for result in results.values():
        assert isinstance(result, Done)
        assert result.halved
        assert result.weights is not None
        assert artefacts.read(result.weights)
    epochs = [(event.number, event.epoch) for event in events if isinstance(event, Epoch)]
    assert len(epochs) == len(set(epochs))


def given(asked: TrainingJob, artefacts: Artefacts, more: int) -> dict[int, Result]:
    """Return the results from a fresh worker that may have so many bytes more than it begins with.

    It is a fresh one since a worker keeps the memory that it has had.
    """
    call, events = "tests.helpers.pretended:train_tightly", list[object]()
    with LocalOptions().build(Resources(), artefacts) as runner:
        runner.submit(Work(WorkKey(0), call, (asked, more), set_up=set_up(1)))
        while not events or not isinstance(events[-1], WorkFinished | WorkCrashed):
            events += [event for _, event in runner.wait(1.0)]
    assert events[-1] == WorkFinished()
    return {event.run: event.result for event in events if isinstance(event, TrialEnded)}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the data of a process")
def test_a_worker_that_may_hold_little_trains_in_halves(tmp_path: Path) -> None:
    artefacts = Artefacts(tmp_path)
    asked = job(artefacts, 32, WIDE)
    assert len(arrays(asked.members, DATA.shape, DATA.outputs, CPU)) == 1
    much, little = (given(asked, artefacts, more) for more in (1_000_000_000, 60_000_000))
    assert sorted(little) == sorted(much) == [*range(32)]
    for number, result in little.items():
        other = much[number]
        assert isinstance(result, Done)
        assert isinstance(other, Done)
        assert (result.halved, other.halved) == (True, False)
        assert result.loss == pytest.approx(other.loss, rel=1e-3)


def test_networks_plan_beside_their_data() -> None:
    little = Device("cpu", "", 10**9)
    objective = Networks(spec("data: {source: wine}")).on(blobs(), Held("d"), little, 1)
    assert objective.device.memory == 10**9 - data_bytes(blobs())


def test_a_study_goes_on_in_the_cohorts_that_it_was_planned_in() -> None:
    here = Device("cuda", "another GPU", 40 * 10**9)
    begun = replace(META, device_memory=80 * 10**9)
    assert planned_on(begun, here) == replace(here, memory=80 * 10**9)
    assert planned_on(META, here).memory is None  # it was planned without a limit
