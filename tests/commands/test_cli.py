"""The command line without any training: options, exit codes, and what is printed where."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest

from hpsearch.cli import cli, main
from hpsearch.errors import EXIT_DAMAGED, EXIT_IN_USE, EXIT_NO_WINNER, EXIT_OK, EXIT_USAGE
from hpsearch.metrics import METRICS, minimized_name
from hpsearch.runners import RUNNERS
from hpsearch.strategies import SURROGATES
from hpsearch.study.folder import CONFIG, FILE
from hpsearch.study.record import Session
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Failed, Trial
from tests.helpers.histories import done
from tests.helpers.studies import create
from tests.helpers.tally import Tallies

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

    @pytest.mark.parametrize(
        ("variable", "said"),
        [
            ("HPSEARCH_BUGDET", "did you mean HPSEARCH_BUDGET?"),
            ("HPSEARCH_TIME_WIEGHT", "did you mean HPSEARCH_TIME_WEIGHT?"),
            ("HPSEARCH_budget", "did you mean HPSEARCH_BUDGET?"),
            ("HPSEARCH_DATE", "did you mean HPSEARCH_DATA?"),
            ("HPSEARCH_TRIALS", "--trials does not come from the environment"),
        ],
    )
    def test_a_slip_in_the_name_of_a_variable_is_no_option_left_out(
        self, hpsearch: Run, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
    ) -> None:
        monkeypatch.setenv("HPSEARCH_REPOSITORY", "somebody else's")
        for name in ("NUMBER", "SEED", "EPOCHS", "FOLDER", "RESULT", "SLOT", "SLOTS"):
            monkeypatch.setenv(f"HPSEARCH_TRIAL_{name}", "what a program is told of its trial")
        assert hpsearch("leaderboard", "nothing").err.startswith("error[E062]")
        monkeypatch.setenv(variable, "7")
        ran = hpsearch("leaderboard", "nothing")
        assert ran.code == EXIT_USAGE
        assert ran.err.startswith("error[E012]: ")
        assert f"--> {variable}=7" in ran.err
        assert said in ran.err

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

    def test_a_table_has_a_thousand_trials_unless_it_is_asked_for_more(
        self, hpsearch: Run, tmp_path: Path
    ) -> None:
        with create(tmp_path / "runs" / "many", baseline_loss=None) as store:
            store.record_wave([Trial(n, {"lr": 0.1}, "", 0, n) for n in range(1_003)])
            store.record_results({n: done(0.1 + n) for n in range(1_003)})
        lines = hpsearch("leaderboard", "many").out.splitlines()
        assert lines[1_000].split()[0] == "999"
        assert lines[1_001] == "3 more"
        assert "1002" in hpsearch("leaderboard", "many", "--top", "2000").out
        assert len(hpsearch("leaderboard", "many", "--format", "csv").out.splitlines()) == 1_004

    def test_a_minus_turns_the_order_round(self, hpsearch: Run, study: Path) -> None:
        arguments = ("--format", "csv", "--columns", "lr", "--sort", "-lr")
        out = hpsearch("leaderboard", "mine", *arguments).out
        assert out.splitlines()[1:] == [
            f"{n},{s}"
            for n, s in enumerate(["done,1.0", "done,0.1", "failed,0.01", "pending,0.001"])
        ]

    def test_fixed_and_default_settings_can_be_columns(self, hpsearch: Run, tmp_path: Path) -> None:
        config = "data: {source: digits}\ntrain: {epochs: 7, width: 9}\n"
        with create(tmp_path / "fixed", config=config) as store:
            store.record_wave([Trial(0, {"lr": 0.1}, "", 0, 0)])
        arguments = ("--format", "csv", "--columns", "width,batch_size,params.epochs,lr,momentum")
        ran = hpsearch("leaderboard", "fixed", *arguments[:-1], arguments[-1][:-9])
        assert ran.out.splitlines() == [
            "number,state,width,batch_size,params.epochs,lr",
            "0,pending,9,64,7,0.1",
        ]
        assert "no column is called 'momentum'" in hpsearch("leaderboard", "fixed", *arguments).err

    @pytest.mark.parametrize(
        ("names", "header"),
        [
            ('loss, "f1,macro"', ["loss", "f1,macro"]),
            ('"f1,macro"\n,"say ""so"""', ["f1,macro", 'say "so"']),
        ],
    )
    def test_a_name_with_a_comma_is_quoted(
        self, hpsearch: Run, tmp_path: Path, names: str, header: list[str]
    ) -> None:
        with create(tmp_path / "own", objective="function") as store:
            store.record_wave([Trial(n, {"lr": 0.1}, "", 0, n) for n in range(2)])
            for n, f1 in enumerate((0.75, 0.5)):
                measures = {"f1,macro": f1, 'say "so"': 1.0}
                store.record_results({n: replace(done(0.5), measures=measures)})
        ran = hpsearch(
            "leaderboard", "own", "--format", "csv", "--columns", names, "--sort", "f1,macro"
        )
        first, *rows = csv.reader(ran.out.splitlines())
        assert first == ["number", "state", *header]
        assert [row[0] for row in rows] == ["1", "0"]

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


