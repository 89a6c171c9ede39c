"""Disks that are full or forbidden: the search ends in a line, and what it has said is kept."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from hpsearch.commands.session import _log
from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_DISK_FULL, DiskFull, HpsearchError
from hpsearch.report.board.view import canonical
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.files import write
from hpsearch.study.folder import FILE, sweep_study
from hpsearch.study.record import Session, TestEvaluation
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done, Epoch, Failed, Result, Trial
from tests.helpers.disk import largest
from tests.helpers.studies import create
from tests.helpers.tally import Tallies

_TRIALS, _WAVE, _COHORT = 36, 12, 4
_NOBODY = 65534


def result(number: int) -> Result:
    """Return what trial `number` comes to."""
    rng = Random(number)
    curve = tuple(Epoch(number, k, rng.random(), rng.random(), rng.random()) for k in range(1, 11))
    if number % 7 == 3:
        return Failed("error", "the last line of a traceback " * 30, 1.0, curve)
    return Done(rng.random(), rng.random(), 1.0, 1e9, 100, 10, 7, curve)


def searched(folder: Path, said: list[int]) -> None:
    """Begin a study or go on with it, to its end; note in `said` what was acknowledged."""
    with (
        Store.open(folder) if (folder / FILE).exists() else create(folder, budget=_TRIALS) as store
    ):
        history = store.study().history
        while len(history.results) < _TRIALS:
            if not history.pending:
                wave = [
                    Trial(n, {"x": n / 7}, "", n // _WAVE, n // _COHORT) for n in range(_TRIALS)
                ]
                store.record_wave(wave[len(history) : len(history) + _WAVE])
                history = store.study().history
            numbers = [trial.number for trial in history.pending[:_COHORT]]
            store.record_results({number: result(number) for number in numbers})
            said += numbers
            history = store.study().history
        store.record_test(TestEvaluation(0, 0.5, 0.5))
        store.record_session(Session(1.0, 0))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study that had all the room that it wanted."""
    folder = tmp_path_factory.mktemp("calm") / "study"
    searched(folder, [])
    return repr(read(folder))


@pytest.mark.parametrize(
    "k", [*range(0, 60, 10), *(pytest.param(k, marks=pytest.mark.faults) for k in range(60))]
)
def test_where_a_disk_is_full_the_study_holds_what_was_said_and_goes_on_later(
    tmp_path: Path, k: int, calm: str, tally: Tallies
) -> None:
    folder, said = tmp_path / "study", list[int]()
    with tally("disk").attempt():
        with largest(10 + 850 * k), pytest.raises(DiskFull) as full:
            searched(folder, said)
        (problem,) = full.value.problems
        assert problem.message.startswith(f"cannot write to {folder}: ")
        assert len(problem.message.splitlines()) == 1
        if (folder / FILE).exists():
            assert sorted(read(folder).history.results) == said
        searched(folder, said)
        assert said == list(range(_TRIALS))
        assert repr(read(folder)) == calm


