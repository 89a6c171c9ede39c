"""Artefacts that were exchanged, changed or removed: a training never goes on with another's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from hpsearch.cli import cli
from hpsearch.errors import EXIT_OK
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done
from tests.helpers.tally import Tallies

CONFIG = """\
data: {source: wine, split: {folds: 2}}
train: {epochs: 9, batch_size: 64, width: 4, patience: 0}
parameters: {lr: {min: 1e-3, max: 1e-1, log: true}}
search: {budget: 4, halving: true, confirm: false}
"""


class Killed(BaseException):
    """What ends a search here as a kill would."""


def kill(*given: object) -> None:
    raise Killed


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the threads and the switches of torch in this process as they are."""
    monkeypatch.setattr("hpsearch.engine.device.set_up", lambda threads: None)


def command(*arguments: str) -> Any:
    """Run a command in this process; return the exit code."""
    return cli.main([*arguments, "--runner", "inline", "-q"], standalone_mode=False)


def searched(folder: Path) -> Any:
    (folder / "space.yaml").write_text(CONFIG)
    return command("random", str(folder / "space.yaml"), "--study", str(folder / "study"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[int, float]]:
    """A search that was killed when its first trials had paused; and what it would have found."""
    folder, record = tmp_path_factory.mktemp("studies"), Store.record_wave

    def kill_later(store: Store, trials: Sequence[Any]) -> None:
        record(store, trials)
        if trials[0].start_epoch:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpsearch.engine.device.set_up", lambda threads: None)
        (folder / "calm").mkdir()
        assert searched(folder / "calm") == EXIT_OK
        right = losses(read(folder / "calm" / "study"))
        patch.setattr(Store, "record_wave", kill_later)
        with pytest.raises(Killed):
            searched(folder)
    return folder / "study", right


def losses(study: StudyRecord) -> Mapping[int, float]:
    """Return the loss of each trial that has one."""
    return {n: one.loss for n, one in study.history.results.items() if isinstance(one, Done)}


def pauses(study: Path) -> list[Path]:
    """Return where what trials have paused with lies, of those that are to go on."""
    history = read(study).history
    return [
        study / "artefacts" / digest
        for trial in history.pending
        for name, digest in sorted(_paused(history.results[trial.run]).items())
        if name.startswith("pause")
    ]


def _paused(result: object) -> Any:
    return result.artefacts if isinstance(result, Done) else {}


def exchanged(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def all_turned(files: Sequence[Path]) -> None:
    contents = [path.read_bytes() for path in files]
    for path, data in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(data)


def of_one_trial(files: Sequence[Path]) -> None:
    exchanged(files[0], files[1])


def of_two_trials(files: Sequence[Path]) -> None:
    exchanged(files[0], files[2])


def of_all_pairs(files: Sequence[Path]) -> None:
    for one, other in combinations(files, 2):
        exchanged(one, other)


def one_copied(files: Sequence[Path]) -> None:
    for path in files[1:]:
        shutil.copyfile(files[0], path)


def one_removed(files: Sequence[Path]) -> None:
    files[0].unlink()


def all_removed(files: Sequence[Path]) -> None:
    shutil.rmtree(files[0].parent)


def one_bit(files: Sequence[Path]) -> None:
    data = bytearray(files[0].read_bytes())
    data[-9] ^= 1
    files[0].write_bytes(data)


@pytest.mark.parametrize(
    "act",
    [
        of_two_trials,
        *(
            pytest.param(act, marks=pytest.mark.faults)
            for act in (
                of_one_trial,
                of_all_pairs,
                all_turned,
                one_copied,
                one_removed,
                all_removed,
                one_bit,
            )
        ),
    ],
)
def test_a_training_does_not_go_on_with_what_another_has_paused_with(
    tmp_path: Path,
    studies: tuple[Path, Mapping[int, float]],
    act: Callable[[Sequence[Path]], None],
    capsys: pytest.CaptureFixture[str],
    tally: Tallies,
) -> None:
    killed, right = studies
    shutil.copytree(killed, tmp_path / "study")
    files = pauses(tmp_path / "study")
    assert len(set(files)) == 8  # of four trials, on two folds
    with tally("artefacts that were exchanged").attempt():
        act(files)
        arguments = ["resume", str(tmp_path / "study"), "--runner", "inline"]
        assert cli.main(arguments, standalone_mode=False) == EXIT_OK
        found = losses(read(tmp_path / "study"))
        assert found == pytest.approx(right, abs=1e-4)  # trained in other company
        assert "is trained again from its start: the artefact" in capsys.readouterr().err


def test_weights_that_were_exchanged_are_not_taken_for_the_winners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tallies
) -> None:
    (tmp_path / "space.yaml").write_text(
        "data: {source: wine}\ntrain: {epochs: 2}\n"
        "parameters: {lr: {min: 1e-3, max: 1e-1, log: true}}\nsearch: {budget: 4}\n"
    )
    study = tmp_path / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpsearch.commands.session._final_test", kill)
        with pytest.raises(Killed):
            command("random", str(tmp_path / "space.yaml"), "--study", str(study))
    shutil.copytree(study, tmp_path / "calm")
    assert command("resume", str(tmp_path / "calm")) == EXIT_OK
    with tally("artefacts that were exchanged").attempt():
        all_turned(sorted((study / "artefacts").iterdir()))
        capsys.readouterr()
        arguments = ["resume", str(study), "--runner", "inline"]
        assert cli.main(arguments, standalone_mode=False) == EXIT_OK
        assert "is trained again to be tested: the artefact" in capsys.readouterr().err
        (found,), (right,) = read(study).evaluations, read(tmp_path / "calm").evaluations
        assert found.number == right.number
        assert found.loss == pytest.approx(right.loss, abs=1e-5)  # trained in other company