NO_NUMBERS = [
    *("nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", "-1", "x", " ", "1,5", "0x10"),
    *("9" * 400, "1" + "0" * 400 + ".5e999"),
]
NO_WHOLE_NUMBERS = [*NO_NUMBERS, "1e3", "2.0", "1.5", "1_000", "\u0663"]
NUMBERS = [
    (name, option)
    for name, option in OPTIONS
    if isinstance(option, click.Option)
    and isinstance(option.type, click.IntRange | click.FloatRange)
]


def test_every_option_that_is_a_number_has_a_type_that_checks_it() -> None:
    unchecked = (click.types.IntParamType, click.types.FloatParamType, click.IntRange)
    assert not [one for one in OPTIONS if type(one[1].type) in (*unchecked, click.FloatRange)]
    assert len({option.name for _, option in NUMBERS}) >= 10


@pytest.mark.parametrize(
    ("command", "option"), NUMBERS, ids=lambda value: getattr(value, "name", value)
)
def test_an_option_that_is_no_number_is_refused_with_its_place(
    hpsearch: Run, tally: Tallies, command: str, option: click.Option
) -> None:
    for value in NO_NUMBERS if isinstance(option.type, click.FloatRange) else NO_WHOLE_NUMBERS:
        with tally("options that are no numbers").attempt():
            ran = hpsearch(command, option.opts[0], value)
            assert (ran.code, ran.out) == (EXIT_USAGE, "")
            assert ran.err.startswith("error[E020]: ")
            assert f"  --> {option.opts[0]} " in ran.err


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
def test_a_number_of_the_environment_is_named_by_its_variable(
    hpsearch: Run, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HPSEARCH_TIME_WEIGHT", value)
    ran = hpsearch("random", "--json")
    (error,) = json.loads(ran.err)["errors"]
    assert (ran.code, error["file"]) == (EXIT_USAGE, f"HPSEARCH_TIME_WEIGHT={value}")


def test_a_whole_number_in_another_notation_is_answered_with_its_digits(hpsearch: Run) -> None:
    assert "write 1000" in hpsearch("random", "--budget", "1e3").err
    assert "write 1000" in hpsearch("random", "--budget", "1,000").err


PARAMETERS = "parameters: {lr: {min: 1e-4, max: 0.1, log: true}, epochs: {min: 1, max: 3}}\n"
SPACE = "data: {source: digits}\n" + PARAMETERS


class TestConfigs:
    @pytest.mark.parametrize("name", ["hpsearch.yaml", "hpsearch.yml"])
    def test_a_project_file_is_found_under_both_names(
        self, hpsearch: Run, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_text("nonsense: 3\n")
        for command in ("random", "diagnose"):
            assert f"--> {name}:1:1" in hpsearch(command).err

    def test_two_project_files_are_refused(self, hpsearch: Run, tmp_path: Path) -> None:
        for name in ("hpsearch.yaml", "hpsearch.yml"):
            (tmp_path / name).write_text(SPACE)
        ran = hpsearch("random")
        assert ran.code == EXIT_USAGE
        assert "there are both hpsearch.yaml and hpsearch.yml" in ran.err

    @pytest.mark.parametrize("name", ["hpsearch.yaml", "hpsearch.yml"])
    @pytest.mark.parametrize("kind", ["broken link", "loop", "folder"])
    def test_a_project_file_that_cannot_be_read_is_not_passed_over(
        self, hpsearch: Run, tmp_path: Path, name: str, kind: str
    ) -> None:
        if kind == "folder":
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).symlink_to("nowhere" if kind == "broken link" else name)
        ran = hpsearch("random")
        assert (ran.code, ran.out) == (EXIT_USAGE, "")
        assert f"error[E001]: cannot read {name}: " in ran.err

    def test_the_built_in_example_is_said_to_be_it(self, hpsearch: Run, tmp_path: Path) -> None:
        flags = ("--smoke", "--budget", "1", "--runner", "inline")
        ran = hpsearch("random", *flags)
        assert ran.code == EXIT_OK
        assert "this is the built-in example" in ran.err
        assert "built-in" not in hpsearch("random", *flags, "--quiet").err
        (tmp_path / "hpsearch.yml").write_text("data: {source: digits}\n")
        assert "built-in" not in hpsearch("random", *flags).err

    @pytest.mark.parametrize("arguments", [(), ("--trials",)], ids=["CONFIG", "--trials"])
    @pytest.mark.parametrize("kind", ["/dev/zero", "/dev/null", "folder", "pipe", "left pipe"])
    def test_what_is_no_file_is_read_as_far_as_it_can_be_one(
        self,
        hpsearch: Run,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
        kind: str,
    ) -> None:
        monkeypatch.setattr("hpsearch.commands.inputs._PATIENCE", 100)
        name = kind
        if kind == "folder":
            (tmp_path / name).mkdir()
        elif "pipe" in kind:
            os.mkfifo(tmp_path / name)
        with ExitStack() as stack:
            if kind == "left pipe":
                reader = os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK)
                stack.callback(os.close, reader)
            ran = hpsearch("manual", *arguments, name)
        assert (ran.code, ran.out) == (EXIT_USAGE, "")
        assert "error[E0" in ran.err

    @pytest.mark.parametrize("name", ["picks.csv", "picks.json", "picks.yaml"])
    def test_a_link_to_what_has_no_end_is_larger_than_a_file_may_be(
        self, hpsearch: Run, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).symlink_to("/dev/zero")
        assert "larger than" in hpsearch("manual", "--trials", name).err

    def test_a_pipe_is_read_like_a_file(self, hpsearch: Run, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "space.yaml")
        writer = threading.Thread(
            target=(tmp_path / "space.yaml").write_text, args=["nonsense: 3\n"], daemon=True
        )
        writer.start()
        assert "--> space.yaml:1:1" in hpsearch("random", "space.yaml").err
        writer.join(10)

    @pytest.mark.parametrize(
        ("flag", "hint"),
        [
            (("--time", "5"), "write 5s or 5m"),
            (("--time", "-3s"), "a duration is above 0"),
            (("--time", "0"), "a duration is above 0"),
            (("--set", "search.time=-3"), "a duration is above 0"),
            (("--memory", "5"), "write 5MB or 5GB"),
            (("--memory", "-5"), "a size is above 0"),
        ],
    )
    def test_a_quantity_without_its_unit_is_answered_with_one(
        self, hpsearch: Run, flag: tuple[str, ...], hint: str
    ) -> None:
        assert hint in hpsearch("random", *flag).err


