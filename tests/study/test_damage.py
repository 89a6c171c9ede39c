"""Damage to a study's file is refused in a line or harmless: what is shown is what was written.

Whoever writes a study looks at all of it. Whoever reads one looks at all but the curves, and at
those that are asked for: other curves may be damaged without anybody being told.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.cli import cli
from hpsearch.errors import EXIT_DAMAGED, EXIT_OK, DamagedStudy
from hpsearch.study import seal
from hpsearch.study.folder import FILE
from hpsearch.study.history import History
from hpsearch.study.reading import look
from hpsearch.study.record import Session, StudyRecord, TestEvaluation, with_rows
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done, Epoch, Failed, Replicate, Trial
from tests.helpers.studies import create, said, whole
from tests.helpers.tally import Tallies

_TRIALS = 60
_LONG = "a long reason, such as a traceback's last line may be " * 200  # pages of its own


def write(store: Store) -> None:
    """Fill a study with all there may be in one."""
    rng = random.Random(0)
    for wave in range(_TRIALS // 10):
        numbers = range(10 * wave, 10 * wave + 10)
        store.record_wave(
            [
                Trial(n, {"lr": rng.random(), "width": n, "optimizer": "adam"}, "random", wave, n)
                for n in numbers
            ]
        )
        for n in numbers:
            curve = tuple(
                Epoch(n, k, rng.random(), rng.random(), rng.random()) for k in range(1, 11)
            )
            replicates = tuple(Replicate(0, k, rng.random(), rng.random(), 7) for k in range(3))
            if n % 7 == 3:
                message = _LONG if n % 2 else ""
                store.record_results({n: Failed("diverged", message, rng.random(), curve)})
            elif n < _TRIALS - 3:  # the last ones are pending
                done = Done(rng.random(), rng.random(), 1.0, 1e9, 99, 10, 7, curve, 0.1, replicates)
                digests = {"weights": f"{n:064x}", "pause 0.0": f"{n + 99:064x}"}
                done = replace(done, artefacts=digests, reported_cost=rng.random())
                store.record_results({n: replace(done, measures={"val_loss": rng.random()})})
        store.record_test(TestEvaluation(10 * wave, rng.random(), rng.random()))
        store.record_session(Session(rng.random(), 130))


Use = Callable[[Path], StudyRecord]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Mapping[Use, str]]:
    """Return a study as a kill leaves it, the same one at rest, and what both say to each use."""
    folder = tmp_path_factory.mktemp("studies")
    with create(
        folder / "closed", config="data: {source: digits}\n" + "# what somebody thought\n" * 500
    ) as store:
        write(store)
        shutil.copytree(folder / "closed", folder / "killed")
        right = said(store.study())
    with_curves = said(whole(folder / "closed"))
    return folder / "killed", folder / "closed", {read: right, opened: right, whole: with_curves}


def bit(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def ones(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start : start + 64] = b"\xff" * len(data[start : start + 64])


def page(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(0, len(data), 4096)
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (bit, ones, page, cut)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trial (number, state)")
    connection.close()


FOREIGN: Mapping[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path),
    "a text": lambda path: path.write_text("Dear study,\n" * 999),
    "another program's": foreign,
    "nothing": Path.touch,
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "random": lambda path: path.write_bytes(random.Random(0).randbytes(8192)),
}


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a folder, less the index of the journal, which SQLite may make anew."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".db-shm"
    }


def opened(folder: Path) -> StudyRecord:
    with Store.open(folder) as store:
        return store.study()


def survives(folder: Path, right: str, use: Use) -> bool:
    """Return whether the study says what it should, or is refused in a line and left as it is."""
    before = contents(folder)
    try:
        study = use(folder)
    except DamagedStudy as error:
        return "\n" not in error.problems[0].message and contents(folder) == before
    return said(study) == right and (use is opened or contents(folder) == before)


@pytest.mark.parametrize(
    "tries", [range(12), pytest.param(range(12, 72), marks=pytest.mark.faults)], ids=len
)
@pytest.mark.parametrize("which", ["closed", "killed", "the journal"])
@pytest.mark.parametrize("use", [read, whole, opened])
def test_a_damaged_study_is_refused_or_right(
    tmp_path: Path,
    folders: tuple[Path, Path, Mapping[Use, str]],
    which: str,
    use: Use,
    tries: range,
    tally: Tallies,
) -> None:
    killed, closed, right = folders
    folder, file = tmp_path / "study", FILE if which != "the journal" else f"{FILE}-wal"
    for number in tries:
        shutil.copytree(closed if which == "closed" else killed, folder)
        data = bytearray((folder / file).read_bytes())
        DAMAGES[number % len(DAMAGES)](data, random.Random(f"{which}{number}"))
        (folder / file).write_bytes(data)
        with tally("damaged studies").attempt():
            assert survives(folder, right[use], use), number
        shutil.rmtree(folder)


def test_a_study_whose_journal_is_gone_has_all_that_was_committed(
    folders: tuple[Path, Path, Mapping[Use, str]], tmp_path: Path
) -> None:
    killed, _, right = folders
    shutil.copytree(killed, tmp_path / "study")
    (tmp_path / "study" / f"{FILE}-wal").unlink()
    assert said(whole(tmp_path / "study")) == right[whole]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("use", [read, opened])
def test_what_is_no_study_is_refused(tmp_path: Path, kind: str, use: Use, tally: Tallies) -> None:
    FOREIGN[kind](tmp_path / FILE)
    with tally("damaged studies").attempt():
        assert survives(tmp_path, "", use)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def execute(path: Path, statement: str) -> None:
    """Change what no page's checks notice."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


