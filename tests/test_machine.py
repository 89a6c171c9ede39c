"""Machines that are short of something, and folders that hold what should not be run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from hpsearch.errors import (
    EXIT_INTERRUPTED,
    EXIT_NO_RESOURCES,
    EXIT_NO_WINNER,
    EXIT_OK,
    EXIT_USAGE,
)
from hpsearch.report.board.view import canonical
from hpsearch.study.store import read
from hpsearch.study.trial import Failed
from tests.helpers.commands import AS_MODULE, ROOT, TIMEOUT, as_script, ended, script
from tests.helpers.processes import kill, server_of, stop, workers_of

_DISTRIBUTIONS = (
    *("click", "hpsearch", "jinja2", "joblib", "numpy", "pandas", "pyarrow", "pydantic", "rich"),
    *("safetensors", "scipy", "sitecustomize", "sklearn", "skopt", "sympy", "threadpoolctl"),
    *("torch", "triton", "typing_extensions", "usercustomize", "yaml"),
)
_SMALL = ("random", "--budget", "2", "--epochs", "1", "--quiet")
_MINIMIZE = """
import hpsearch, beside

def bowl(params):
    return beside.square(params["x"])

if __name__ == "__main__":
    found = hpsearch.minimize(bowl, {"x": {"min": 0.0, "max": 1.0}}, "random", 4, workers=2)
    assert found.best is not None
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a folder with a module for every name that anything might import, but hpsearch."""
    folder = tmp_path / "hostile"
    for name in {*sys.stdlib_module_names, *_DISTRIBUTIONS} - {"hpsearch"}:
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"open({str(folder / 'EXECUTED')!r}, 'a').close()\n")
    return folder


def executed(folder: Path) -> bool:
    return (folder / "EXECUTED").exists()


@pytest.mark.group("working directories")
class TestWorkingDirectory:
    """What lies in the working directory is never imported."""

    @pytest.mark.slow
    @pytest.mark.parametrize("arguments", [_SMALL, ("diagnose", "--smoke", "--quiet")])
    @pytest.mark.parametrize("run", [as_script, lambda folder: AS_MODULE])
    def test_by_a_command(
        self, run: Callable[[Path], tuple[str, ...]], arguments: tuple[str, ...], hostile: Path
    ) -> None:
        command = run(hostile.parent / "programs")
        if command is not AS_MODULE:  # where Python itself imports it from there
            (hostile / "hpsearch").mkdir()
            (hostile / "hpsearch" / "__init__.py").write_text("open('EXECUTED', 'a').close()\n")
        done = ended(hostile, *command, *arguments)
        assert done.returncode == EXIT_OK, done.stderr
        assert not executed(hostile)

    @pytest.mark.parametrize(  # the latter has the name of a module that others import
        "name", ["search.py", pytest.param("grp.py", marks=pytest.mark.slow)]
    )
    def test_by_the_workers_of_a_script(self, name: str, hostile: Path) -> None:
        (hostile / "hpsearch.py").write_text("open('EXECUTED', 'a').close()\n")
        command = script(hostile.parent / "own", _MINIMIZE, name)
        script(hostile.parent / "own", "def square(x):\n    return x * x\n", "beside.py")
        done = ended(hostile, *command)
        assert done.returncode == EXIT_OK, done.stderr
        assert not executed(hostile)

    def test_a_script_that_searches_again_in_each_worker_is_refused(self, tmp_path: Path) -> None:
        script(tmp_path, "def square(x):\n    return x * x\n", "beside.py")
        unguarded = _MINIMIZE.replace('__name__ == "__main__"', "True")
        done = ended(tmp_path, *script(tmp_path, unguarded))
        assert "error[E020]: the script starts a search again in each worker" in done.stderr

    @pytest.mark.parametrize("arguments", [("leaderboard",), _SMALL])
    def test_a_name_that_is_not_utf8_is_refused(
        self, arguments: tuple[str, ...], tmp_path: Path
    ) -> None:
        folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
        Path(folder).mkdir()
        for where, extra in ((folder, ()), (str(tmp_path), (folder,))):
            done = ended(where, *AS_MODULE, *arguments, *extra)
            assert done.returncode == EXIT_USAGE
            assert done.stderr.startswith("error[E014]: the name of")
        assert not list(Path(folder).iterdir())

    @pytest.mark.parametrize("arguments", [("leaderboard",), _SMALL])
    def test_one_that_is_gone_is_refused(self, arguments: tuple[str, ...], tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        command = " ".join((*AS_MODULE, *arguments))
        done = ended(gone, "sh", "-c", f"rmdir {gone} && exec {command}")
        assert done.returncode == EXIT_USAGE
        assert done.stderr.startswith("error[E014]: the working directory cannot be used")


def survives(working: Path, limit: str) -> None:
    """See that a search ends well under a limit of the shell, or with a word on what it lacks."""
    command = " ".join((*AS_MODULE, *_SMALL, "--workers", "4", "--set", "search.wave=4"))
    done = ended(working, "sh", "-c", f"{limit} && exec {command}")
    if done.returncode == EXIT_INTERRUPTED:  # so OpenBLAS ends its process if it gets no thread
        assert "OpenBLAS blas_thread_init" in done.stderr
        return
    assert done.returncode in (EXIT_OK, EXIT_NO_RESOURCES, EXIT_NO_WINNER), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == EXIT_NO_WINNER:  # workers could begin, and train nothing
        results = read(working / "runs" / "digits-random").history.results.values()
        assert {result.kind for result in results if isinstance(result, Failed)} == {"memory"}
    if done.returncode == EXIT_NO_RESOURCES:
        # a library that finds no memory may end its process with a word of its own, before ours
        *_, said, help = done.stderr.splitlines()
        assert said.startswith("error[E171]: ")
        assert help.startswith("   = help: ")


@pytest.mark.group("limits of the system")
@pytest.mark.parametrize(
    "most",
    [
        pytest.param(12, marks=pytest.mark.slow),
        *(pytest.param(most, marks=pytest.mark.faults) for most in (*range(5, 25), 30, 40)),
    ],
)
def test_few_open_files_are_enough_or_are_said_to_be_too_few(most: int, tmp_path: Path) -> None:
    survives(tmp_path, f"ulimit -n {most}")


@pytest.mark.faults
@pytest.mark.group("limits of the system")
@pytest.mark.parametrize("megabytes", [300, 400, 500, 600, 800, 1500])  # below, scipy hangs
def test_little_memory_is_enough_or_is_said_to_be_too_little(
    megabytes: int, tmp_path: Path
) -> None:
    survives(tmp_path, f"ulimit -v {megabytes}000")


@pytest.fixture
def processes() -> Iterator[Path]:
    """Return a group of processes that may have a limit."""
    group = Path(f"/sys/fs/cgroup/pids/hpsearch-{os.getpid()}")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("only who may make a group of processes can limit it")
    yield group
    group.rmdir()


@pytest.mark.faults
@pytest.mark.group("limits of the system")
@pytest.mark.parametrize("most", [5, 6, 7, 8, 10])  # with fewer OpenBLAS interrupts its process
def test_few_processes_are_enough_or_are_said_to_be_too_few(
    most: int, processes: Path, tmp_path: Path
) -> None:
    survives(tmp_path, f"echo {most} > {processes}/pids.max && echo $$ > {processes}/cgroup.procs")


def after_two_results(act: Callable[[int], None]) -> Callable[[int, Path], None]:
    """Return a deed that is done when two trials have ended."""

    def wait_and_act(pid: int, progress: Path) -> None:
        deadline = time.monotonic() + TIMEOUT
        while "[ 2/" not in progress.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        act(pid)

    return wait_and_act


def kill_the_server_twice(pid: int, progress: Path) -> None:
    for _ in range(2):
        kill(server_of(pid))


def kill_a_worker(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(min(workers_of(pid)), number)


def kill_the_server_and_a_worker(pid: int) -> None:
    worker = min(workers_of(pid))
    kill(server_of(pid))
    os.kill(worker, signal.SIGKILL)


def stop_the_server_and_kill_a_worker(pid: int) -> None:
    worker = min(workers_of(pid))
    stop(server_of(pid))
    os.kill(worker, signal.SIGKILL)


def stop_all_but_workers(pid: int) -> None:
    server = server_of(pid)
    for one in (pid, server):
        stop(one)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return what runs a search to its end, disturbed or not, and returns its leaderboard."""

    def board(deed: Callable[[int, Path], None] | None = None) -> str:
        folder = tmp_path_factory.mktemp("disturbed")
        with (folder / "progress").open("w") as progress:
            process = subprocess.Popen(
                [*AS_MODULE, "random", "--budget", "12", "--epochs", "10", "--workers", "2"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=progress,
            )
        if deed:
            deed(process.pid, folder / "progress")
        assert process.wait(TIMEOUT) == EXIT_OK
        assert "Traceback" not in (folder / "progress").read_text()
        return canonical(read(folder / "runs" / "digits-random"))

    return board


@pytest.fixture(scope="module")
def calm(disturbed: Callable[..., str]) -> str:
    """Return the leaderboard of the search that nobody disturbs."""
    return disturbed()


_DEEDS: Mapping[str, Callable[[int, Path], None]] = {
    "the server, while it starts": kill_the_server_twice,
    "the first worker": lambda pid, progress: kill_a_worker(pid),
    "the server": after_two_results(lambda pid: kill(server_of(pid))),
    "the server and a worker": after_two_results(kill_the_server_and_a_worker),
    "a worker, by a signal without a name": after_two_results(partial(kill_a_worker, number=40)),
    "a worker, while the server is stopped": after_two_results(stop_the_server_and_kill_a_worker),
    "nobody, but the server is stopped": after_two_results(lambda pid: stop(server_of(pid))),
    "nobody, but all except workers are stopped": after_two_results(stop_all_but_workers),
}


@pytest.mark.faults
@pytest.mark.group("machinery of workers")
@pytest.mark.parametrize("killed", _DEEDS)
def test_a_search_ends_as_a_calm_one_whoever_is_killed(
    killed: str, calm: str, disturbed: Callable[..., str]
) -> None:
    assert disturbed(_DEEDS[killed]) == calm