class TestPicks:
    @pytest.fixture
    def picked(self, hpsearch: Run, tmp_path: Path) -> Callable[..., tuple[list[object], str]]:
        """Return a function that gives the trials of a file as they are run, and what is said."""
        (tmp_path / "space.yaml").write_text(SPACE)

        def run(name: str, *more: str) -> tuple[list[object], str]:
            flags = ("--runner", "inline", "--study", f"again {name}", "--set", "batch_size=512")
            ran = hpsearch("manual", "space.yaml", "--trials", name, *flags, *more)
            assert ran.code == EXIT_OK, ran.err
            trials = read(tmp_path / f"again {name}").history.trials
            return [dict(trial.params) for trial in trials], ran.err

        return run

    @pytest.mark.parametrize("format", ["csv", "json"])
    def test_what_a_leaderboard_exports_is_run_again(
        self, hpsearch: Run, tmp_path: Path, picked: Any, format: str
    ) -> None:
        params = [{"lr": 0.1, "epochs": 3}, {"lr": 1e-4, "epochs": 1}, {"lr": 1 / 30, "epochs": 2}]
        with create(tmp_path / "study", config=SPACE) as store:
            store.record_wave([Trial(n, one, "random", 0, n) for n, one in enumerate(params)])
            store.record_results({n: done(0.5 - n / 10) for n in range(2)})
            store.record_results({2: Failed("diverged", "at once")})
        exported = hpsearch("leaderboard", "study", "--format", format).out
        (tmp_path / f"picks.{format}").write_text(exported)
        trials, said = picked(f"picks.{format}")
        assert trials == [params[1], params[0], params[2]]
        assert "passed over, as no settings: number, state" in said
        assert "built-in" not in said

    @pytest.mark.parametrize("metric", [name for name in METRICS if name != "accuracy"])
    @pytest.mark.parametrize("format", ["csv", "json"])
    def test_what_was_judged_by_another_metric_is_run_again(
        self, hpsearch: Run, tmp_path: Path, picked: Any, format: str, metric: str
    ) -> None:
        data = json.dumps({"minimized": minimized_name(metric)})
        with create(tmp_path / "study", config=SPACE, metric=metric, data=data) as store:
            store.record_wave([Trial(0, {"lr": 0.1, "epochs": 1}, "random", 0, 0)])
            store.record_results({0: replace(done(0.5), loss_se=0.1)})
        exported = hpsearch("leaderboard", "study", "--format", format).out
        (tmp_path / f"picks.{format}").write_text(exported)
        trials, said = picked(f"picks.{format}")
        assert trials == [{"lr": 0.1, "epochs": 1}]
        assert f"{minimized_name(metric)}_se" in said

    def test_figures_beside_settings_are_passed_over(self, tmp_path: Path, picked: Any) -> None:
        (tmp_path / "picks.csv").write_text("lr,loss,epochs\n0.01,0.3,2\n")
        trials, said = picked("picks.csv")
        assert trials == [{"lr": 0.01, "epochs": 2}]
        assert "passed over, as no settings: loss" in said

    def test_epochs_beside_a_number_are_those_that_a_trial_has_had(
        self, tmp_path: Path, picked: Any
    ) -> None:
        (tmp_path / "picks.csv").write_text("number,lr,epochs,params.epochs\n7,0.01,1,3\n")
        trials, said = picked("picks.csv")
        assert trials == [{"lr": 0.01, "epochs": 3}]
        assert "number, epochs" in said

    def test_a_column_that_is_neither_figure_nor_setting_is_a_mistake(
        self, hpsearch: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "picks.csv").write_text("number,lr,widht\n7,0.01,1\n")
        assert "unknown setting 'widht'" in hpsearch("manual", "--trials", "picks.csv").err


@pytest.mark.parametrize(
    "flag", ["search.seed=\n7", "search.seed=7\u2028", "lr=\t0.1", "data.task=\r\nclassification"]
)
def test_the_kept_config_can_be_read_whatever_the_flags_are(
    hpsearch: Run, tmp_path: Path, flag: str
) -> None:
    (tmp_path / "space.yaml").write_text("\ufeff" + SPACE, encoding="utf-8")
    flags = ("--runner", "inline", "--study", "study", "--set", "batch_size=512", "--set", flag)
    ran = hpsearch("random", "space.yaml", "--budget", "1", *flags)
    assert ran.code == EXIT_OK
    config = (tmp_path / "study" / CONFIG).read_text(encoding="utf-8")
    assert config.count("\n") == SPACE.count("\n") + 1
    assert hpsearch("resume", "study", "--budget", "2", "--runner", "inline").code == EXIT_OK