ROWS: Mapping[str, str] = {
    "a digit of a loss": "UPDATE trial SET loss = loss + 1e-6 WHERE number = 1",
    "a lost trial": "DELETE FROM trial WHERE number = (SELECT max(number) FROM trial)",
    "a lost replicate": "UPDATE trial SET replicates = NULL WHERE number = 1",
    "another replicate": "UPDATE trial SET replicates = replace(replicates, '7', '8')",
    "a lost artefact": "UPDATE trial SET artefacts = NULL WHERE number = 1",
    "a cost": "UPDATE trial SET reported_cost = reported_cost + 1 WHERE number = 1",
    "a measure": "UPDATE trial SET measures = replace(measures, 'val', 'vol')",
    "the digest of a curve": "UPDATE trial SET curve_digest = curve_digest + 1 WHERE number = 1",
    "a lost session": "DELETE FROM session WHERE id = 6",
    "a figure of a test": "UPDATE test_evaluation SET loss = loss / 2 WHERE id = 1",
    "a letter of the config": "UPDATE study SET config = replace(config, 'somebody', 'somebedy')",
}

CURVES: Mapping[str, str] = {
    "a lost curve": "DELETE FROM curve WHERE number = 1",
    "a digit of a curve": "UPDATE curve SET epochs = replace(epochs, '1', '2') WHERE number = 1",
    "another trial's curve": (
        "UPDATE curve SET epochs = (SELECT epochs FROM curve WHERE number = 2) WHERE number = 1"
    ),
}


def other_rules(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'number >= 0', 'number >= 1')"
        )
    connection.close()


@pytest.mark.parametrize("damage", [*ROWS, "other rules"])
@pytest.mark.parametrize("use", [read, whole, opened])
def test_rows_that_are_not_those_that_were_written_are_refused(
    tmp_path: Path, folders: tuple[Path, Path, Mapping[Use, str]], damage: str, use: Use
) -> None:
    shutil.copytree(folders[1], tmp_path / "study")
    if damage in ROWS:
        execute(tmp_path / "study" / FILE, ROWS[damage])
    else:
        other_rules(tmp_path / "study" / FILE)
    before = contents(tmp_path / "study")
    with pytest.raises(DamagedStudy, match="not what was written"):
        use(tmp_path / "study")
    assert contents(tmp_path / "study") == before