def test_a_file_is_old_or_new_and_never_half(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", b"old")
    with largest(50), pytest.raises(DiskFull):
        write(tmp_path / "config.yaml", b"new " * 100)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_bytes() == b"old"
    write(tmp_path / "config.yaml", b"new " * 100)
    assert (tmp_path / "config.yaml").read_bytes() == b"new " * 100


def test_what_a_kill_has_left_half_written_is_removed(tmp_path: Path) -> None:
    artefacts = tmp_path / "artefacts"
    write(artefacts / ("ab" * 32), b"whole")
    for half in (tmp_path / "config.yaml", artefacts / "artefact", artefacts / ("cd" * 32)):
        half.with_name(f"{half.name}.123.tmp").touch()
    sweep_study(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ab" * 32]


@pytest.mark.parametrize("place", ["", "artefacts"])
@pytest.mark.parametrize(
    "name", ["my_notes.tmp", "notes.123.tmp", "x.tmp", "config.yaml.tmp", "a.pause.safetensors"]
)
@pytest.mark.parametrize("put", [Path.touch, Path.mkdir], ids=["a file", "a folder"])
def test_what_is_somebody_elses_is_let_alone(
    tmp_path: Path, place: str, name: str, put: Callable[[Path], None]
) -> None:
    (tmp_path / "artefacts").mkdir()
    put(tmp_path / place / name)
    sweep_study(tmp_path)
    Artefacts(tmp_path / "artefacts").keep_only(())
    assert (tmp_path / place / name).exists()


def test_a_folder_with_the_name_of_an_artefact_is_let_alone(tmp_path: Path) -> None:
    for name in ("ab" * 32, f"{'ab' * 32}.1.tmp"):
        (tmp_path / "artefacts" / name).mkdir(parents=True)
    sweep_study(tmp_path)
    Artefacts(tmp_path / "artefacts").keep_only(())
    assert len([*(tmp_path / "artefacts").iterdir()]) == 2


def test_a_log_that_has_no_room_is_said_to_have_none() -> None:
    with pytest.raises(DiskFull, match="cannot write to /dev/full: No space left on device"):
        _log(Path("/dev/full"), "a traceback")


@contextmanager
def forbidden() -> Iterator[Path]:
    """A folder with a study that may be read, but not written."""
    folder = Path(tempfile.mkdtemp())
    create(folder / "study").close()
    for path in (folder, folder / "study", *(folder / "study").iterdir()):
        path.chmod(0o555)
    try:
        yield folder
    finally:
        for path in (folder, folder / "study"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def by_somebody(use: Callable[[], object]) -> str:
    """Return which of hpsearch's own errors a call raises that is made by an ordinary user."""
    if os.geteuid():
        return raised(use)
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.setuid(_NOBODY)
        os.write(there, raised(use).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(there)
    with os.fdopen(here) as said:
        return said.read()


def raised(use: Callable[[], object]) -> str:
    try:
        use()
    except HpsearchError as error:
        return f"{error.exit_code} {error.problems[0].message}"
    except BaseException as error:
        return f"a traceback: {error!r}"
    return ""


def test_a_study_in_a_folder_that_may_not_be_written_can_be_read(tally: Tallies) -> None:
    with forbidden() as folder, tally("disk").attempt():
        assert by_somebody(lambda: read(folder / "study")) == ""


@pytest.mark.parametrize(
    "use", [lambda folder: Store.open(folder / "study"), lambda folder: create(folder / "new")]
)
def test_who_would_write_there_is_told(use: Callable[[Path], Store], tally: Tallies) -> None:
    with forbidden() as folder, tally("disk").attempt():
        said = by_somebody(lambda: use(folder))
        assert said.startswith(f"{EXIT_CANNOT_WRITE} cannot write to {folder}/")
        assert said.endswith("Permission denied")


# The command itself, with real trainings.

_SEARCH = ["random", "space.yaml", "--budget", "6", "--study", "study"]
_SPACE = """
data: {source: wine}
train: {epochs: 1, width: 2048}
parameters: {lr: {min: 1e-4, max: 1e-1, log: true}}
"""  # the data and the study's file are smaller than the weights of a trial


def hpsearch(folder: Path, *arguments: str, size: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command where no file may be larger than `size` (0: any may)."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-m", "hpsearch", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit if size else None,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The board of the search that had room."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "space.yaml").write_text(_SPACE)
    assert hpsearch(folder, *_SEARCH).returncode == 0
    return canonical(read(folder / "study"))


@pytest.mark.parametrize(
    ("size", "what"),
    [
        pytest.param(100_000, "study/artefacts/[0-9a-f]{64}:", marks=pytest.mark.slow),
        pytest.param(44_000, "study", marks=pytest.mark.faults),
    ],
)
def test_a_search_without_room_ends_in_a_line_and_goes_on_when_there_is_some(
    tmp_path: Path, size: int, what: str, whole: str, tally: Tallies
) -> None:
    (tmp_path / "space.yaml").write_text(_SPACE)
    with tally("disk").attempt():
        done = hpsearch(tmp_path, *_SEARCH, size=size)
        ended_in_a_line(done, what)
        again = ["resume", "study"] if (tmp_path / "study" / FILE).exists() else _SEARCH
        assert hpsearch(tmp_path, *again).returncode == 0
        assert canonical(read(tmp_path / "study")) == whole


@pytest.mark.slow
def test_nor_does_one_without_room_for_the_data(tmp_path: Path, tally: Tallies) -> None:
    (tmp_path / "space.yaml").write_text(_SPACE.replace("wine", "digits").replace("2048", "16"))
    with tally("disk").attempt():
        done = hpsearch(tmp_path, *_SEARCH, size=100_000)
        ended_in_a_line(done, "study/artefacts/artefact[.]")
        assert not read(tmp_path / "study").history
        assert hpsearch(tmp_path, "resume", "study").returncode == 0
        assert len(read(tmp_path / "study").history.results) == 6


# A small disk of its own, which is enlarged afterwards; unshare hides it from all others, and it
# goes with its shell.
_ON_A_SMALL_DISK = """
cp space.yaml /tmp/space.$$ && mount -t tmpfs -o size=400k none "$PWD" && cd "$PWD" || exit 99
mv /tmp/space.$$ space.yaml
"$@"
echo "ended with $?" >&2
mount -o remount,size=64m "$PWD"
"$1" -m hpsearch resume study -q > /dev/null &&
"$1" -c "
from pathlib import Path
from hpsearch.report.board.view import canonical
from hpsearch.study.store import read
print(canonical(read(Path('study'))))"
"""


@pytest.mark.faults
def test_nor_does_a_small_disk_that_is_enlarged_lose_anything(
    tmp_path: Path, whole: str, tally: Tallies
) -> None:
    (tmp_path / "space.yaml").write_text(_SPACE)
    with tally("disk").attempt():
        search = [sys.executable, "-m", "hpsearch", *_SEARCH]
        alone = [
            "unshare",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            _ON_A_SMALL_DISK,
            "sh",
            *search,
        ]
        done = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        if done.returncode and "ended with" not in done.stderr:
            pytest.skip(
                f"no disk can be made here ({done.stderr.strip()}); the others have limits on files"
            )
        assert f"ended with {EXIT_DISK_FULL}" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout.strip() == whole


def ended_in_a_line(done: subprocess.CompletedProcess[str], what: str) -> None:
    """See that a full disk ended a command in a line, which names a file that matches `what`."""
    print(done.stderr)
    assert done.returncode == EXIT_DISK_FULL
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert re.search(f"cannot write to {what}", line)
    assert "Traceback" not in done.stderr
