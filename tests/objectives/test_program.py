"""What a program reports, and how it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.errors import DiskFull, SpecError
from hpsearch.objectives import trial_folder
from hpsearch.objectives.reports import Reporting
from hpsearch.study import files
from hpsearch.study.trial import Failed, Notice
from hpsearch.testing.runners import is_alive
from tests.helpers.programs import (
    RESUMES,
    called,
    command,
    crash_of,
    done,
    result_of,
    shell,
    trial,
)


class TestReports:
    def test_a_line_of_json_is_the_result(self, tmp_path: Path) -> None:
        found = done(shell(tmp_path, """echo 'begins'; echo '{"loss": 0.5, "size": 3}'"""))
        assert (found.loss, found.measures, found.curve) == (0.5, {"size": 3.0}, ())

    def test_the_last_one_counts(self, tmp_path: Path) -> None:
        assert done(shell(tmp_path, """echo '{"loss": 2}'; echo '{"loss": 1}'""")).loss == 1.0

    def test_a_line_without_an_end_counts(self, tmp_path: Path) -> None:
        assert done(shell(tmp_path, """printf '{"loss": 2}'""")).loss == 2.0

    def test_a_bar_of_progress_on_the_other_stream_does_not_hide_a_report(
        self, tmp_path: Path
    ) -> None:
        script = r"""printf '\r 50 %%' >&2; echo '{"loss": 1}'; printf '\r 99 %%' >&2"""
        assert done(shell(tmp_path, script)).loss == 1.0

    def test_what_is_json_by_chance_is_no_report(self, tmp_path: Path) -> None:
        deep = "{'a':" * 3
        script = f"""echo '{{"loss": 1}}'; echo '{{"a": 3}}'; echo '[3]'; echo "{deep}" """
        assert done(shell(tmp_path, script + """; echo '{"a":'""")).loss == 1.0

    def test_a_report_on_standard_error_is_none(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, """echo '{"loss": 1}' >&2"""))
        assert crash.message.startswith("it ended without reporting 'loss' (print a line such as ")

    def test_epochs_are_told_at_once_and_the_last_is_the_result(self, tmp_path: Path) -> None:
        of = command(tmp_path, RESUMES, reporting=Reporting(epochs=3))
        *epochs, ended = called(of)
        assert [(one.number, one.epoch, one.loss) for one in epochs] == [
            *((0, 1, 1.0), (0, 2, 0.5), (0, 3, 1 / 3))
        ]
        assert (ended.result.loss, ended.result.epochs) == (1 / 3, 3)
        assert ended.result.curve == tuple(epochs)

    def test_a_result_without_an_epoch_stands_over_those_with_one(self, tmp_path: Path) -> None:
        script = """echo '{"epoch": 1, "loss": 3}'; echo '{"loss": 2}'"""
        found = done(shell(tmp_path, script, reporting=Reporting(epochs=2)))
        assert (found.loss, found.epochs) == (2.0, 1)

    def test_the_file_of_reports_is_read_as_well(self, tmp_path: Path) -> None:
        script = """
        echo '{"epoch": 1, "loss": 3}' >> $HPSEARCH_TRIAL_RESULT
        echo '{"epoch": 2, "loss": 2, "cost": 7}' >> $HPSEARCH_TRIAL_RESULT
        """
        found = done(shell(tmp_path, script, reporting=Reporting(epochs=2)))
        assert [one.loss for one in found.curve] == [3.0, 2.0]
        assert (found.loss, found.cost) == (2.0, 7.0)

    def test_a_file_that_is_written_anew_is_read_anew(self, tmp_path: Path) -> None:
        script = """
        for epoch in 1 2 3; do
            printf '{"epoch": %s, "loss": 0.%s}\\n' $epoch $epoch > $HPSEARCH_TRIAL_RESULT
            sleep 0.25
        done
        """
        found = done(shell(tmp_path, script, reporting=Reporting(epochs=3)))
        assert [one.epoch for one in found.curve] == [1, 2, 3]

    def test_a_file_without_an_end_of_line_is_read(self, tmp_path: Path) -> None:
        found = done(shell(tmp_path, """printf '{"loss": 4}' > $HPSEARCH_TRIAL_RESULT"""))
        assert found.loss == 4.0

    def test_reports_of_an_earlier_call_are_not_read_again(self, tmp_path: Path) -> None:
        of = shell(
            tmp_path,
            """[ -e $HPSEARCH_TRIAL_FOLDER/was ] && exit
            touch $HPSEARCH_TRIAL_FOLDER/was; echo '{"loss": 4}' > $HPSEARCH_TRIAL_RESULT""",
            reporting=Reporting(epochs=9),
        )
        result_of(of, trial(until_epoch=3))
        crash_of(of, trial(number=1, parent=0, start_epoch=3))

    def test_patterns_read_both_streams(self, tmp_path: Path) -> None:
        script = r"""
        echo 'Epoch 1/2'; echo 'val_loss=0.75 acc=0.5'
        echo '{"loss": 9}'
        printf '\rEpoch 2/2: val_loss=1e-1' >&2
        """
        patterns = {"loss": r"val_loss=(\S+)", "epoch": r"Epoch (\d+)", "acc": r"acc=(\S+)"}
        of = shell(tmp_path, script, patterns=patterns, reporting=Reporting(epochs=2))
        found = done(of)
        assert [(one.epoch, one.loss) for one in found.curve] == [(1, 0.75), (2, 0.1)]
        assert (found.loss, found.measures) == (0.1, {"acc": 0.5})

    def test_a_pattern_beside_that_matches_nothing_is_told(self, tmp_path: Path) -> None:
        patterns = {"loss": r"loss=(\S+)", "epoch": r"Epoch (\d+)", "acc": r"acc=(\S+)"}
        of = shell(tmp_path, "echo epoch 1 loss=1 acc=2", patterns=patterns)
        notice, _ = called(of)
        assert notice == Notice(
            "the pattern of 'epoch' has matched nothing that the program prints"
        )

    def test_a_pattern_that_finds_no_number_is_a_crash(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, "echo loss=low", patterns={"loss": r"loss=(\S+)"}))
        said = "its report is wrong: the pattern of 'loss' finds 'low', which is no number"
        assert crash.message.startswith(said)

    @pytest.mark.parametrize(
        "report", ['{"loss": "1"}', '{"loss": 1, "epoch": 0}', '{"loss": null}']
    )
    def test_a_report_that_says_nothing_is_a_crash(self, tmp_path: Path, report: str) -> None:
        of = shell(tmp_path, f"echo '{report}'; sleep 60")
        assert crash_of(of).message.startswith("its report is wrong: ")

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
    def test_a_loss_that_is_no_finite_number_is_divergence(
        self, tmp_path: Path, value: str
    ) -> None:
        result = result_of(shell(tmp_path, f"""echo '{{"loss": {value}}}'"""))
        assert isinstance(result, Failed)
        assert result.kind == "diverged"

    def test_what_is_maximised_is_the_metric(self, tmp_path: Path) -> None:
        of = shell(tmp_path, """echo '{"auc": 0.75}'""", reporting=Reporting("auc", maximize=True))
        found = done(of)
        assert (found.loss, found.metric) == (-0.75, 0.75)
        assert of.describe().metric == "auc"
        assert of.describe().data == {"minimized": "-auc"}


class TestFailures:
    def test_an_exit_code_is_a_crash_with_the_last_line(self, tmp_path: Path) -> None:
        lines = "; ".join(f"echo line {n} >&2" for n in range(12))
        crash = crash_of(shell(tmp_path, f"{lines}; exit 3"))
        assert crash.reason == "error: its process ended with code 3: line 11"
        assert crash.traceback.splitlines() == [f"line {n}" for n in range(2, 12)]

    def test_so_is_one_after_a_result(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, """echo '{"loss": 1}'; exit 1"""))
        assert crash.message.startswith("its process ended with code 1")

    def test_a_signal_is_named(self, tmp_path: Path) -> None:
        crash = crash_of(shell(tmp_path, "echo so far; kill -SEGV $$"))
        assert crash.reason == "killed: SIGSEGV: so far"

    def test_a_program_that_reports_nothing_is_a_crash(self, tmp_path: Path) -> None:
        assert crash_of(shell(tmp_path, "")).message == (
            "it ended without reporting 'loss' (print a line such as {\"loss\": 0.1}, or give it a "
            "pattern under 'metrics:'), and printed nothing"
        )

    def test_it_is_told_which_numbers_it_has_reported_that_do_not_count(
        self, tmp_path: Path
    ) -> None:
        lines = ("""{"a": 1}""", """{"epoch": 1, "val_loss": 2, "acc": 3, "done": true}""", "end")
        of = shell(tmp_path, "; ".join(f"echo '{line}'" for line in lines))
        assert crash_of(of).message == (
            "it ended without reporting 'loss' (only 'val_loss', 'acc': 'minimize:' or 'maximize:' "
            "names what counts): end"
        )

    def test_so_is_which_pattern_has_matched_nothing(self, tmp_path: Path) -> None:
        of = shell(tmp_path, "echo loss=1", patterns={"loss": r"loss: (\S+)", "a": "(a)"})
        said = r"it ended without reporting 'loss' (its pattern 'loss: (\S+)' has matched nothing)"
        assert crash_of(of).message == f"{said}: loss=1"

    def test_of_a_segment_it_is_said_where_it_ends(self, tmp_path: Path) -> None:
        of = shell(tmp_path, "", reporting=Reporting(epochs=9))
        crash = crash_of(of, trial(until_epoch=1))
        assert crash.message.startswith("it ended without reporting 'loss' by epoch 1 (")

    def test_a_lack_of_memory_is_named(self, tmp_path: Path) -> None:
        assert crash_of(command(tmp_path, "raise MemoryError")).kind == "memory"

    def test_a_program_that_is_not_there_ends_the_search(self, tmp_path: Path) -> None:
        (error,) = called(command(tmp_path, words=("no-such-program", "{x}")))
        assert isinstance(error, SpecError)
        assert "E182" in str(error)
        assert "'no-such-program' cannot be run: No such file" in str(error)

    def test_so_does_one_that_may_not_be_executed(self, tmp_path: Path) -> None:
        (error,) = called(command(tmp_path, words=("./train.py", "{x}")))
        assert "Permission denied" in str(error)

    @pytest.mark.parametrize(
        ("text", "help"),
        [
            ("echo 1\n", "a script says in its first line what runs it"),
            ("#!/bin/sh\r\necho 1\r\n", "what its first line says is not there"),
        ],
    )
    def test_what_is_wrong_with_the_first_line_of_a_script_is_said(
        self, tmp_path: Path, text: str, help: str
    ) -> None:
        of = command(tmp_path, words=("./run.sh", "{x}"))
        script = of.spec.folder / "run.sh"
        script.write_bytes(text.encode())
        script.chmod(0o700)
        (error,) = called(of)
        assert help in str(error)

    def test_so_does_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        of = replace(shell(tmp_path / "gone", ""), study=tmp_path)
        (tmp_path / "gone").rename(tmp_path / "moved")
        (error,) = called(of)
        assert isinstance(error, SpecError)
        assert f"the folder of the trainer is not there: {tmp_path / 'gone'}" in str(error)

    def test_a_full_disk_ends_the_search_and_the_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(log: object, data: bytes) -> None:
            pids.append(int(data.split()[1]))
            raise files.unwritable(Path("log.txt"), OSError(28, "No space left on device"))

        pids: list[int] = []
        monkeypatch.setattr(trial_folder.Log, "write", full)
        (error,) = called(shell(tmp_path, "echo pid $$; sleep 60"))
        assert isinstance(error, DiskFull)
        assert not is_alive(pids[0])
