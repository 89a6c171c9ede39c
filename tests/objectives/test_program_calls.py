"""How a program is called and pauses, what it is told, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpsearch.objectives import trial_folder
from hpsearch.objectives.command import Command
from hpsearch.objectives.reports import Reporting
from hpsearch.slots import SLOT, SLOTS, _installed
from hpsearch.study.trial import Notice
from hpsearch.testing.runners import is_alive
from tests.helpers.processes import is_gone
from tests.helpers.programs import (
    PYTHON,
    RESUMES,
    called,
    command,
    crash_of,
    done,
    log,
    shell,
    trial,
)

ENDLESS = """
import json, signal, sys, time
def end(number, frame):
    print("asked to end")
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
for epoch in range(1, 1000):
    print(json.dumps({"epoch": epoch, "loss": 1 / epoch}), flush=True)
    time.sleep(0.02)
"""
FIRST_EPOCH = """echo '{"epoch": 1, "loss": 5}'"""


class TestPauses:
    def test_a_program_that_goes_on_is_asked_to_end_at_its_pause(self, tmp_path: Path) -> None:
        of = command(tmp_path, ENDLESS, reporting=Reporting(epochs=27))
        found = done(of, until_epoch=3)
        assert (found.epochs, found.loss, found.paused) == (3, 1 / 3, True)
        assert "asked to end" in log(of)

    def test_one_that_passes_over_its_pause_is_asked_to_end_there(self, tmp_path: Path) -> None:
        script = ENDLESS.replace("range(1, 1000)", "range(2, 1000, 2)")
        of = command(tmp_path, script, reporting=Reporting(epochs=27))
        found = done(of, until_epoch=3)
        assert (found.epochs, found.loss, found.paused) == (3, 1 / 2, True)
        assert "asked to end" in log(of)

    def test_one_that_does_not_listen_is_killed(self, tmp_path: Path) -> None:
        script = f"trap '' TERM; {FIRST_EPOCH}; while :; do sleep 0.05; done"
        of = shell(tmp_path, script, reporting=Reporting(epochs=27), grace=0.2)
        found = done(of, until_epoch=1)
        assert (found.loss, found.paused) == (5.0, True)
        assert 0.2 < found.seconds < 10

    def test_what_comes_after_the_pause_does_not_count(self, tmp_path: Path) -> None:
        script = """echo '{"epoch": 1, "loss": 5}\n{"epoch": 2, "loss": 4}\n{"loss": 3}'"""
        of = shell(tmp_path, script, reporting=Reporting(epochs=27))
        assert done(of, until_epoch=1).loss == 5.0

    def test_its_exit_code_does_not_count_then(self, tmp_path: Path) -> None:
        of = shell(tmp_path, f"{FIRST_EPOCH}; exit 1", reporting=Reporting(epochs=27))
        assert done(of, until_epoch=1).paused

    def test_one_that_ends_before_its_pause_counts_with_its_exit_code(self, tmp_path: Path) -> None:
        of = shell(tmp_path, f"{FIRST_EPOCH}; exit 1", reporting=Reporting(epochs=27))
        crash_of(of, trial(until_epoch=2))

    def test_a_whole_training_is_let_go_to_its_end(self, tmp_path: Path) -> None:
        script = f"""{FIRST_EPOCH}; sleep 0.2; echo '{{"loss": 1}}'"""
        assert done(shell(tmp_path, script)).loss == 1.0

    def test_a_promoted_trial_finds_its_folder_and_goes_on(self, tmp_path: Path) -> None:
        of = command(tmp_path, RESUMES, reporting=Reporting(epochs=9))
        assert [one.epoch for one in done(of, until_epoch=3).curve] == [1, 2, 3]
        second = done(of, number=4, parent=0, start_epoch=3)
        assert [one.epoch for one in second.curve] == [4, 5, 6, 7, 8, 9]
        assert (second.epochs, second.paused) == (9, False)
        assert log(of).count("$ ") == 2

    def test_one_that_begins_anew_counts_from_where_it_paused(self, tmp_path: Path) -> None:
        script = RESUMES.replace("if os.path.exists(path)", "if False")
        of = command(tmp_path, script, reporting=Reporting(epochs=9))
        done(of, until_epoch=3)
        second = done(of, number=4, parent=0, start_epoch=3)
        assert [one.epoch for one in second.curve] == [4, 5, 6, 7, 8, 9]

    @pytest.mark.parametrize("until", [{"until_epoch": 6}, {}])
    def test_what_it_reported_before_a_kill_counts_where_it_finds_all_saved(
        self, tmp_path: Path, until: dict[str, int]
    ) -> None:
        of = command(tmp_path, RESUMES, reporting=Reporting(epochs=9))
        done(of, until_epoch=3)
        first = done(of, number=4, parent=0, start_epoch=3, **until)  # its result is lost
        again = done(of, number=4, parent=0, start_epoch=3, **until)
        assert (again.loss, again.curve, again.paused) == (first.loss, first.curve, first.paused)

    def test_a_first_segment_finds_an_empty_folder(self, tmp_path: Path) -> None:
        of = command(tmp_path, RESUMES, reporting=Reporting(epochs=9))
        for _ in range(2):
            assert len(done(of, until_epoch=3).curve) == 3
        assert log(of).count("$ ") == 1

    def test_one_that_reports_its_end_alone_is_told_so(self, tmp_path: Path) -> None:
        of = shell(tmp_path, """echo '{"loss": 2}'""", reporting=Reporting(epochs=9))
        notice, ended = called(of, trial(until_epoch=3))
        assert isinstance(notice, Notice)
        assert "reports no epochs" in notice.text
        assert (ended.result.loss, ended.result.paused, ended.result.epochs) == (2.0, True, 3)

    def test_one_that_ends_before_its_pause_is_told_that_it_has_ended_for_good(
        self, tmp_path: Path
    ) -> None:
        script = """echo '{"epoch": 2, "loss": 2}'"""
        of = shell(tmp_path, script, reporting=Reporting(epochs=9))
        _, notice, ended = called(of, trial(until_epoch=3))
        assert isinstance(notice, Notice)
        assert "before the epoch where it was to pause (HPSEARCH_TRIAL_EPOCHS)" in notice.text
        assert not ended.result.paused


def environment_of(of: Command, **given: int) -> dict[str, str]:
    """Run a program that prints its environment; return that."""
    done(of, **given)
    pairs = (line.partition("=") for line in log(of, given.get("parent", 0)).splitlines())
    return {name: value for name, _, value in pairs}


def printing(folder: Path, **given: Any) -> Command:
    return shell(folder, """env; echo pwd=`pwd`; echo '{"loss": 1}'""", **given)


class TestEnvironment:
    def test_a_program_is_told_of_its_trial(self, tmp_path: Path) -> None:
        of = printing(tmp_path, reporting=Reporting(epochs=9))
        found, own = environment_of(of, until_epoch=3), tmp_path / "study" / "trials" / "0"
        assert found["HPSEARCH_TRIAL_NUMBER"] == "0"
        assert found["HPSEARCH_TRIAL_EPOCHS"] == "3"
        assert found["HPSEARCH_TRIAL_FOLDER"] == str(own)
        assert found["HPSEARCH_TRIAL_RESULT"] == str(own / "result.jsonl")
        assert 0 <= int(found["HPSEARCH_TRIAL_SEED"]) < 2**31
        second = environment_of(of, number=5, parent=0, start_epoch=3)
        assert second["HPSEARCH_TRIAL_NUMBER"] == "0"
        assert second["HPSEARCH_TRIAL_EPOCHS"] == "9"
        assert second["HPSEARCH_TRIAL_SEED"] == found["HPSEARCH_TRIAL_SEED"]

    def test_repetitions_and_seed_groups_have_seeds_of_their_own(self, tmp_path: Path) -> None:
        of = printing(tmp_path)
        trials = [trial(), trial(number=9), trial(seed_group=1), trial(replicate=1)]
        seeds = [of.call(one).variables["HPSEARCH_TRIAL_SEED"] for one in trials]
        assert seeds[0] == seeds[1]
        assert len(set(seeds)) == 3

    def test_it_runs_in_the_folder_of_the_yaml(self, tmp_path: Path) -> None:
        assert environment_of(printing(tmp_path))["pwd"] == str(tmp_path)

    def test_it_has_the_threads_of_a_worker_unless_the_user_says_otherwise(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = replace(printing(tmp_path), threads=3)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert environment_of(of)["OMP_NUM_THREADS"] == "3"
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        assert environment_of(of)["OMP_NUM_THREADS"] == "5"

    def test_python_does_not_keep_reports_to_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
        assert environment_of(printing(tmp_path))["PYTHONUNBUFFERED"] == "1"

    @pytest.mark.parametrize(
        ("visible", "slot", "slots", "expected"),
        [
            ("0,1,2,3", 1, 4, "1"),
            ("0,1,2,3", 1, 2, "1,3"),
            ("4,7", 2, 3, "4"),
            ("4,7", 3, 4, "7"),
            ("GPU-a,GPU-b", 1, 2, "GPU-b"),
            ("", 1, 2, ""),
        ],
    )
    def test_each_slot_has_gpus_of_its_own(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        visible: str,
        slot: int,
        slots: int,
        expected: str,
    ) -> None:
        given = {"CUDA_VISIBLE_DEVICES": visible, SLOT: str(slot), SLOTS: str(slots)}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert environment_of(printing(tmp_path))["CUDA_VISIBLE_DEVICES"] == expected

    def test_without_a_slot_gpus_are_left_as_they_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert environment_of(printing(tmp_path))["CUDA_VISIBLE_DEVICES"] == "0,1"

    def test_gpus_are_those_that_the_driver_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv(SLOT, "1")
        monkeypatch.setenv(SLOTS, "2")
        _installed.cache_clear()
        try:
            assert environment_of(printing(tmp_path))["CUDA_VISIBLE_DEVICES"] == "GPU-b"
        finally:
            _installed.cache_clear()

    def test_no_shell_reads_the_command(self, tmp_path: Path) -> None:
        script = "import sys; print(sys.argv[2:]); print('{\"loss\": 1}')"
        of = command(tmp_path, script, (*PYTHON, "train.py", "{x}", "$HOME", "a b; c", "*"))
        done(of)
        assert "['$HOME', 'a b; c', '*']" in log(of)

    def test_a_template_is_filled_in_for_each_trial(self, tmp_path: Path) -> None:
        template = '{"loss": {x}, "to": {epochs}}\n'
        of = command(
            tmp_path,
            "cat $1",
            ("sh", "train.py", "{file}"),
            template=template,
            template_name="c.json",
        )
        assert done(of).loss == 0.25
        assert json.loads(log(of).splitlines()[1]) == {"loss": 0.25, "to": 1}
        assert (tmp_path / "study" / "trials" / "0" / "c.json").is_file()


class TestWhatIsLeft:
    @pytest.mark.parametrize(
        "child",
        [
            "sleep 60 & echo pid $!",
            "setsid sleep 60 & echo pid $!",
            "(trap '' TERM HUP; sleep 60) & echo pid $!",
            "sh -c 'setsid sleep 60 & echo pid $!'",
        ],
    )
    def test_what_a_program_leaves_running_ends_with_it(self, tmp_path: Path, child: str) -> None:
        of = shell(tmp_path, f"""{child}\n echo '{{"loss": 1}}'""")
        assert done(of).seconds < 30
        (pid,) = (int(word) for word in log(of).split() if word.isdigit())
        assert not is_alive(pid)

    def test_signals_to_its_own_group_concern_the_program_alone(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, "kill -TERM 0; sleep 60"))
        assert crash.message.startswith("SIGTERM")

    def test_a_program_that_kills_its_whole_group_has_crashed(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, "sleep 60 & kill -KILL 0"))
        assert crash.message.startswith("its process is gone")

    def test_a_program_whose_guardian_is_killed_ends_with_its_children(
        self, tmp_path: Path
    ) -> None:
        script = "sleep 600 & echo pid $!; echo pid $$; kill -KILL $PPID; sleep 600"
        of = shell(tmp_path, script)
        assert crash_of(of).message.startswith("its process is gone")
        for pid in (int(word) for word in log(of).split() if word.isdigit()):
            assert is_gone(pid)

    def test_a_program_takes_no_notice_of_what_its_worker_blocks(self, tmp_path: Path) -> None:
        script = "import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(5)"
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            crash = crash_of(command(tmp_path, script))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        assert crash.message.startswith("SIGTERM")

    def test_a_second_call_waits_for_what_is_left_of_the_first(self, tmp_path: Path) -> None:
        of = shell(tmp_path, """echo '{"loss": 1}'""")
        done(of)
        folder = tmp_path / "study" / "trials" / "0"
        holder = subprocess.Popen(
            ["flock", str(folder), "sh", "-c", "echo held; sleep 0.5"], stdout=-1
        )
        assert holder.stdout
        holder.stdout.readline()
        began = time.monotonic()
        done(of)
        assert time.monotonic() - began > 0.4
        holder.communicate()

    def test_a_log_is_bounded_and_keeps_its_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trial_folder, "_MOST", 100_000)
        script = "for n in range(40_000):\n    print(n)\nprint('{\"loss\": 1}')\n"
        of = command(tmp_path, script)
        assert done(of).loss == 1.0
        assert 100_000 < len(log(of)) < 120_000
        assert "bytes are left out]" in log(of)
        assert log(of).endswith('39999\n{"loss": 1}\n')

    def test_a_log_keeps_its_end_where_the_program_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trial_folder, "_MOST", 100_000)
        script = "for n in range(40_000):\n    print(n)\nraise ValueError('why')\n"
        of = command(tmp_path, script)
        crash_of(of)
        assert log(of).endswith("ValueError: why\n")

    def test_a_line_without_an_end_is_read_past(self, tmp_path: Path) -> None:
        script = (
            "for _ in range(200):\n    print('{' * 100_000, end='')\nprint('\\n{\"loss\": 1}')\n"
        )
        began = time.monotonic()
        assert done(command(tmp_path, script)).loss == 1.0
        assert time.monotonic() - began < 20
