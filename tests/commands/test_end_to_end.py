"""The commands as a user runs them: real processes, real training on the built-in digits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from hpsearch.cli import cli
from hpsearch.report.board.view import canonical
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Failed
from tests.helpers.real import needs_mnist

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "help"
SEARCHES = ["manual", "grid", "random", "bayes"]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
_TIMEOUT = 300


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hpsearch", *arguments]


def hpsearch(
    folder: Path, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in a folder of its own.

    It must end with this code, and without a traceback.
    """
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def studied(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a folder with one small study, and what the search printed."""
    folder = tmp_path_factory.mktemp("studied")
    return folder, hpsearch(
        folder, "random", "--budget", "6", "--epochs", "3", "--study", "study", "--json"
    )


class TestSearches:
    @pytest.mark.parametrize(  # of all four: with each experiment, below
        "strategy", [pytest.param("grid", marks=pytest.mark.slow), "bayes"]
    )
    def test_a_smoke_run_trains_at_most_three_trials_of_one_epoch(
        self, strategy: str, tmp_path: Path
    ) -> None:
        hpsearch(tmp_path, strategy, "--smoke", "--study", "study")
        study = read(tmp_path / "study")
        assert 0 < len(study.history) <= 3
        assert {result.epochs for _, result in study.history.done} == {1}

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", SEARCHES)
    def test_each_ends_with_a_winner_that_is_better_than_the_baseline(
        self, strategy: str, tmp_path: Path
    ) -> None:
        (tmp_path / "space.yaml").write_text(
            "data: {source: digits}\ntrain: {epochs: 8}\n"
            "parameters:\n"
            "  lr: {min: 1e-3, max: 1e-2, log: true, points: 2}\n"
            "  width: {min: 16, max: 128, points: 4}\n"
            "trials: [{lr: 0.003}, {lr: 0.01, width: 100}]\n"
        )
        done = hpsearch(tmp_path, strategy, "space.yaml", "--budget", "8", "--json")
        board = json.loads(done.stdout)
        assert board["winner"]["loss"] < board["baseline"]["loss"]

    @pytest.mark.slow
    @pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
    @pytest.mark.parametrize("strategy", SEARCHES)
    def test_every_experiment_can_be_smoked(
        self, path: Path, strategy: str, tmp_path: Path
    ) -> None:
        if "mnist" in path.stem and needs_mnist.args[0]:
            pytest.skip(needs_mnist.kwargs["reason"])
        hpsearch(tmp_path, strategy, str(path), "--smoke", "--quiet")

    @pytest.mark.slow
    def test_halving_promotes_half_of_its_trials_in_one_cohort_and_leaves_no_pause_behind(
        self, tmp_path: Path
    ) -> None:
        given = ("--halving", "--budget", "4", "--epochs", "9", "--set", "patience=0")
        ran = hpsearch(tmp_path, "random", *given, "--study", "study", "--json")
        found = json.loads(ran.stdout)
        assert "is 8 trials" in ran.stderr
        states = Counter((trial["state"], trial["epochs"]) for trial in found["trials"])
        assert states == {("pruned", 1): 4, ("pruned", 3): 2, ("done", 9): 2}
        assert found["test"]["evaluations"] == 1
        history = read(tmp_path / "study").history
        weights = {result.weights for _, result in history.done}
        assert {path.name for path in (tmp_path / "study" / "artefacts").iterdir()} <= weights
        assert history.trials[0].origin == "default"
        # each segment of the others is one cohort
        assert len({trial.cohort for trial in history.trials if trial.run}) == 3

    @pytest.mark.slow
    def test_hand_picked_trials_can_come_from_a_csv(self, tmp_path: Path) -> None:
        (tmp_path / "picks.csv").write_text("lr,width,optimizer\n0.01,32,adam\n0.05,,sgd\n")
        (tmp_path / "space.yaml").write_text("data: {source: digits}\n")
        picked = ("--trials", "picks.csv", "--epochs", "1", "--study", "study")
        hpsearch(tmp_path, "manual", "space.yaml", *picked)
        trials = read(tmp_path / "study").history.trials
        assert [dict(t.params) for t in trials] == [
            {"lr": 0.01, "width": 32, "optimizer": "adam"},
            {"lr": 0.05, "optimizer": "sgd"},
        ]

    def test_a_grid_that_nobody_means_to_run_is_refused_with_its_count(
        self, tmp_path: Path
    ) -> None:
        done = hpsearch(tmp_path, "grid", "--points", "40", code=2)
        assert "points" in done.stderr
        assert "--budget" in done.stderr
        assert not (tmp_path / "runs").exists()

    @pytest.mark.slow
    def test_networks_are_trained_on_a_folder_of_images(self, tmp_path: Path) -> None:
        for number in range(60):  # dark ones and bright ones, in colours and grey, of two sizes
            image = Image.new("RGB", (8, 8 + number % 2), (100 + number, 50 + number, 60))
            kind = "dark" if number < 30 else "bright"
            image = image if kind == "dark" else image.point(lambda value: 255 - value // 8)
            (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
            image.convert("RGB" if number % 3 else "L").save(
                tmp_path / "photos" / kind / f"{number}.png"
            )
        (tmp_path / "space.yaml").write_text(
            "data: {source: photos/}\ntrain: {epochs: 5, lr: 0.01}\n"
            "parameters: {model: {values: [mlp, resnet]}}\n"
        )
        done = hpsearch(tmp_path, "random", "space.yaml", "--budget", "2", "--json")
        board = json.loads(done.stdout)
        assert "photos: 60 images of 8 x 8 pixels, 3 channels, 2 classes" in done.stderr
        assert "20 of 60 images were made RGB (from L)" in board["notes"]
        assert "2 sizes, from 8 x 8 to 9 x 8: all were made 8 x 8" in str(board["notes"])
        assert board["winner"]["loss"] < board["baseline"]["loss"]
        (tmp_path / "photos" / "dark" / "7.png").write_bytes(b"no image")
        said = hpsearch(tmp_path, "random", "space.yaml", code=2).stderr
        assert "photos/dark/7.png' cannot be read" in said

    @pytest.mark.slow
    @needs_mnist
    def test_eight_random_trials_on_mnist_reach_96_percent(self, tmp_path: Path) -> None:
        path = ROOT / "experiments" / "mnist_mlp.yaml"
        done = hpsearch(tmp_path, "random", str(path), "--budget", "8", "--epochs", "3", "--json")
        assert json.loads(done.stdout)["winner"]["metric"] > 0.96


class TestDeterminism:
    SEARCH = ("--budget", "14", "--epochs", "3", "--study", "study")

    def rows(self, folder: Path, *arguments: str) -> str:
        folder.mkdir()
        hpsearch(folder, *arguments, *self.SEARCH)
        return canonical(read(folder / "study"))

    def interrupted(self, folder: Path, number: int, *arguments: str) -> str:
        """Return the rows of a search that gets a signal after its first trials, and goes on."""
        folder.mkdir()
        line = command(*arguments, *self.SEARCH)
        with subprocess.Popen(
            line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            for said in process.stderr:
                if "trial" in said and "loss" in said:
                    break
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait(_TIMEOUT) == 128 + number, rest
        assert "hpsearch resume study" in rest
        assert read(folder / "study").history.done  # what was said to be finished is kept
        hpsearch(folder, "resume", "study")
        return canonical(read(folder / "study"))

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param(("bayes",), marks=pytest.mark.slow),
            pytest.param(("random",), marks=pytest.mark.slow),
            pytest.param(("random", "--rounds", "3"), marks=pytest.mark.slow),
            pytest.param(("random", "--halving"), marks=pytest.mark.slow),
            pytest.param(("bayes", "--halving"), marks=pytest.mark.slow),
            pytest.param(("bayes", "--set", "search.lag=1"), marks=pytest.mark.slow),
        ],
        ids=" ".join,
    )
    def test_workers_and_interruptions_change_nothing(
        self, arguments: tuple[str, ...], tmp_path: Path
    ) -> None:
        calm = self.rows(tmp_path / "calm", *arguments, "--workers", "2")
        assert self.rows(tmp_path / "again", *arguments, "--workers", "1") == calm
        assert self.interrupted(tmp_path / "interrupted", signal.SIGINT, *arguments) == calm

    @pytest.mark.slow
    def test_the_runner_changes_nothing(self, studied: tuple[Path, Any], tmp_path: Path) -> None:
        begun = ("random", "--budget", "6", "--epochs", "3", "--study", "study")
        hpsearch(tmp_path, *begun, "--runner", "inline")
        assert canonical(read(tmp_path / "study")) == canonical(read(studied[0] / "study"))

    @pytest.mark.slow
    def test_a_study_may_be_resumed_with_another_runner(self, tmp_path: Path) -> None:
        begun = ("random", "--budget", "2", "--epochs", "1", "--study", "study")
        hpsearch(tmp_path, *begun, "--runner", "inline")
        hpsearch(tmp_path, "resume", "study", "--budget", "3", "--runner", "local")
        hpsearch(tmp_path, "resume", "study", "--budget", "4")
        assert len(read(tmp_path / "study").history.done) == 4

    @pytest.mark.slow
    def test_a_polite_kill_is_taken_as_ctrl_c(self, tmp_path: Path) -> None:
        calm = self.rows(tmp_path / "calm", "bayes")
        assert self.interrupted(tmp_path / "killed", signal.SIGTERM, "bayes") == calm

    @pytest.mark.slow
    def test_another_seed_is_another_search(
        self, studied: tuple[Path, Any], tmp_path: Path
    ) -> None:
        given = ("--budget", "6", "--epochs", "3", "--study", "other")
        hpsearch(tmp_path, "random", *given, env={"HPSEARCH_SEED": "1"})
        one, other = read(studied[0] / "study"), read(tmp_path / "other")
        assert (one.meta.seed, other.meta.seed) == (0, 1)
        assert not {t.params["lr"] for t in one.history.trials[1:]} & {
            t.params["lr"] for t in other.history.trials[1:]
        }
        assert canonical(one) != canonical(other)

    @pytest.mark.slow
    def test_a_larger_budget_goes_on_where_the_study_stands(self, tmp_path: Path) -> None:
        hpsearch(tmp_path, "random", "--budget", "4", "--epochs", "2", "--study", "study")
        before = read(tmp_path / "study").history.trials
        hpsearch(tmp_path, "resume", "study", "--budget", "7")
        after = read(tmp_path / "study").history
        assert after.trials[:4] == before
        assert len(after.done) == 7


class TestOutput:
    def test_json_is_one_object_with_what_is_documented(self, studied: tuple[Path, Any]) -> None:
        board = json.loads(studied[1].stdout)
        assert board["schema_version"] == 2
        assert set(board) == {
            *("schema_version", "study", "strategy", "seed", "data", "best", "winner", "default"),
            *("baseline", "test", "trials", "replicates", "wall_seconds", "exit", "minimized"),
            *("notes", "expected"),
            "metric_name",
        }
        assert board["metric_name"] == "accuracy"
        figures = {"number", "params", "loss", "metric", "seconds", "flops"}
        assert set(board["best"]) >= figures | {"loss_se"}
        assert set(board["test"]) == {"loss", "metric", "interval", "evaluations"}
        wanted = figures | {"state", "epochs", "failure", "cohort", "halved"}
        assert all(set(trial) >= wanted for trial in board["trials"])
        assert (len(board["trials"]), board["exit"], board["test"]["evaluations"]) == (6, 0, 1)

    def test_the_leaderboard_prints_the_same_object(self, studied: tuple[Path, Any]) -> None:
        again = hpsearch(studied[0], "leaderboard", "study", "--format", "json")
        assert json.loads(again.stdout) == json.loads(studied[1].stdout)

    def test_progress_is_on_stderr_and_plain_where_nobody_looks_on(
        self, studied: tuple[Path, Any]
    ) -> None:
        assert "trial" in studied[1].stderr
        assert "\x1b" not in studied[1].stderr

    @pytest.mark.slow
    def test_quiet_says_nothing_on_stderr(self, tmp_path: Path) -> None:
        done = hpsearch(tmp_path, "manual", "--smoke", "--quiet")
        assert done.stderr == ""
        assert "winner" in done.stdout

    @pytest.mark.parametrize("format", ["table", "csv", "md"])
    def test_the_leaderboard_has_a_row_for_each_trial_and_the_baseline(
        self, format: str, studied: Any
    ) -> None:
        done = hpsearch(studied[0], "leaderboard", "study", "--format", format, "--sort", "seconds")
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) >= 7
        assert format == "csv" or "baseline" in done.stdout

    def test_a_pipe_that_closes_is_no_error(self, studied: tuple[Path, Any]) -> None:
        line = " ".join(command("leaderboard", "study")) + " | head -1"
        done = subprocess.run(
            line, shell=True, cwd=studied[0], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""

    @pytest.mark.parametrize("name", ["", *sorted(cli.commands)])
    def test_the_help_is_the_golden_one(self, name: str) -> None:
        path = GOLDEN / f"{name or 'hpsearch'}.txt"
        env = {"COLUMNS": "100"}
        text = (
            CliRunner(env=env)
            .invoke(cli, [*([name] if name else []), "--help"], prog_name="hpsearch")
            .output
        )
        if os.environ.get("HPSEARCH_REWRITE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")


class TestExitCodes:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("bayes", "nowhere.yaml"), 2, "nowhere.yaml"),
            (("bayes", "--budget", "0"), 2, "budget"),
            (("bayes", "--buget", "5"), 2, "--budget"),
            (("leaderboard", "nothing"), 2, "nothing"),
            (("resume",), 2, "no study"),
            (("random", "--set", "lr"), 2, "KEY=VALUE"),
            (("random", "--set", "lr=fast"), 2, "--set lr=fast"),
            (("random", "--device", "cuda:7", "--smoke"), 2, "cuda:7"),
            (("random", "--device", "tpu"), 2, "auto, cpu, cuda or cuda:i"),
            (("diagnose", "--device", "cuda:-1"), 2, "auto, cpu, cuda or cuda:i"),
            (("bayes", "--memory", "99999999999999999GB"), 2, "at most 1000000GB"),
            (("bayes", "--memory", f"{10**400}GB"), 2, "at most 1000000GB"),
            (("bayes", "--memory", "0.0000001MB"), 2, "a size such as 4GB"),
            (("bayes", "--set", f"search.time={10**400}"), 2, "not a duration"),
            (("random", "--set", "data.source=digitz"), 2, "digits"),
            (("random", "--set", "search.metric=r2", "--smoke"), 2, "r2"),
            (
                ("random", "--set", "data.source=diabetes", "--set", "bayesian=laplace", "--smoke"),
                2,
                "laplace",
            ),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
    )
    def test_bad_usage_is_2_and_says_what_is_wrong(
        self, arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
    ) -> None:
        assert said in hpsearch(tmp_path, *arguments, code=code).stderr

    def test_a_wrong_yaml_is_the_same_as_data_under_json(self, tmp_path: Path) -> None:
        (tmp_path / "wrong.yaml").write_text("data: {source: digits}\nparmeters: {}\n")
        done = hpsearch(tmp_path, "grid", "wrong.yaml", "--json", code=2)
        (error,) = json.loads(done.stderr)["errors"]
        assert (error["code"], error["line"], error["column"]) == ("E012", 2, 1)
        assert done.stdout == ""

    @pytest.mark.slow
    def test_a_study_that_is_there_is_not_written_over(self, studied: tuple[Path, Any]) -> None:
        done = hpsearch(studied[0], "random", "--smoke", "--study", "study", code=73)
        assert "hpsearch resume study" in done.stderr

    def test_a_study_in_use_is_75_and_can_be_read(self, studied: tuple[Path, Any]) -> None:
        with Store.open(studied[0] / "study"):
            done = hpsearch(studied[0], "resume", "study", code=75)
            assert str(os.getpid()) in done.stderr
            hpsearch(studied[0], "leaderboard", "study")

    @pytest.mark.slow
    def test_a_study_without_a_success_is_1(self, tmp_path: Path) -> None:
        (tmp_path / "space.yaml").write_text(
            "data: {source: digits}\ntrain: {lr: 1e20, optimizer: sgd, epochs: 1}\n"
        )
        done = hpsearch(tmp_path, "random", "space.yaml", code=1)
        assert "no trial has succeeded" in done.stdout

    @pytest.mark.slow
    def test_where_trials_only_crash_it_is_4_and_another_limit_helps(self, tmp_path: Path) -> None:
        (tmp_path / "space.yaml").write_text(
            "data: {source: digits}\ntrain: {epochs: 1}\nparameters:\n"
            "  width: {values: [9000, 16]}\n  lr: {values: [0.1, 0.01, 0.001]}\n"
            "trials:\n"
            "- {width: 9000, lr: 0.1}\n- {width: 9000, lr: 0.01}\n- {width: 9000, lr: 0.001}\n"
            "search: {max_failures: 3}\n"
        )
        limits = ("--memory", "1GB", "--workers", "1", "--study", "study")
        done = hpsearch(tmp_path, "grid", "space.yaml", *limits, code=4)
        said = (
            "3 trials in a row have crashed, the last of them:  memory: it takes more than the 1 GB"
        )
        assert said in done.stderr
        assert "trial 0: memory" in done.stderr
        assert "hpsearch resume study" in done.stderr
        hpsearch(tmp_path, "resume", "study", "--memory", "2GB")
        results = read(tmp_path / "study").history.results
        failed = [number for number in range(6) if isinstance(results[number], Failed)]
        assert failed == [0, 1, 2]

    @pytest.mark.slow
    def test_a_trial_that_takes_too_long_fails_and_the_others_do_not(self, tmp_path: Path) -> None:
        (tmp_path / "space.yaml").write_text(
            "data: {source: digits}\ntrain: {width: 256, patience: 100000, batch_size: 8}\n"
            "parameters: {epochs: {values: [1, 2, 100000]}}\nsearch: {max_retries: 0}\n"
        )
        done = hpsearch(tmp_path, "grid", "space.yaml", "--trial-timeout", "4s", "--json")
        trials = json.loads(done.stdout)["trials"]
        states = sorted(((trial["state"], trial["failure"]) for trial in trials), key=str)
        assert states == [("done", None)] * 2 + [("failed", "timeout: it took longer than 4 s")]

    @pytest.mark.slow
    def test_time_stops_the_search(self, tmp_path: Path) -> None:
        start = time.monotonic()
        limits = ("--time", "25s", "--budget", "100000", "--epochs", "2")
        hpsearch(tmp_path, "bayes", *limits, "--study", "study")
        assert time.monotonic() - start < 120  # not a measurement: it would run for hours
        assert 0 < len(read(tmp_path / "study").history.done) < 100_000
