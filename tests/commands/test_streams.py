"""What is printed: on streams that are closed, full or left, in any encoding, whatever a text says.

A study may have been made by somebody else, so any text in it may hold anything.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpsearch.cli import main
from hpsearch.errors import EXIT_DISK_FULL, EXIT_OK, EXIT_USAGE
from hpsearch.study.store import read
from hpsearch.study.trial import Failed, Trial
from hpsearch.text import shell_word
from tests.helpers.histories import done
from tests.helpers.studies import create
from tests.helpers.tally import Tallies

ENCODINGS = ["utf-8", "ascii", "cp1252", "latin-1"]
EVIL = [
    *("a\nb", "\n=cmd()", " =1+1", "\t@SUM(A1)", "\uff1d1+1", "+1", "\r\n-1", "'=1", "a\r=1"),
    *("\x1b]0;title\x07", "\x1b[31mred", "\x9b31m", "[/b][red]", "[link=x]", ":smile:", "\u202e"),
    *("\u2028x", "\x85x", "\x0bx", "\x0cx", "\x00", "\x7f", "a|b\\|c", "<img src=x>", "\ufeff"),
    *("caf\xe9", "\u4e2d\u6587", "\U0001f600", "![x](http://x.org)", "`x`", "*x*", "\xa0x"),
]
EVERYTHING = "".join(EVIL)
CSV = ("leaderboard", "study", "--format", "csv")
COMMANDS = [
    ("leaderboard", "study"),
    ("leaderboard", "study", "--columns", "number,state,reason,failure"),
    CSV,
    ("leaderboard", "study", "--format", "md"),
    ("show", "study", "1"),
    ("resume", "study"),
]
SLOW_COMMANDS = [
    ("leaderboard", "study", "--format", "json"),
    ("show", "study", "0"),
    ("show", "study"),
    ("show", "study", "--json"),
]


@dataclass(frozen=True)
class Printed:
    """What a command has written to its two streams, and its exit code."""

    code: int
    out: str
    err: str


Print = Callable[..., Printed]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Print:
    """Return a function that runs a command on streams of an encoding, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str, encoding: str = "utf-8") -> Printed:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "argv", ["hpsearch", *arguments])
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", streams[0])
            patched.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                main()
        for stream in streams:
            stream.seek(0)
        assert isinstance(ended.value.code, int)
        return Printed(ended.value.code, *(stream.read() for stream in streams))

    return run


def keep(folder: Path, text: str) -> None:
    """Keep the study of a function in which all is called, chosen and failed by this text."""
    values = [text, "other"]
    config = {"x": {"min": 0.0, "max": 1.0}, text: {"values": values}}
    changes = {
        "objective": "function",
        "name": text,
        "file": text,
        "has_cost": False,
        "data": "{}",
        "config": json.dumps({"parameters": config, "constraints": [], "search": {}}),
        "versions": json.dumps({text: text}),
    }
    trials = [Trial(n, {"x": n / 8, text: values[n % 2]}, text, 0, n) for n in range(8)]
    with create(folder, **changes) as store:
        store.record_wave(trials)
        store.record_results({n: done(0.5 + n / 100) for n in (0, 2, 3, 4, 5, 6, 7)})
        store.record_results({1: Failed("error", text)})


@pytest.mark.parametrize("texts", [[EVERYTHING], pytest.param(EVIL, marks=pytest.mark.slow)])
def test_no_text_of_a_study_is_obeyed_or_forges_a_line(
    printed: Print, tmp_path: Path, tally: Tallies, texts: Sequence[str]
) -> None:
    usual: dict[tuple[str, ...], Printed] = {}
    for number, text in enumerate(["harmless", *texts]):
        keep(tmp_path / "study", text)
        for command in COMMANDS + SLOW_COMMANDS * (texts != EVIL):
            with tally("texts and encodings").attempt():
                ran = printed(*command)
                like = usual.setdefault(command, ran)
                assert ran.code == like.code, text
                for seen, harmless in ((ran.out, like.out), (ran.err, like.err)):
                    assert len(seen.splitlines()) == len(harmless.splitlines()), text
                    assert not [sign for sign in seen if not sign.isprintable() and sign != "\n"]
                if text.isprintable() and command[0] == "leaderboard" and command[2:] == ():
                    assert text in ran.out
                if command == CSV:
                    assert not formulas(ran.out)
        (tmp_path / "study").rename(tmp_path / f"study {number}")


