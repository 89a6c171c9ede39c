"""Links in a study are refused: nothing that lies elsewhere is read, written or removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hpsearch.cli import cli
from hpsearch.commands.session import _log
from hpsearch.errors import (
    EXIT_CANNOT_WRITE,
    EXIT_DAMAGED,
    CannotWrite,
    HpsearchError,
)
from hpsearch.study.artefacts import Artefacts, Lost
from hpsearch.study.files import open_own, write
from hpsearch.study.folder import CONFIG, FILE, LOG
from hpsearch.study.store import Store, read
from tests.helpers.studies import create
from tests.helpers.tally import Tallies

DIGEST = "ab" * 32
NAMES = [
    "study.lock",
    FILE,
    f"{FILE}-wal",
    f"{FILE}-shm",
    f"{FILE}-journal",
    f"{FILE}.new",
    f"{FILE}.new-journal",
    CONFIG,
    f"{CONFIG}.123.tmp",
    LOG,
    "artefacts",
    f"artefacts/{DIGEST}",
    f"artefacts/{DIGEST}.123.tmp",
    "artefacts/artefact.123.tmp",
]
IN_PLACE = ["study.lock", FILE, LOG]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study at rest."""
    create(tmp_path / "study").close()
    return tmp_path / "study"


def put_link(path: Path, to: Path) -> None:
    """Put a link in a place, and what was there where it leads."""
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.rename(to)
    path.symlink_to(to)


def all_of(folder: Path) -> dict[str, bytes | None]:
    """Return what lies in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("to", "command"),
    [
        ("a file", "resume"),
        *(
            pytest.param(to, command, marks=pytest.mark.faults)
            for to in ("a file", "a folder", "nothing")
            for command in ("resume", "leaderboard", "show")
            if (to, command) != ("a file", "resume")
        ),
    ],
)
def test_a_link_in_a_study_is_refused_and_not_followed(
    study: Path,
    name: str,
    to: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    tally: Tallies,
) -> None:
    target = study.parent / "v"
    put_link(study / name, target)
    if to == "a folder" and not target.exists():
        target.mkdir()
        (target / DIGEST).write_text("of somebody else")
    elif to == "a file" and not target.exists():
        target.write_text("of somebody else")
    elif to == "nothing" and target.is_file():
        target.unlink()
    before = all_of(study.parent)
    with tally("links").attempt():
        assert cli.main([command, str(study)], standalone_mode=False) == EXIT_DAMAGED
        said = capsys.readouterr()
        assert f"error[E165]: {study / name} is a link" in said.err
        assert "Traceback" not in said.err
        assert all_of(study.parent) == before


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_file_with_a_second_name_is_not_written(
    study: Path, name: str, capsys: pytest.CaptureFixture[str], tally: Tallies
) -> None:
    (study / name).touch()
    os.link(study / name, study.parent / "v")
    (study.parent / "v").write_bytes((study.parent / "v").read_bytes() or b"of somebody else")
    before = all_of(study.parent)
    with tally("links").attempt():
        assert cli.main(["resume", str(study)], standalone_mode=False) == EXIT_CANNOT_WRITE
        assert f"{study / name}: it is a hard link" in capsys.readouterr().err
        assert all_of(study.parent) == before
        read(study)


def test_the_folder_of_a_study_may_be_a_link(study: Path, tally: Tallies) -> None:
    link = study.parent / "link"
    link.symlink_to(study)
    with tally("links").attempt():
        with Store.open(link) as store:
            assert read(link) == store.study()
        Artefacts(link / "artefacts").write(b"weights")
        assert [*(study / "artefacts").iterdir()]
        (study.parent / "empty").mkdir()
        (study.parent / "new").symlink_to(study.parent / "empty")
        create(study.parent / "new").close()
        read(study.parent / "empty")


@pytest.mark.parametrize("name", ["study.lock", f"{FILE}.new", f"{FILE}.new-journal"])
def test_nor_does_a_new_study_follow_one(tmp_path: Path, name: str, tally: Tallies) -> None:
    (tmp_path / "v").write_text("of somebody else")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / name).symlink_to(tmp_path / "v")
    with tally("links").attempt():
        try:
            create(tmp_path / "study").close()
        except HpsearchError:
            pass
        assert (tmp_path / "v").read_text() == "of somebody else"


class TestWhileASearchRuns:
    """A link may come while a study is written, and what is written then does not follow it."""

    def test_into_a_folder_that_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "v").mkdir()
        (tmp_path / "artefacts").symlink_to(tmp_path / "v")
        artefacts = Artefacts(tmp_path / "artefacts")
        ways: list[Callable[[], object]] = [
            lambda: artefacts.write(b"weights"),
            lambda: artefacts.fill(lambda file: None),
        ]
        for keep in ways:
            with pytest.raises(CannotWrite, match="it is a link"):
                keep()
        (tmp_path / "v" / DIGEST).write_text("of somebody else")
        artefacts.keep_only(())
        assert [path.name for path in (tmp_path / "v").iterdir()] == [DIGEST]

    def test_what_is_half_written(self, tmp_path: Path) -> None:
        (tmp_path / "v").write_text("of somebody else")
        (tmp_path / f"{CONFIG}.{os.getpid()}.tmp").symlink_to(tmp_path / "v")
        write(tmp_path / CONFIG, b"new")
        assert (tmp_path / "v").read_text() == "of somebody else"
        assert (tmp_path / CONFIG).read_text() == "new"

    def test_an_artefact(self, tmp_path: Path) -> None:
        artefacts = Artefacts(tmp_path / "artefacts")
        digest = artefacts.write(b"weights")
        artefacts.path(digest).rename(tmp_path / "v")
        (artefacts.folder / digest).symlink_to(tmp_path / "v")
        with pytest.raises(Lost):
            artefacts.read(digest)
        artefacts.write(b"weights")
        assert artefacts.read(digest) == b"weights"

    def test_the_log(self, tmp_path: Path) -> None:
        (tmp_path / "v").write_text("of somebody else")
        (tmp_path / LOG).symlink_to(tmp_path / "v")
        with pytest.raises(CannotWrite, match="it is a link"):
            _log(tmp_path / LOG, "a traceback")
        (tmp_path / LOG).unlink()
        os.link(tmp_path / "v", tmp_path / LOG)
        with pytest.raises(CannotWrite, match="it is a hard link"):
            _log(tmp_path / LOG, "a traceback")
        assert (tmp_path / "v").read_text() == "of somebody else"

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / LOG)
        with pytest.raises(CannotWrite):
            _log(tmp_path / LOG, "a traceback")
        os.close(open_own(tmp_path / LOG, os.O_RDONLY))
