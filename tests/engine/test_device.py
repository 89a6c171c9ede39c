"""How torch is set up in a process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from hpsearch.engine.device import choose, own
from hpsearch.slots import SLOT, SLOTS

TWICE = """
import os
import torch
from hpsearch.engine.device import set_up

for threads in (1, 2):
    set_up(threads)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == (threads, 1)
    torch.ones(300, 300) @ torch.ones(300, 300)
"""


def test_a_process_that_works_on_may_be_set_up_again() -> None:
    subprocess.run([sys.executable, "-c", TWICE], check=True)


def test_a_cpu_sets_no_limit_to_arrays() -> None:
    (device,) = choose("cpu", None)
    assert (device.name, device.kind, device.memory) == ("cpu", "cpu", None)
    assert device.processor


@pytest.mark.parametrize(("slot", "name"), [(None, "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")])
def test_of_two_gpus_each_worker_has_its_own(
    slot: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv(SLOT, raising=False)
    monkeypatch.setenv(SLOTS, "3")
    if slot is not None:
        monkeypatch.setenv(SLOT, slot)
    assert own("cuda") == name
    assert own("cuda:1") == "cuda:1"
    assert own("cpu") == "cpu"
