"""Data that change, are cut or vanish: what was read is searched, and nothing else is believed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.cli import cli
from hpsearch.errors import EXIT_CONFIG_DIFFERS, EXIT_NO_DATA, EXIT_OK, EXIT_USAGE
from hpsearch.report.board.view import canonical
from hpsearch.study.store import Store, read
from tests.helpers.tally import Tallies

ROWS = 60
CONFIG = """\
data: {{source: {source}{more}}}
train: {{epochs: 1, batch_size: 16}}
parameters: {{lr: {{min: 1e-4, max: 1e-1, log: true}}, width: {{values: [4, 8]}}}}
search: {{budget: 7, wave: 1, confirm: true}}
"""


def rows(seed: int) -> tuple[Any, Any]:
    """Return inputs, which are always the same, and labels of a draw."""
    inputs = np.random.default_rng(0).integers(0, 255, (ROWS, 4)).astype(np.float64)
    return inputs, np.random.default_rng(seed).permutation(np.arange(ROWS) % 2)


def csv(path: Path, seed: int) -> None:
    inputs, labels = rows(seed)
    lines = [",".join(map(str, [*row, label])) for row, label in zip(inputs, labels, strict=True)]
    path.write_text("\n".join(["a,b,c,d,y", *lines, ""]))


def parquet(path: Path, seed: int) -> None:
    inputs, labels = rows(seed)
    pq.write_table(pa.table({**dict(zip("abcd", inputs.T, strict=True)), "y": labels}), path)


def npz(path: Path, seed: int) -> None:
    inputs, labels = rows(seed)
    with path.open("wb") as file:
        np.savez(file, X=inputs, y=labels)


def idx(path: Path, seed: int) -> None:
    inputs, labels = rows(seed)
    path.mkdir(exist_ok=True)
    sizes = b"".join(n.to_bytes(4) for n in (ROWS, 2, 2))
    images = bytes([0, 0, 8, 3]) + sizes + inputs.astype(np.uint8).tobytes()
    (path / "images-idx3-ubyte").write_bytes(images)
    labelled = bytes([0, 0, 8, 1]) + ROWS.to_bytes(4) + labels.astype(np.uint8).tobytes()
    (path / "labels-idx1-ubyte").write_bytes(labelled)


SOURCES: Mapping[str, Callable[[Path, int], None]] = {
    "d.csv": csv,
    "d.parquet": parquet,
    "d.npz": npz,
    "idx": idx,
}


def replaced(source: Path) -> None:
    SOURCES[source.name](source, 1)


def cut(source: Path) -> None:
    for path in [*source.iterdir()] if source.is_dir() else [source]:
        os.truncate(path, path.stat().st_size // 2)


def emptied(source: Path) -> None:
    for path in [*source.iterdir()] if source.is_dir() else [source]:
        os.truncate(path, 0)


def deleted(source: Path) -> None:
    shutil.rmtree(source) if source.is_dir() else source.unlink()


ACTS = [replaced, cut, emptied, deleted]


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the threads and the switches of torch in this process as they are."""
    monkeypatch.setattr("hpsearch.engine.device.set_up", lambda threads: None)


def begun(folder: Path, source: str) -> Path:
    """Write data and a config in a folder; return the path of the data."""
    folder.mkdir(exist_ok=True)
    SOURCES[source](folder / source, 0)
    more = ", target: y" if source in ("d.csv", "d.parquet") else ""
    (folder / "space.yaml").write_text(CONFIG.format(source=source, more=more))
    return folder / source


def search(folder: Path, *more: str) -> Any:
    """Search in this process; return the exit code."""
    names = [str(folder / "space.yaml"), "--study", str(folder / "study")]
    return cli.main(["random", *names, "--runner", "inline", "-q", *more], standalone_mode=False)


