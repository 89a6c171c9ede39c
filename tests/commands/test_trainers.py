"""Commands and functions of one's own on the command line: from a YAML to a leaderboard."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hpsearch
from hpsearch.errors import (
    EXIT_CANNOT_WRITE,
    EXIT_CONFIG_DIFFERS,
    EXIT_IN_USE,
    EXIT_OK,
    EXIT_USAGE,
)
from hpsearch.study.folder import CONFIG, FILE
from hpsearch.study.store import Store, read
from tests.helpers.studies import create

Run = Callable[..., tuple[int, str, str]]

SPACE = """\
parameters:
  rate: {min: 1e-4, max: 1.0, log: true}
  layers: {values: [1, 2]}
search: {budget: 3}
"""
TRAINER = """\
import json, sys
args = dict(one.lstrip("-").split("=") for one in sys.argv[1:])
loss = abs(float(args["rate"]) - 0.1) + int(args["layers"]) / 100
print("reading data ...")
print(json.dumps({"loss": loss, "accuracy": 1 - loss}))
"""
EPOCHS = """\
import json, os, sys
rate = float(sys.argv[1].split("=")[1])
for epoch in range(1, int(os.environ["HPSEARCH_TRIAL_EPOCHS"]) + 1):
    print(json.dumps({"epoch": epoch, "loss": abs(rate - 0.1) / epoch}))
