"""A study that is removed, moved or replaced while it is written ends the search in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpsearch.errors import EXIT_CANNOT_WRITE, CannotWrite, StudyInUse
from hpsearch.study.folder import FILE
from hpsearch.study.record import Session
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done, Trial
from tests.helpers.studies import create
from tests.helpers.tally import Tallies


def removed(study: Path, other: Path) -> None:
    (study / FILE).unlink()


def folder_removed(study: Path, other: Path) -> None:
    shutil.rmtree(study)


def moved(study: Path, other: Path) -> None:
    study.rename(study.with_name("elsewhere"))


def folder_replaced(study: Path, other: Path) -> None:
    moved(study, other)
    shutil.copytree(other, study)


def replaced(study: Path, other: Path) -> None:
    Path(shutil.copy(other / FILE, other / "copy")).replace(study / FILE)


def written_over(study: Path, other: Path) -> None:
    shutil.copyfile(other / FILE, study / FILE)


def emptied(study: Path, other: Path) -> None:
    os.truncate(study / FILE, 0)


def cut(study: Path, other: Path) -> None:
    os.truncate(study / FILE, 8192)


def made_a_link(study: Path, other: Path) -> None:
    (study / FILE).unlink()
    (study / FILE).symlink_to(other / FILE)


ACTS = [
    removed,
    folder_removed,
    moved,
    folder_replaced,
    replaced,
    written_over,
    emptied,
    cut,
    made_a_link,
]


def fill(store: Store, first: int) -> None:
    store.record_wave([Trial(first, {"x": first / 7}, "random", first, first)])
    store.record_results({first: Done(0.5, 0.5, 1.0, 1e9, 10, 1, 1)})


def other(folder: Path) -> Path:
    with create(folder / "other", name="another") as store:
        for number in range(5):
            fill(store, number)
    return folder / "other"


@pytest.mark.parametrize("begun", ["new", "gone on with"])
@pytest.mark.parametrize("act", ACTS)
def test_the_next_commit_says_so_and_the_other_study_is_left_as_it_is(
    tmp_path: Path, act: Callable[[Path, Path], None], begun: str, tally: Tallies
) -> None:
    study, there = tmp_path / "study", other(tmp_path)
    before = (there / FILE).read_bytes()
    store = create(study)
    if begun != "new":
        store.close()
        store = Store.open(study)
    with tally("studies that go").attempt():
        try:
            fill(store, 0)
            act(study, there)
            with pytest.raises(CannotWrite, match=f"{study / FILE}.* while it was being written"):
                fill(store, 1)
            with pytest.raises(CannotWrite):
                store.record_session(Session(1.0, 0))
        finally:
            store.close()
        assert (there / FILE).read_bytes() == before
        if act in (folder_replaced, replaced, written_over):
            assert read(study) == read(there)
        if act in (moved, folder_replaced):
            assert len(read(tmp_path / "elsewhere").history.results) == 1


def test_one_that_was_touched_or_folded_by_somebody_is_still_the_same(tmp_path: Path) -> None:
    with create(tmp_path / "study") as store:
        fill(store, 0)
        os.utime(tmp_path / "study" / FILE)
        fill(store, 1)
        (tmp_path / "study" / FILE).write_bytes((tmp_path / "study" / FILE).read_bytes())
        fill(store, 2)
    assert len(read(tmp_path / "study").history.results) == 3


@pytest.mark.parametrize("removed", [["study.lock"], ["study.lock", f"{FILE}-shm"]])
def test_a_lock_that_was_removed_lets_nobody_in(tmp_path: Path, removed: list[str]) -> None:
    study = tmp_path / "study"
    with create(study) as store:
        fill(store, 0)
        for name in removed:
            (study / name).unlink()
        with pytest.raises(StudyInUse, match="is in use by process"):
            Store.open(study)
        fill(store, 1)
        with pytest.raises(StudyInUse):
            Store.open(study)
    with Store.open(study) as store:
        assert len(store.history().results) == 2


@pytest.mark.slow
def test_on_the_command_line_nothing_claims_that_all_is_kept(tmp_path: Path) -> None:
    text = "data: {source: wine}\ntrain: {epochs: 30, patience: 0}\n"
    text += "parameters: {l2: {min: 0, max: 1}}\n"
    (tmp_path / "w.yaml").write_text(text)
    flags = ["--budget", "200", "--set", "search.wave=1", "--study", "study"]
    command = [sys.executable, "-m", "hpsearch", "random", "w.yaml", *flags]
    pipes: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as search:
        assert search.stderr is not None
        for line in search.stderr:
            if "[  3/200]" in line:
                break
        (tmp_path / "study" / FILE).unlink()
        said = search.stderr.read()
        assert search.wait(60) == EXIT_CANNOT_WRITE
    assert "error[E173]: study/study.db was removed while it was being written" in said
    assert "all is kept" not in said
    assert "Traceback" not in said
