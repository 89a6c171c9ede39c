"""A sound study is never called damaged: it is read where it can be, or the reason is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_DISK_FULL
from hpsearch.study.folder import FILE
from hpsearch.study.store import Store, read
from tests.helpers.studies import create
from tests.helpers.tally import Tallies
from tests.study.test_disk import by_somebody
from tests.study.test_removed import fill

ROOT = Path(__file__).parents[2]
_RESULTS = 3


@pytest.fixture
def killed() -> Iterator[Path]:
    """A study as a kill leaves it: what was committed last stands in the journal alone."""
    folder = Path(tempfile.mkdtemp())  # one that everybody may look into
    with create(folder / "study") as store:
        for number in range(_RESULTS - 1):
            fill(store, number)
        with closing(sqlite3.connect(folder / "study" / FILE, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM trial").fetchall()
            fill(store, _RESULTS - 1)
            shutil.copytree(folder / "study", folder / "killed")
    folder.chmod(0o755)
    (folder / "killed" / f"{FILE}-shm").unlink()
    try:
        yield folder / "killed"
    finally:
        (folder / "killed").chmod(0o755)
        shutil.rmtree(folder)


def has_all(study: Path) -> None:
    assert len(read(study).history.results) == _RESULTS


def test_without_an_index_and_where_none_can_be_made_a_copy_is_read(
    killed: Path, tally: Tallies
) -> None:
    killed.chmod(0o555)
    before = sorted(path.name for path in killed.iterdir())
    with tally("sound studies").attempt():
        assert by_somebody(lambda: has_all(killed)) == ""
        assert sorted(path.name for path in killed.iterdir()) == before


@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", "."])
@pytest.mark.parametrize("use", [read, Store.open])
def test_what_may_not_be_read_is_said(
    killed: Path, name: str, use: Callable[[Path], object], tally: Tallies
) -> None:
    (killed / name).chmod(0o000)
    with tally("sound studies").attempt():
        said = by_somebody(lambda: use(killed))
        assert said.startswith(f"{EXIT_CANNOT_WRITE} cannot read {killed}/{FILE}")
        assert said.endswith("Permission denied")


_SHELL = """
import sys
from pathlib import Path
from hpsearch.errors import HpsearchError
from hpsearch.study.store import Store, read
print(len(read(Path("here")).history.results))
try:
    Store.open(Path("here"))
except HpsearchError as error:
    print(error.exit_code, error.problems[0].message)
"""
_PLACES = {
    "a file system that may be read only": (
        "mount --bind killed here && mount -o remount,ro,bind here",
        f"{EXIT_CANNOT_WRITE} cannot write to here/study.lock: Read-only file system",
    ),
    "a disk without a place for another file": (
        "mount -t tmpfs -o nr_inodes=3 none here && cp killed/study.db killed/study.db-wal here",
        f"{EXIT_DISK_FULL} cannot write to here/study.lock: No space left on device",
    ),
}


@pytest.mark.parametrize("place", _PLACES)
def test_from_any_disk_it_is_read_and_who_would_write_is_told(
    killed: Path, place: str, tally: Tallies
) -> None:
    mount, expected = _PLACES[place]
    (killed.parent / "here").mkdir()
    script = f'{mount} || exit 99; exec "$0" -c "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, sys.executable, _SHELL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(command, cwd=killed.parent, env=environment, **pipes)  # type: ignore[call-overload]
    if done.returncode == 99 or "unshare: " in done.stderr:
        pytest.skip(f"nothing can be mounted here ({done.stderr.strip()})")
    with tally("sound studies").attempt():
        assert done.stdout.splitlines() == [str(_RESULTS), expected], done.stderr