@pytest.mark.parametrize("damage", CURVES)
def test_a_damaged_curve_is_refused_where_it_is_shown_and_to_who_would_write(
    tmp_path: Path, folders: tuple[Path, Path, Mapping[Use, str]], damage: str
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(folders[1], folder)
    sound = read(folder, curves_of=2)
    execute(folder / FILE, CURVES[damage])
    before = contents(folder)
    assert said(read(folder)) == folders[2][read]
    assert read(folder, curves_of=2) == sound
    for use in (lambda folder: read(folder, curves_of=1), whole, opened):
        with pytest.raises(DamagedStudy, match="not what was written"):
            use(folder)
    assert contents(folder) == before


def test_a_curve_that_nobody_wrote_is_refused(
    tmp_path: Path, folders: tuple[Path, Path, Mapping[Use, str]]
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(folders[1], folder)
    execute(folder / FILE, f"INSERT INTO curve VALUES ({_TRIALS - 2}, '[[1, 1.0, 1.0, 1.0]]')")
    assert said(read(folder)) == folders[2][read]
    for use in (lambda folder: read(folder, curves_of=_TRIALS - 2), whole, opened):
        with pytest.raises(DamagedStudy, match="not what was written"):
            use(folder)


def test_on_the_command_line_a_damaged_curve_hinders_nobody_who_does_not_need_it(
    tmp_path: Path,
    folders: tuple[Path, Path, Mapping[Use, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = str(tmp_path / "study")
    shutil.copytree(folders[1], folder)

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main([*arguments], standalone_mode=False)
        return code, capsys.readouterr().out

    right = run("leaderboard", folder), run("show", folder, "2")
    execute(Path(folder, FILE), CURVES["a digit of a curve"])
    assert (run("leaderboard", folder), run("show", folder, "2")) == right
    assert [code for code, _ in right] == [EXIT_OK, EXIT_OK]
    assert run("show", folder, "1") == run("resume", folder) == (EXIT_DAMAGED, "")


@pytest.mark.parametrize("command", ["leaderboard", "show", "resume"])
@pytest.mark.parametrize(
    "kind", ["a FIFO", "a link to itself", "another program's", "zeros", "one value"]
)
def test_on_the_command_line_it_is_one_line(
    tmp_path: Path,
    folders: tuple[Path, Path, Mapping[Use, str]],
    kind: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "study"
    if kind == "one value":
        shutil.copytree(folders[1], folder)
        execute(folder / FILE, ROWS["a digit of a loss"])
    else:
        folder.mkdir()
        FOREIGN[kind](folder / FILE)
    assert cli.main([command, str(folder)], standalone_mode=False) == EXIT_DAMAGED
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith("error[E165]: ")
    assert "Traceback" not in said.err


def test_what_reading_does_not_notice_is_refused_to_who_would_write(
    tmp_path: Path, folders: tuple[Path, Path, Mapping[Use, str]]
) -> None:
    shutil.copytree(folders[1], tmp_path / "study")
    with (tmp_path / "study" / FILE).open("r+b") as file:
        file.seek(32)  # in the header: the first page that is free, and how many there are
        file.write(bytes([0, 0, 0, 3, 0, 0, 0, 1]))
    before = contents(tmp_path / "study")
    assert said(read(tmp_path / "study")) == folders[2][read]
    with pytest.raises(DamagedStudy):
        Store.open(tmp_path / "study")
    assert contents(tmp_path / "study") == before


def test_a_length_that_makes_no_sense_is_damage(
    folders: tuple[Path, Path, Mapping[Use, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_row(*arguments: object) -> None:
        raise MemoryError  # what sqlite3 makes of it

    monkeypatch.setattr("hpsearch.study.reading.contents", read_row)
    with pytest.raises(DamagedStudy, match="MemoryError"):
        read(folders[1])


def test_a_text_that_is_two_values_is_not_taken_for_those_of_the_next_trial(
    folders: tuple[Path, Path, Mapping[Use, str]],
) -> None:
    rows = look(folders[1], lambda _, execute: seal.contents(execute)).trials
    doubled = [(number, f"{params}, {params}", *rest) for number, params, *rest in rows]
    with pytest.raises(ValueError, match="not one value"):
        with_rows(History(), doubled)