def formulas(table: str) -> list[str]:
    """Return the cells of a CSV that a spreadsheet would compute."""
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    meant = [unicodedata.normalize("NFKC", cell).strip() for cell in cells]
    return [cell for cell in meant if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.group("texts and encodings")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_output_can_be_read_in_every_encoding(
    printed: Print, tmp_path: Path, encoding: str
) -> None:
    keep(tmp_path / "study", "caf\xe9 \u4e2d")
    others = [("show", "study"), ("--help",), ("random", "--help"), ("random", "n\xf6.yaml")]
    for command in COMMANDS + others:
        ran = printed(*command, encoding=encoding)
        assert ran.code in (EXIT_OK, EXIT_USAGE)
        assert ran.out + ran.err
        assert "?" not in ran.out  # a sign without a counterpart is written as its code
    if encoding == "ascii":
        assert "o-----" in printed("show", "study", "0", encoding=encoding).out
        assert "caf\\xe9" in printed("leaderboard", "study", encoding=encoding).out


def test_a_shell_reads_back_the_word_that_is_printed_for_a_name(tmp_path: Path) -> None:
    names = [*(text for text in EVIL if "\x00" not in text), os.fsdecode(b"caf\xe9 \\ '")]
    words = [shell_word(name) for name in names]
    assert all(map(str.isprintable, words))
    line = f"export LC_ALL=C.UTF-8\nprintf '%s\\0' {' '.join(words)}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert [*map(os.fsdecode, done.stdout.split(b"\0"))] == [*names, ""]


def test_names_that_are_no_unicode_are_printed_where_they_are_refused(printed: Print) -> None:
    ran = printed("leaderboard", os.fsdecode(b"caf\xe9"))
    assert (ran.code, ran.err.splitlines()[0]) == (
        EXIT_USAGE,
        r"error[E014]: the name of what was given is not UTF-8: caf\udce9",
    )


@pytest.mark.parametrize("columns", ["0", "-5", "x", "\xb2", "9" * 30, "", " "])
def test_an_odd_width_of_the_terminal_is_passed_over(
    printed: Print, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    keep(tmp_path / "study", "name")
    usual = printed("leaderboard", "study")
    for name in ("COLUMNS", "LINES"):
        monkeypatch.setenv(name, columns)
        assert printed("leaderboard", "study") == usual
        monkeypatch.delenv(name)


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of Bash, in which $H is hpsearch."""
    hpsearch = f'H="{sys.executable} -m hpsearch"; set -o pipefail\n'
    return subprocess.run(
        ["bash", "-c", hpsearch + line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


REDIRECTIONS = ["<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full"]


def combinations() -> Sequence[str]:
    """Return every combination of closed and full streams that a shell can make."""
    found = []
    for given, out, err in itertools.product(("", "<&-"), REDIRECTIONS[1::2], REDIRECTIONS[2::2]):
        found += [f"{given} {out} {err}", f"{given} {out}", f"{given} {err}"]
    return [*dict.fromkeys(found), "<&-"]


@pytest.mark.parametrize(
    "arguments", ["leaderboard study", "leaderboard study --format csv", "--help", "show study 0"]
)
@pytest.mark.faults
def test_streams_may_be_closed_or_full(tmp_path: Path, arguments: str, tally: Tallies) -> None:
    keep(tmp_path / "study", "name")
    before = {path.name: path.read_bytes() for path in (tmp_path / "study").iterdir()}
    for redirections in combinations():
        with tally("streams that are closed or full").attempt():
            ran = shell(f"$H {arguments} {redirections}", tmp_path)
            assert ran.returncode == (
                EXIT_DISK_FULL if ">" in redirections.replace("2>", "") else 0
            )
            assert "Traceback" not in ran.stderr
            assert "Exception" not in ran.stderr
            assert ran.returncode == EXIT_OK or ran.stderr.startswith(
                "" if "2>" in redirections else "error[E174]: cannot write to standard output: "
            )
    after = {path.name: path.read_bytes() for path in (tmp_path / "study").iterdir()}
    assert after == before


def test_a_result_that_cannot_be_printed_is_74(tmp_path: Path) -> None:
    keep(tmp_path / "study", "name")
    ran = shell("$H leaderboard study >/dev/full", tmp_path)
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (
        EXIT_DISK_FULL,
        "error[E174]: cannot write to standard output: No space left on device",
    )
    assert shell("$H leaderboard study >&- 2>&- <&-", tmp_path).returncode == EXIT_DISK_FULL


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["leaderboard study", "--help", "show study 0"])
def test_whoever_reads_a_result_may_have_seen_enough(tmp_path: Path, arguments: str) -> None:
    keep(tmp_path / "study", "name")
    ran = shell(f"$H {arguments} | head -0", tmp_path)
    assert (ran.returncode, ran.stderr) == (EXIT_OK, "")


SEARCH = "random space.yaml --budget 6 --workers 1 --study study"


@pytest.mark.slow
@pytest.mark.group("streams that are closed or full")
@pytest.mark.parametrize(
    ("redirections", "code"),
    [
        ("2>&1 | head -1", EXIT_OK),
        ("2>/dev/full", EXIT_OK),
        ("2>&-", EXIT_OK),
        ("<&- >&- 2>&-", EXIT_DISK_FULL),
        (">/dev/full", EXIT_DISK_FULL),
        (">&-", EXIT_DISK_FULL),
        (">/dev/full 2>&1", EXIT_DISK_FULL),
        ("--json >&-", EXIT_DISK_FULL),
    ],
)
def test_a_search_ends_whatever_becomes_of_what_it_prints(
    tmp_path: Path, redirections: str, code: int
) -> None:
    (tmp_path / "space.yaml").write_text(
        "data: {source: digits}\ntrain: {epochs: 1}\n"
        "parameters: {lr: {min: 1e-4, max: 0.1, log: true}}\nsearch: {wave: 1}\n"
    )
    ran = shell(f"$H {SEARCH} {redirections}", tmp_path)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr + ran.stdout
    assert len(read(tmp_path / "study").history.done) == 6
    if code and "2>" not in redirections:
        assert "all is kept in study" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&1 | head -1"])
def test_a_bar_that_cannot_be_drawn_costs_no_call(tmp_path: Path, redirection: str) -> None:
    (tmp_path / "script.py").write_text(
        "import hpsearch\n"
        "found = hpsearch.minimize(\n"
        "    lambda p: print('line') or p['x'], {'x': {'min': 0.0, 'max': 1.0}}, 'random', 5,\n"
        "    progress=True,\n"
        ")\n"
        "open('calls', 'w').write(str(len(found.trials)))\n"
    )
    assert shell(f"{sys.executable} script.py >/dev/null {redirection}", tmp_path).returncode == 0
    assert (tmp_path / "calls").read_text() == "5"