def resume(folder: Path, *more: str) -> Any:
    """Go on in this process; return the exit code."""
    names = ["resume", str(folder / "study"), "--runner", "inline", "-q"]
    return cli.main([*names, *more], standalone_mode=False)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return what a search over a source comes to where nobody touches its data."""
    known: dict[tuple[str, ...], str] = {}

    def board(source: str, *more: str) -> str:
        if (source, *more) not in known:
            folder = tmp_path_factory.mktemp("calm") / "calm"
            begun(folder, source)
            assert search(folder, *more) == EXIT_OK
            known[source, *more] = canonical(read(folder / "study"))
        return known[source, *more]

    return board


class TestWhileASearchRuns:
    @pytest.mark.parametrize(
        ("source", "act", "after"),
        [
            pytest.param(source, act, after, marks=() if after == 1 and few else pytest.mark.faults)
            for source in SOURCES
            for act in ACTS
            for after in (0, 1, 5)
            for few in [source == "d.csv" or act is replaced]
        ],
    )
    def test_what_was_read_is_searched(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        calm: Callable[..., str],
        act: Callable[[Path], None],
        source: str,
        after: int,
        tally: Tallies,
    ) -> None:
        data, waves, record = begun(tmp_path / "one", source), list[int](), Store.record_wave

        def record_wave(store: Store, trials: Any) -> None:
            record(store, trials)
            if len(waves) == after:
                act(data)
            waves.append(1)

        expected = calm(source)
        monkeypatch.setattr(Store, "record_wave", record_wave)
        with tally("data that change").attempt():
            assert search(tmp_path / "one") == EXIT_OK
            found = read(tmp_path / "one" / "study")
            assert canonical(found) == expected
            assert found.evaluations
            assert len(waves) > after

    def test_the_artefact_of_the_data_has_no_name_that_could_be_touched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calm: Callable[..., str]
    ) -> None:
        begun(tmp_path / "one", "d.csv")
        before, record = list[Path](), Store.record_wave
        artefacts, expected = tmp_path / "one" / "study" / "artefacts", calm("d.csv")

        def record_wave(store: Store, trials: Any) -> None:
            before.extend(artefacts.iterdir() if not store.history() else ())
            shutil.rmtree(artefacts, ignore_errors=True)
            record(store, trials)

        monkeypatch.setattr(Store, "record_wave", record_wave)
        assert search(tmp_path / "one") == EXIT_OK
        assert not before
        assert canonical(read(tmp_path / "one" / "study")) == expected


class TestBeforeAResume:
    @pytest.mark.parametrize(
        ("source", "act"),
        [
            pytest.param(source, act, marks=() if source == "d.csv" else pytest.mark.faults)
            for source in SOURCES
            for act in ACTS
        ],
    )
    def test_other_data_are_refused_and_nothing_has_failed(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        calm: Callable[..., str],
        act: Callable[[Path], None],
        source: str,
        tally: Tallies,
    ) -> None:
        data, study = begun(tmp_path / "one", source), tmp_path / "one" / "study"
        assert search(tmp_path / "one", "--budget", "3", "--no-confirm") == EXIT_OK
        before = canonical(read(study))
        act(data)
        with tally("data that change").attempt():
            expected = EXIT_NO_DATA if act is deleted else EXIT_CONFIG_DIFFERS
            assert resume(tmp_path / "one", "--budget", "5") == expected
            said = capsys.readouterr().err
            assert "--data PATH" in said
            assert "Traceback" not in said
            assert canonical(read(study)) == before
            SOURCES[source](data, 0) if act is not deleted else begun(tmp_path / "one", source)
            assert resume(tmp_path / "one", "--budget", "5") == EXIT_OK
            assert canonical(read(study)) == calm(source, "--budget", "5", "--no-confirm")


class TestMoved:
    @pytest.mark.parametrize("source", SOURCES)
    def test_data_that_have_moved_are_known_by_their_digest_and_stay_there(
        self, tmp_path: Path, calm: Callable[..., str], source: str, monkeypatch: Any
    ) -> None:
        data, study = begun(tmp_path / "one", source), tmp_path / "one" / "study"
        assert search(tmp_path / "one", "--budget", "3", "--no-confirm") == EXIT_OK
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        data.rename(elsewhere / f"other-{source}")
        monkeypatch.chdir(elsewhere)
        assert resume(tmp_path / "one", "--budget", "4", "--data", f"other-{source}") == EXIT_OK
        monkeypatch.chdir(tmp_path)
        assert resume(tmp_path / "one", "--budget", "5") == EXIT_OK
        found = read(study)
        assert canonical(found) == calm(source, "--budget", "5", "--no-confirm")
        assert json.loads(found.meta.data)["source"] == str(elsewhere / f"other-{source}")

    def test_they_may_be_in_another_format(self, tmp_path: Path) -> None:
        begun(tmp_path / "one", "d.csv")
        assert search(tmp_path / "one", "--budget", "3", "--no-confirm") == EXIT_OK
        parquet(tmp_path / "d.parquet", 0)
        more = ["--budget", "4", "--data", str(tmp_path / "d.parquet")]
        assert resume(tmp_path / "one", *more) == EXIT_OK

    @pytest.mark.parametrize(
        ("given", "code", "said"),
        [
            ("other.csv", EXIT_CONFIG_DIFFERS, "is not what this study was begun with"),
            ("cut.csv", EXIT_CONFIG_DIFFERS, "is not what this study was begun with"),
            ("empty.csv", EXIT_CONFIG_DIFFERS, "is not what this study was begun with"),
            ("nothing.csv", EXIT_USAGE, "there is no '"),
            ("space.txt", EXIT_USAGE, "is no kind of data"),
        ],
    )
    def test_other_data_are_refused_and_the_study_left_as_it_is(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        given: str,
        code: int,
        said: str,
    ) -> None:
        begun(tmp_path / "one", "d.csv")
        assert search(tmp_path / "one", "--budget", "3", "--no-confirm") == EXIT_OK
        before = read(tmp_path / "one" / "study")
        csv(tmp_path / "other.csv", 1)
        csv(tmp_path / "cut.csv", 0)
        os.truncate(tmp_path / "cut.csv", 600)
        for name in ("empty.csv", "space.txt"):
            (tmp_path / name).touch()
        more = ["--budget", "4", "--data", str(tmp_path / given)]
        assert resume(tmp_path / "one", *more) == code
        assert said in capsys.readouterr().err
        assert read(tmp_path / "one" / "study") == before
        assert resume(tmp_path / "one", "--budget", "4") == EXIT_OK


def started(process: int) -> Sequence[int]:
    """Return the numbers of the processes that a search has started, and those that they have."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, parent = path.parent.name, path.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == process:
            found += [int(number), *started(int(number))]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("act", [replaced, deleted])
def test_a_worker_that_is_killed_when_the_data_have_changed_is_followed_by_one_that_knows_them(
    tmp_path: Path, calm: Callable[..., str], act: Callable[[Path], None], tally: Tallies
) -> None:
    data, study = begun(tmp_path / "one", "d.csv"), tmp_path / "one" / "study"
    command = [sys.executable, "-m", "hpsearch", "random", "space.yaml", "--study", "study"]
    pipes: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with (
        tally("data that change").attempt(),
        subprocess.Popen(command, cwd=data.parent, text=True, **pipes) as search,
    ):
        assert search.stderr is not None
        for line in search.stderr:
            if "trial 0" in line:
                break
        act(data)
        shutil.rmtree(study / "artefacts", ignore_errors=True)
        killed = [number for number in started(search.pid) if os.getpgid(number) == number]
        for number in killed:  # a worker leads a group of its own
            os.kill(number, signal.SIGKILL)
        search.stderr.read()
        assert search.wait(60) == EXIT_OK
        assert killed
        assert canonical(read(study)) == calm("d.csv")
