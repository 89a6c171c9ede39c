"""GPUs that are there, or said to be, and how many workers there are for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpsearch import slots
from hpsearch.commands.flags import SearchFlags
from hpsearch.commands.search import run_options
from hpsearch.commands.session import resources
from hpsearch.config.schema import RunnerKeys
from hpsearch.config.spec import parse
from hpsearch.runners.ray import RayOptions

_CORES = 7
_TWO = "#!/bin/sh\necho GPU-aa\necho GPU-bb\n"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the program that lists GPUs, which is made to list two, on a machine of 7 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(_CORES))
    program = tmp_path / "nvidia-smi"
    program.write_text(_TWO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(slots.VISIBLE, raising=False)
    slots._installed.cache_clear()
    yield program
    slots._installed.cache_clear()


def test_gpus_are_those_of_the_driver_or_of_the_environment(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slots.visible_gpus() == ("GPU-aa", "GPU-bb")
    for told, found in (("", ()), ("-1", ()), ("3", ("3",)), ("0,2", ("0", "2"))):
        monkeypatch.setenv(slots.VISIBLE, told)
        assert slots.visible_gpus() == found


def test_a_driver_that_fails_has_none(driver: Path) -> None:
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert slots.visible_gpus() == ()


@pytest.mark.usefixtures("driver")
def test_each_gpu_has_one_worker_unless_told() -> None:
    asked = {"auto": 2, "cuda": 2, "cuda:1": 1, "cpu": _CORES}
    assert {name: resources(None, 1, None, RunnerKeys(), name).workers for name in asked} == asked
    assert resources(3, 1, None, RunnerKeys(), "cuda").workers == 3


@pytest.mark.usefixtures("driver")
def test_trainers_of_ones_own_and_ray_have_a_worker_for_each_core() -> None:
    given = "command: [train]\nparameters: {lr: {min: 0.1, max: 1}}\n"
    spec = parse(given, "search.yaml", Path(), strategy="random")
    options = run_options(SearchFlags.of({"config": None}), spec, 0.0)
    assert (options.device, options.resources.workers) == ("", _CORES)
    assert RayOptions(gpus=1).default_workers(1, "cuda") == _CORES
