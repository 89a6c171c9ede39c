"""The command line without any training: options, exit codes, and what is printed where."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from hpsearch.cli import cli, main
from hpsearch.errors import EXIT_DAMAGED, EXIT_IN_USE, EXIT_NO_WINNER, EXIT_OK, EXIT_USAGE
from hpsearch.runners import RUNNERS
from hpsearch.strategies import SURROGATES
from hpsearch.study.store import FILE, Session, Store
from hpsearch.study.trial import Failed, Trial
from tests.helpers.histories import done
from tests.helpers.studies import create

OPTIONS = [
    (name, option) for name, command in sorted(cli.commands.items()) for option in command.params
]


@dataclass(frozen=True)
class Ran:
    """What a command has printed, with its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def hpsearch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Return a function that runs the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HPSEARCH_")] + [
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
    ]:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["hpsearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return the folder of a study with four trials: one failed, one pending."""
    folder = tmp_path / "runs" / "mine"
    with create(folder) as store:
        store.record_wave(
            [Trial(n, {"lr": 10.0**-n, "optimizer": "adam"}, "random", 0, n) for n in range(4)]
        )
        failed = Failed("diverged", "at once")
        store.record_results({0: done(0.5), 1: done(0.25, seconds=3.0), 2: failed})
        store.record_session(Session(2.0, 0))
    return folder


class TestHelp:
    @pytest.mark.parametrize("name", sorted(cli.commands))
    def test_every_command_says_what_it_does(self, name: str) -> None:
        assert cli.commands[name].help

    @pytest.mark.parametrize(
        ("name", "option"), OPTIONS, ids=lambda value: getattr(value, "name", value)
    )
    def test_every_option_says_what_it_does(self, name: str, option: click.Parameter) -> None:
        assert not isinstance(option, click.Option) or option.help

    def test_the_surrogates_to_choose_from_are_those_of_the_table(self) -> None:
        (option,) = (
            option for name, option in OPTIONS if (name, option.name) == ("bayes", "surrogate")
        )
        assert isinstance(option, click.Option)
        assert option.metavar == f"[{'|'.join(SURROGATES)}]"

    @pytest.mark.parametrize("name", ["manual", "grid", "random", "bayes", "resume"])
    def test_the_runners_to_choose_from_are_those_of_the_table(self, name: str) -> None:
        (option,) = (option for option in cli.commands[name].params if option.name == "runner")
        assert isinstance(option, click.Option)
        assert option.metavar == f"[{'|'.join(RUNNERS)}]"

    def test_without_a_command_the_help_is_printed(self, hpsearch: Run) -> None:
        ran = hpsearch()
        assert "Usage: hpsearch" in ran.out + ran.err

    def test_the_version_is_printed(self, hpsearch: Run) -> None:
        assert hpsearch("--version").out.startswith("hpsearch, version ")


class TestEnvironment:
    @pytest.mark.parametrize(
        "name",
        ["budget", "time", "workers", "runner", "seed", "study", "threads", "device", "epochs"],
    )
    def test_the_options_of_a_search_may_come_from_the_environment(self, name: str) -> None:
        (option,) = (option for option in cli.commands["random"].params if option.name == name)
        assert isinstance(option, click.Option)
        assert option.envvar == f"HPSEARCH_{name.upper()}"

    def test_a_wrong_value_there_is_bad_usage(
        self, hpsearch: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HPSEARCH_BUDGET", "many")
        ran = hpsearch("random")
        assert ran.code == EXIT_USAGE
        assert "--budget" in ran.err

    def test_a_flag_stands_over_it(
        self, hpsearch: Run, study: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HPSEARCH_BUDGET", "many")
        ran = hpsearch("resume", str(study), "--budget", "2")  # refused, but for another reason
        assert "more than a budget of 2" in ran.err


class TestRefusals:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("fly",),
            ("random", "--fly"),
            ("random", "--budget", "0"),
            ("random", "--budget", "x"),
            ("random", "nowhere.yaml"),
            ("random", "--set", "lr"),
            ("random", "--time", "soon"),
            ("grid", "--points", "0"),
            ("random", "--runner", "cloud"),
            ("random", "--points", "3"),
            ("bayes", "--set", "search.points=3"),
            ("resume", "runs/mine", "--runner", "cloud"),
            ("leaderboard",),
            ("leaderboard", "nothing"),
            ("leaderboard", "runs/mine", "--sort", "lrr"),
            ("leaderboard", "runs/mine", "--columns", "loss,lrr"),
            ("leaderboard", "runs/mine", "--format", "xls"),
            ("leaderboard", "runs/mine", "--top", "0"),
            ("resume", "nothing"),
            ("resume", "runs/mine", "--budget", "3"),
        ],
        ids=" ".join,
    )
    def test_bad_usage_is_2_with_a_word_on_stderr_alone(
        self, hpsearch: Run, study: Path, arguments: tuple[str, ...]
    ) -> None:
        if arguments == ("leaderboard",):
            study.parent.rename(study.parent.with_name("elsewhere"))
        ran = hpsearch(*arguments)
        assert (ran.code, ran.out) == (EXIT_USAGE, "")
        assert ran.err
        assert "Traceback" not in ran.err

    def test_a_slip_in_a_column_is_understood(self, hpsearch: Run, study: Path) -> None:
        assert (
            "did you mean 'seconds'?"
            in hpsearch("leaderboard", str(study), "--sort", "secnods").err
        )

    def test_an_unknown_study_is_answered_with_those_there_are(
        self, hpsearch: Run, study: Path
    ) -> None:
        assert "under runs/ there are: mine" in hpsearch("leaderboard", "yours").err

    def test_a_study_in_use_is_75(self, hpsearch: Run, study: Path) -> None:
        with Store.open(study):
            ran = hpsearch("resume", str(study))
        assert ran.code == EXIT_IN_USE
        assert f"process {os.getpid()}" in ran.err

    @pytest.mark.parametrize("command", ["leaderboard", "resume"])
    def test_a_damaged_study_is_65(self, hpsearch: Run, study: Path, command: str) -> None:
        (study / FILE).write_bytes(b"")
        assert hpsearch(command, str(study)).code == EXIT_DAMAGED

    def test_a_newer_study_asks_for_a_newer_program(self, hpsearch: Run, study: Path) -> None:
        with sqlite3.connect(study / FILE) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
        ran = hpsearch("leaderboard", str(study))
        assert ran.code == EXIT_DAMAGED
        assert "use the newer hpsearch that made it" in ran.err

    def test_errors_are_data_where_json_is_asked_for(self, hpsearch: Run) -> None:
        ran = hpsearch("random", "nowhere.yaml", "--json")
        found = json.loads(ran.err)
        assert found["exit"] == ran.code == EXIT_USAGE
        assert found["errors"][0]["code"] == "E001"


class TestLeaderboard:
    def test_the_newest_study_is_shown_where_none_is_named(
        self, hpsearch: Run, study: Path
    ) -> None:
        newer = study.with_name("newer")
        with create(newer, name="newer") as store:
            store.record_wave([Trial(0, {}, "", 0, 0)])
        os.utime(study / FILE, ns=(1, 1))
        assert json.loads(hpsearch("leaderboard", "--format", "json").out)["study"] == "newer"

    def test_a_study_that_is_being_written_is_the_newest(self, hpsearch: Run, study: Path) -> None:
        with create(study.with_name("running"), name="running") as running:
            os.utime(
                running.folder / FILE, ns=(1, 1)
            )  # what is new stands in the journal beside it
            running.record_wave([Trial(0, {}, "", 0, 0)])
            assert json.loads(hpsearch("leaderboard", "--format", "json").out)["study"] == "running"

    def test_a_study_under_runs_goes_by_its_name(self, hpsearch: Run, study: Path) -> None:
        assert hpsearch("leaderboard", "mine").code == EXIT_OK

    def test_json_is_one_object_with_the_trials_that_ended(
        self, hpsearch: Run, study: Path
    ) -> None:
        found = json.loads(
            hpsearch("leaderboard", "mine", "--format", "json").out, parse_constant=pytest.fail
        )
        assert [trial["number"] for trial in found["trials"]] == [1, 0, 2]

    def test_csv_takes_columns_order_and_number_of_rows(self, hpsearch: Run, study: Path) -> None:
        arguments = ("--format", "csv", "--columns", "loss, lr", "--sort", "lr", "--top", "2")
        assert hpsearch("leaderboard", "mine", *arguments).out.splitlines() == [
            "number,state,loss,lr",
            "3,pending,,0.001",
            "2,failed,,0.01",
        ]

    def test_the_precision_is_that_of_the_smallest_number(self, hpsearch: Run, study: Path) -> None:
        out = hpsearch("leaderboard", "mine", "--columns", "loss", "--precision", "2").out
        assert "0.25" in out
        assert "0.250" not in out

    def test_a_weight_of_time_is_seen_in_the_scores(self, hpsearch: Run, study: Path) -> None:
        out = hpsearch("leaderboard", "mine", "--time-weight", "9", "--by", "seconds").out
        assert "score" in out
        assert "winner    trial 0" in out

    def test_a_study_without_a_success_is_1(self, hpsearch: Run, tmp_path: Path) -> None:
        with create(tmp_path / "poor") as store:
            store.record_wave([Trial(0, {}, "", 0, 0)])
            store.record_results({0: Failed("diverged", "at once")})
        assert hpsearch("leaderboard", "poor").code == EXIT_NO_WINNER

    def test_reading_leaves_the_folder_as_it_was(self, hpsearch: Run, study: Path) -> None:
        before = {path.name: path.read_bytes() for path in study.iterdir()}
        hpsearch("leaderboard", "mine")
        assert {path.name: path.read_bytes() for path in study.iterdir()} == before


class TestColour:
    @pytest.mark.parametrize(
        ("variables", "flags", "coloured"),
        [
            ({}, (), False),  # stdout is no terminal here
            ({"FORCE_COLOR": "1"}, (), True),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
            ({"FORCE_COLOR": "1"}, ("--no-color",), False),
        ],
    )
    def test_colours_come_where_they_are_wanted(
        self,
        hpsearch: Run,
        study: Path,
        monkeypatch: pytest.MonkeyPatch,
        variables: dict[str, str],
        flags: tuple[str, ...],
        coloured: bool,
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert ("\x1b[1;32m" in hpsearch("leaderboard", "mine", *flags).out) is coloured

    def test_a_narrow_terminal_gets_a_narrow_table(
        self, hpsearch: Run, study: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "44")
        out = hpsearch("leaderboard", "mine").out
        assert "no room" in out
        assert max(len(line) for line in out.splitlines()) <= 44