"""
MODULE = "def loss(params):\n    return abs(params['rate'] - 0.1)\n"
COMMAND = (sys.executable, "-S", "train.py", "{args}")
INLINE = ("--runner", "inline")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space, a program and a module, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # nothing of another test's is imported
    monkeypatch.delitem(sys.modules, "own_loss", raising=False)
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "train.py").write_text(TRAINER)
    (tmp_path / "own_loss.py").write_text(MODULE)
    (tmp_path / "own.yaml").write_text(f"objective: own_loss:loss\n{SPACE}")
    return tmp_path


@pytest.fixture
def searched(run_here: Run) -> Path:
    """The study of a command."""
    code, _, err = run_here("random", "space.yaml", *INLINE, "--study", "mine", "--", *COMMAND)
    assert code == EXIT_OK, err
    return Path("mine")


def names_in(folder: Path) -> set[str]:
    """Return the names of all that is in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class TestSearch:
    def test_a_command_after_dashes_is_searched(self, run_here: Run) -> None:
        code, out, err = run_here("random", "space.yaml", *INLINE, "--json", "--", *COMMAND)
        assert code == EXIT_OK
        found = json.loads(out)
        assert len(found["trials"]) == 3
        assert found["winner"]["loss"] == min(one["loss"] for one in found["trials"])
        assert f"each trial runs in {Path.cwd()}:" in err
        assert (
            (Path("runs/space-random/trials/0/log.txt").read_text())
            .splitlines()[1]
            .startswith("reading data")
        )

    def test_a_command_in_the_file_comes_to_the_same(self, run_here: Run) -> None:
        words = json.dumps(COMMAND)
        Path("both.yaml").write_text(f"command: {words}\n{SPACE}")
        first = run_here("random", "both.yaml", *INLINE, "--json")[1]
        second = run_here("random", "space.yaml", *INLINE, "--json", "--", *COMMAND)[1]
        losses = [[one["loss"] for one in json.loads(out)["trials"]] for out in (first, second)]
        assert losses[0] == losses[1]

    def test_a_metric_is_maximised(self, run_here: Run) -> None:
        maximize = ("--set", "maximize=accuracy")
        code, out, err = run_here("random", "space.yaml", *INLINE, *maximize, "--", *COMMAND)
        assert code == EXIT_OK
        head, first, *_ = out.splitlines()
        assert "accuracy" in head
        assert "-accuracy" not in out + err
        kept = read(Path("runs/space-random"))
        assert (kept.meta.metric, kept.meta.minimized) == ("accuracy", "-accuracy")
        best = min(result.loss for _, result in kept.history.done)
        assert first.split()[2] == f"{-best:.4f}"

    def test_trainings_are_halved_and_the_last_ones_are_whole(self, run_here: Run) -> None:
        Path("train.py").write_text(EPOCHS)
        halving = ("--halving", "--set", "epochs=9", "--budget", "6")
        out = run_here("random", "space.yaml", *INLINE, *halving, "--json", "--", *COMMAND)[1]
        states = {(one["state"], one["epochs"]) for one in json.loads(out)["trials"]}
        assert {("pruned", 1), ("pruned", 3), ("done", 9)} <= states
        assert {state for state, epochs in states if epochs == 9} == {"done"}

    def test_a_function_in_a_module_is_searched_and_resumed(self, run_here: Run) -> None:
        code, _, err = run_here("random", "own.yaml", *INLINE)
        assert code == EXIT_OK, err
        assert f"each trial calls own_loss:loss in {Path.cwd()}" in err
        code, out, err = run_here("resume", "--budget", "4", *INLINE, "--json")
        assert (code, len(json.loads(out)["trials"])) == (EXIT_OK, 4)

    def test_nothing_of_it_loads_torch(self) -> None:
        arguments = ["random", "space.yaml", *INLINE, "--budget", "1", "--", *COMMAND]
        script = (
            f"import sys\nfrom hpsearch.cli import main\nsys.argv = ['hpsearch', *{arguments!r}]\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
            "print('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert done.stdout.splitlines()[-1] == b"False"


class TestDryRun:
    def test_the_commands_of_the_first_wave_are_printed_and_nothing_is_written(
        self, run_here: Run, place: Path
    ) -> None:
        before = names_in(place)
        code, out, _ = run_here("random", "space.yaml", "--dry-run", "--", *COMMAND)
        assert (code, names_in(place)) == (EXIT_OK, before)
        lines = out.splitlines()
        assert len(lines) == 3
        ran = subprocess.run(lines[0], shell=True, capture_output=True, check=True)
        assert b'"loss"' in ran.stdout
        assert lines[0].endswith("# runs/space-random/trials/0")

    def test_they_are_what_a_search_runs(self, run_here: Run) -> None:
        dry = json.loads(run_here("random", "space.yaml", "--dry-run", "--json", "--", *COMMAND)[1])
        ran = json.loads(run_here("random", "space.yaml", *INLINE, "--json", "--", *COMMAND)[1])
        trials = {one["number"]: one["params"] for one in ran["trials"]}
        assert {one["number"]: one["params"] for one in dry} == trials
        assert dry[1]["command"][:3] == list(COMMAND[:3])

    def test_of_a_function_its_params_are_printed(self, run_here: Run) -> None:
        _, out, _ = run_here("random", "own.yaml", "--dry-run")
        assert out.startswith('own_loss:loss {"rate": ')

    def test_networks_have_no_commands(self, run_here: Run, place: Path) -> None:
        before = names_in(place)
        code, _, err = run_here("random", "--data", "digits", "--dry-run")
        assert (code, names_in(place)) == (EXIT_USAGE, before)
        assert "error[E086]: networks are trained by hpsearch itself" in err


class TestAnnouncements:
    def test_a_search_that_is_refused_announces_nothing(
        self, run_here: Run, searched: Path
    ) -> None:
        given = ("random", "space.yaml", *INLINE, "--study", "mine", "--", *COMMAND)
        code, _, err = run_here(*given)
        assert (code, err.startswith("error[E173]")) == (EXIT_CANNOT_WRITE, True)
        code, _, err = run_here("resume", "mine", "--budget", "1", *INLINE)
        assert (code, err.startswith("error[E061]")) == (EXIT_USAGE, True)
        with Store.open(searched):
            code, _, err = run_here("resume", "mine", "--budget", "9", *INLINE)
        assert (code, err.startswith("error[E175]")) == (EXIT_IN_USE, True)


class TestResume:
    def test_the_command_is_printed_before_anything_runs(
        self, run_here: Run, searched: Path
    ) -> None:
        code, out, err = run_here("resume", "mine", "--budget", "4", "-q", "--json", *INLINE)
        assert (code, len(json.loads(out)["trials"])) == (EXIT_OK, 4)
        assert err.splitlines()[0].startswith(f"each trial runs in {Path.cwd()}:  ")

    def test_it_goes_on_in_the_folder_where_it_was_begun(
        self, run_here: Run, searched: Path, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = place / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        code, _, err = run_here("resume", str(place / "mine"), "--budget", "4", *INLINE)
        assert code == EXIT_OK, err
        assert read(place / "mine").history.results[3]

    @pytest.mark.parametrize("words", [COMMAND, ("./run.sh", "{args}"), ("sh", "{file}"), ()])
    def test_a_folder_that_has_moved_is_named_and_the_study_goes_on_there(
        self, run_here: Run, place: Path, words: tuple[str, ...]
    ) -> None:
        old, new = place / "old", place / "new"
        old.mkdir()
        name = "space.yaml" if words else "own.yaml"
        for one in ("train.py", "own_loss.py", name):
            (place / one).rename(old / one)
        template = "" if "{file}" not in words else "template: run.sh\n"
        (old / name).write_text(f"{template}{(old / name).read_text()}")
        report = "echo '{\"loss\": 1}'"
        (old / "run.sh").write_text(f"#!/bin/sh\n# {{rate}} {{layers}}\n{report}\n")
        (old / "run.sh").chmod(0o700)
        given = ("random", f"old/{name}", *INLINE, "--budget", "1", "--study", "old/mine")
        code, _, err = run_here(*given, *(("--", *words) if words else ()))
        assert code == EXIT_OK, err
        old.rename(new)
        sys.modules.pop("own_loss", None)
        code, _, err = run_here("resume", "new/mine", "--budget", "2", *INLINE)
        assert (code, "error[E182]" in err) == (EXIT_USAGE, True)
        assert f"is not there: {old}\n" in err
        assert "hpsearch resume STUDY --folder PATH" in err
        more = ("resume", "new/mine", *INLINE, "--budget")
        assert "error[E182]" in run_here(*more, "2", "--folder", "nowhere")[2]
        assert read(new / "mine").meta.folder == str(old)
        assert run_here(*more, "2", "--folder", "new")[0] == EXIT_OK
        assert run_here(*more, "3")[0] == EXIT_OK
        assert len(read(new / "mine").history.done) == 3

    def test_the_folder_of_networks_has_no_meaning(self, run_here: Run) -> None:
        create(Path("nets")).close()
        code, _, err = run_here("resume", "nets", "--folder", ".")
        assert (code, "error[E012]" in err) == (EXIT_USAGE, True)

    def test_another_template_is_refused(self, run_here: Run) -> None:
        Path("a.yaml").write_text("rate: {rate}\nlayers: {layers}\n")
        train = "import sys, re; print('{\"loss\": 1}')"
        Path("space.yaml").write_text(f"template: a.yaml\n{SPACE}")
        command = ("--", sys.executable, "-S", "-c", train, "{file}")
        assert run_here("random", "space.yaml", *INLINE, *command)[0] == EXIT_OK
        Path("a.yaml").write_text("rate: {rate}\nlayers: 1 {layers}\n")
        code, _, err = run_here("resume", "--budget", "4", *INLINE)
        assert code == EXIT_CONFIG_DIFFERS
        assert "the template is not what this study was begun with" in err

    def test_another_key_of_the_trainer_is_refused(self, run_here: Run, searched: Path) -> None:
        config = searched / CONFIG
        config.write_text(f"{config.read_text()}epochs: 5\n")
        code, _, err = run_here("resume", "mine", "--budget", "4", *INLINE)
        assert code == EXIT_CONFIG_DIFFERS
        assert "epochs: 1 -> 5" in err

    def test_a_function_that_was_searched_in_python_is_left_to_python(self, run_here: Run) -> None:
        space = {"x": {"min": 0.0, "max": 1.0}}
        hpsearch.minimize(lambda params: float(params["x"]), space, "random", 2, study="calls")
        code, _, err = run_here("resume", "calls")
        assert (code, "error[E063]" in err) == (EXIT_USAGE, True)


class TestLooking:
    def test_nothing_is_imported_or_run(self, run_here: Run) -> None:
        assert run_here("random", "own.yaml", *INLINE, "--study", "mine")[0] == EXIT_OK
        Path("own_loss.py").write_text("raise SystemExit('it was imported')\n")
        sys.modules.pop("own_loss")
        for command in (["leaderboard", "mine"], ["show", "mine", "1"]):
            code, out, err = run_here(*command)
            assert (code, err) == (EXIT_OK, "")
            assert "rate" in out

    def test_a_trial_says_where_its_log_is(self, run_here: Run, searched: Path) -> None:
        _, out, _ = run_here("show", "mine", "1")
        log = next(line.split()[-1] for line in out.splitlines() if line.startswith("log"))
        assert Path(log).read_text().splitlines()[1].startswith("reading data")

    def test_a_failed_trial_says_why(self, run_here: Run) -> None:
        Path("train.py").write_text("import sys\nprint('at 7')\nsys.exit('no such data')\n")
        code, out, err = run_here("random", "space.yaml", *INLINE, "--", *COMMAND)
        assert code != EXIT_OK
        assert "no such data" in out
        assert err.endswith("why trial 0 has failed:  hpsearch show runs/space-random 0\n")
        shown = run_here("show", "0")[1]
        assert {"at 7", "no such data"} <= {*re.split(r"\n *", shown)}

    def test_check_says_what_is_searched_and_the_first_command(
        self, run_here: Run, place: Path
    ) -> None:
        before = names_in(place)
        code, out, _ = run_here("check", "space.yaml", "--", *COMMAND)
        assert (code, names_in(place)) == (EXIT_OK, before)
        assert out.splitlines()[0].startswith(f"each trial runs in {place}:  ")
        assert f"such as:  {sys.executable} -S train.py --rate=" in out
        assert out.splitlines()[3] == "2 parameters are searched"

    @pytest.mark.parametrize(
        "command",
        [
            ("export", "mine", "-o", "model"),
            ("retrain", "mine", "-o", "model"),
            ("replay", "mine", "0"),
            ("predict", "mine", "x.csv"),
        ],
    )
    def test_what_takes_networks_is_refused(
        self, run_here: Run, searched: Path, command: tuple[str, ...]
    ) -> None:
        code, _, err = run_here(*command)
        assert code == EXIT_USAGE
        assert "mine has trained no networks" in err
        assert "STUDY/trials" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("random", "space.yaml", "--", "no-such-program", "{args}"), "there is no program 'no-su"),
        (("random", "space.yaml", "--", "./train.py", "{args}"), "train.py may not be run"),
        (("random", "space.yaml", "--", *COMMAND[:3], "{rate}"), "does not use 'layers'"),
        (("random", "space.yaml", "--"), "nothing stands after --"),
        (("random", "own.yaml", "--", *COMMAND), "'objective' says what a trial runs, and what"),
        (("random", "--", *COMMAND), "a command is searched over the parameters of a file"),
        (("show", "mine", "--", *COMMAND), "what stands after -- is run by a search, and not by"),
        (("random", "space.yaml", "--device", "cuda", "--", *COMMAND), "decides itself where"),
        (("random", "space.yaml", "--metric", "auc", "--", *COMMAND), "'metric' has no meaning"),
        (("random", "space.yaml", "--halving", "--", *COMMAND), "halving needs to know how long"),
        (("manual", "own.yaml"), "there is nothing to run: 'manual' runs what was picked by hand"),
        (("check", "own.yaml", "--probe"), "a trainer of one's own is not timed"),
        (("diagnose", "own.yaml"), "diagnose is for networks"),
        (
            ("random", "space.yaml", "--set", "template=a.yaml", "--", *COMMAND),
            "cannot read the template",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    run_here: Run, place: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = names_in(place)
    code, _, err = run_here(*arguments)
    assert (code, names_in(place)) == (EXIT_USAGE, before)
    assert said in err
    assert err.count("error[") == 1


def test_the_names_of_a_trials_own_variables_are_no_slips(
    run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NUMBER", "SEED", "EPOCHS", "FOLDER", "RESULT", "SLOT", "SLOTS"):
        monkeypatch.setenv(f"HPSEARCH_TRIAL_{name}", "3")
    assert run_here("check", "own.yaml")[0] == EXIT_OK


def test_a_study_keeps_the_command_that_came_after_dashes(searched: Path) -> None:
    first = (searched / CONFIG).read_text().splitlines()[0]
    assert first.endswith("CONFIG --runner inline -- " + shlex.join(COMMAND))
    kept = sqlite3.connect(searched / FILE).execute("SELECT objective, overrides FROM study")
    ((objective, overrides),) = kept.fetchall()
    assert objective == "command"
    assert [["command"], list(COMMAND)] in [one[:2] for one in json.loads(overrides)]


def test_halving_on_machines_that_share_no_files_is_refused(run_here: Run) -> None:
    ray = ("--runner", "ray", "--address", "10.0.0.5:6379", "--workers", "2")
    given = ("random", "space.yaml", "--halving", "--budget", "4", "--set", "epochs=9", *ray)
    code, _, err = run_here(*given, "--", *COMMAND)
    assert (code, "error[E124]" in err) == (EXIT_USAGE, True)
    assert not Path("runs").exists()
