"""What trainings leave on disk: results name it, and where it is lost or cannot be written that is said."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from hpsearch.data import DataSpec
from hpsearch.engine.jobs import score_test, train_cohort
from hpsearch.engine.structure.cohorts import Job, Member
from hpsearch.errors import CannotWrite, DiskFull
from hpsearch.study.trial import Done, Note
from tests.helpers.problems import member


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replaced(path: Path) -> None:
    path.write_text("my notes")


LOSSES = [Path.unlink, cut, changed, replaced]


def job(folder: Path, start: int, upto: int | None, *numbers: int) -> Job:
    """Trials of six epochs on the wines."""
    settings = [member(epochs=6, width=4 + n, dropout=0.2, lr=0.01).settings for n in numbers]
    members = [
        Member(n, one, start=start, upto=upto) for n, one in zip(numbers, settings, strict=True)
    ]
    return Job(tuple(members), DataSpec("wine"), "loss", 0, "cpu", folder)


def results(events: Iterable[object]) -> dict[int, Done]:
    return {event[0]: event[1] for event in events if isinstance(event, tuple)}


def test_results_name_the_weights_that_they_left(tmp_path: Path) -> None:
    for number, result in results(list(train_cohort(job(tmp_path, 0, None, 0, 1)))).items():
        assert (
            result.weights == sha256((tmp_path / f"{number}.safetensors").read_bytes()).hexdigest()
        )


@pytest.mark.parametrize("damage", LOSSES)
def test_a_trial_whose_pause_is_lost_is_trained_again_from_its_start(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    list(train_cohort(job(tmp_path, 0, 3, 0, 1)))
    second = job(tmp_path, 3, None, 0, 1)
    once = results(list(train_cohort(second)))
    damage(tmp_path / second.members[1].pause_file(3))
    events = list(train_cohort(second))
    (note,) = [event for event in events if isinstance(event, Note)]
    assert note.text.startswith(
        "trial 1 is trained again from its start: 1.0.0.3.pause.safetensors "
    )
    again = results(events)
    assert again[0].curve == once[0].curve
    # other company than before, and so other rounding of float32
    assert [epoch.loss for epoch in again[1].curve] == pytest.approx(
        [epoch.loss for epoch in once[1].curve], rel=1e-3
    )


@pytest.mark.parametrize("damage", LOSSES)
def test_a_winner_whose_weights_are_lost_is_trained_again_to_be_tested(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    (result,) = results(list(train_cohort(job(tmp_path, 0, None, 0)))).values()
    asked = replace(
        job(tmp_path, 0, None, 0), epochs=result.best_epoch, weights=result.weights or ""
    )
    (once,) = score_test(asked)
    assert isinstance(once, tuple)
    damage(tmp_path / "0.safetensors")
    note, again = score_test(asked)
    assert isinstance(note, Note)
    assert note.text.startswith("trial 0 is trained again to be tested: 0.safetensors ")
    assert isinstance(again, tuple)
    assert again[:2] == pytest.approx(once[:2], rel=1e-3)
    assert again[2] == sha256((tmp_path / "0.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("upto", [None, 3])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EROFS, CannotWrite)])
def test_weights_that_cannot_be_written_are_no_fault_of_their_trial(
    tmp_path: Path,
    upto: int | None,
    number: int,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(half: Path, path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    *events, last = train_cohort(job(tmp_path / "weights", 0, upto, 0, 1))
    assert not results(events)
    assert isinstance(last, kind)
    assert os.strerror(number) in str(pickle.loads(pickle.dumps(last)))  # as it comes from a worker
    assert not list((tmp_path / "weights").iterdir())
