"""Artefacts: what was written is read or said to be lost, and nothing is ever half."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.errors import DiskFull
from hpsearch.study.artefacts import Artefacts, Lost
from hpsearch.study.folder import sweep_study
from tests.helpers.disk import largest

ROOT = Path(__file__).parents[2]
DATA = b"some weights " * 1000


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "artefacts")


def names(artefacts: Artefacts) -> list[str]:
    """Return the names of the files in the folder."""
    return sorted(path.name for path in artefacts.folder.iterdir())


def in_parts(data: bytes, size: int = 999) -> Callable[[BinaryIO], None]:
    """Return what writes data piece by piece to a file."""

    def write(file: BinaryIO) -> None:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])

    return write


def written(artefacts: Artefacts, data: bytes) -> str:
    return artefacts.write(data)


def filled(artefacts: Artefacts, data: bytes) -> str:
    return artefacts.fill(in_parts(data))


WAYS = pytest.mark.parametrize("keep", [written, filled])
Keep = Callable[[Artefacts, bytes], str]


class TestKeeping:
    @WAYS
    @pytest.mark.parametrize("data", [b"", b"x", DATA])
    def test_a_file_is_named_by_its_digest(
        self, artefacts: Artefacts, keep: Keep, data: bytes
    ) -> None:
        digest = keep(artefacts, data)
        assert digest == sha256(data).hexdigest()
        assert names(artefacts) == [digest]
        assert artefacts.read(digest) == data
        assert artefacts.path(digest).read_bytes() == data

    @WAYS
    def test_the_same_bytes_are_kept_once(self, artefacts: Artefacts, keep: Keep) -> None:
        assert len({written(artefacts, DATA), keep(artefacts, DATA), keep(artefacts, DATA)}) == 1
        assert len(names(artefacts)) == 1

    @given(datas=st.lists(st.binary(max_size=20), max_size=8))
    def test_all_is_found_again(
        self, datas: list[bytes], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        artefacts = Artefacts(tmp_path_factory.mktemp("some") / "artefacts")
        digests = [artefacts.write(data) for data in datas]
        assert [artefacts.read(digest) for digest in digests] == datas

    @WAYS
    def test_a_mapped_file_stays_what_it_was_when_it_is_written_again(
        self, artefacts: Artefacts, keep: Keep
    ) -> None:
        digest = artefacts.write(DATA)
        with artefacts.path(digest).open("rb") as file:
            keep(artefacts, DATA)
            assert file.read() == DATA


class TestLost:
    def test_one_that_was_never_there(self, artefacts: Artefacts) -> None:
        for use in (artefacts.read, artefacts.path):
            with pytest.raises(Lost, match=r"^the artefact abababababab is not there$"):
                use("ab" * 32)

    def test_one_that_is_gone(self, artefacts: Artefacts) -> None:
        digest = artefacts.write(DATA)
        artefacts.path(digest).unlink()
        with pytest.raises(Lost, match=f"^the artefact {digest[:12]} is not there$"):
            artefacts.read(digest)

    @pytest.mark.parametrize("damaged", [b"", DATA[:-1], DATA + b"x", b"t" + DATA[1:]])
    def test_one_that_has_changed(self, artefacts: Artefacts, damaged: bytes) -> None:
        digest = artefacts.write(DATA)
        artefacts.path(digest).write_bytes(damaged)
        with pytest.raises(Lost, match=f"^the artefact {digest[:12]} has changed since it was"):
            artefacts.read(digest)

    @WAYS
    def test_one_that_is_written_again_is_whole_again(
        self, artefacts: Artefacts, keep: Keep
    ) -> None:
        digest = artefacts.write(DATA)
        artefacts.path(digest).write_bytes(b"damaged")
        keep(artefacts, DATA)
        assert artefacts.read(digest) == DATA

    def test_a_folder_of_its_name_is_none(self, artefacts: Artefacts) -> None:
        (artefacts.folder / ("ab" * 32)).mkdir(parents=True)
        with pytest.raises(Lost, match="is not there"):
            artefacts.read("ab" * 32)

    def test_one_that_cannot_be_read(
        self, artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: Path, flags: int) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))  # as of a broken disk

        digest = artefacts.write(DATA)
        monkeypatch.setattr("hpsearch.study.files.open_own", fail)
        with pytest.raises(Lost, match=rf"{digest[:12]} cannot be read \(Input/output error\)"):
            artefacts.read(digest)


class TestRemoving:
    def test_what_is_not_kept_is_removed(self, artefacts: Artefacts) -> None:
        digests = [artefacts.write(bytes([number])) for number in range(5)]
        artefacts.keep_only({digests[1], digests[3], "ab" * 32})
        assert names(artefacts) == sorted([digests[1], digests[3]])
        artefacts.keep_only(())
        assert names(artefacts) == []

    def test_each_is_asked_about_by_its_digest(self, artefacts: Artefacts) -> None:
        digests, asked = {artefacts.write(bytes([number])) for number in range(3)}, set[str]()

        def is_doomed(digest: str) -> bool:
            asked.add(digest)
            return False

        artefacts.remove(is_doomed)
        assert asked == digests == set(names(artefacts))

    def test_what_is_being_written_is_let_alone(self, artefacts: Artefacts) -> None:
        def remove(file: BinaryIO) -> None:
            file.write(DATA[:500])
            artefacts.keep_only(())
            file.write(DATA[500:])

        digest = artefacts.fill(remove)
        assert artefacts.read(digest) == DATA

    def test_where_there_is_none_there_is_nothing_to_do(self, artefacts: Artefacts) -> None:
        artefacts.keep_only(())
        assert not artefacts.folder.exists()


# Writes an artefact, and is killed when half of it is written, or all of it but its name.
_KILLED = """
import os, signal, sys
from pathlib import Path
from hpsearch.study.artefacts import Artefacts
artefacts = Artefacts(Path(sys.argv[1]))
def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)
def half(file):
    file.write(b"half")
    file.flush()
    die()
if sys.argv[2] == "half":
    artefacts.fill(half)
os.replace = die
artefacts.write(b"all")
"""


class TestHalf:
    @pytest.mark.parametrize(("when", "left"), [("half", b"half"), ("all but its name", b"all")])
    def test_what_a_kill_leaves_is_swept(
        self, artefacts: Artefacts, when: str, left: bytes
    ) -> None:
        digest = artefacts.write(DATA)
        command = [sys.executable, "-c", _KILLED, str(artefacts.folder), when]
        code = subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode
        assert code == -signal.SIGKILL
        (half,) = [path for path in artefacts.folder.iterdir() if path.name != digest]
        assert half.read_bytes() == left
        assert "." in half.name
        sweep_study(artefacts.folder.parent)
        assert names(artefacts) == [digest]

    @WAYS
    def test_where_there_is_no_room_nothing_is_left(self, artefacts: Artefacts, keep: Keep) -> None:
        digest = artefacts.write(b"small")
        with largest(100), pytest.raises(DiskFull, match="cannot write to"):
            keep(artefacts, DATA)
        assert names(artefacts) == [digest]
        assert artefacts.read(keep(artefacts, DATA)) == DATA
