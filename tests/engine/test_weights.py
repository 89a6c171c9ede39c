"""What training jobs leave behind, and what happens where it is lost or cannot be kept."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hpsearch.data import DataSpec, stored
from hpsearch.data.prepare import prepare
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.engine.train import MemberEpoch, train
from hpsearch.errors import CannotWrite, DiskFull
from hpsearch.objectives import TestScore
from hpsearch.objectives.jobs import DataRef, TestJob, TrainingJob
from hpsearch.objectives.training import score_test, train_cohort
from hpsearch.runners import Resources, Work, WorkCrashed, WorkFinished, WorkKey
from hpsearch.runners.local import LocalOptions
from hpsearch.study.artefacts import Artefacts, Held
from hpsearch.study.trial import WEIGHTS, Done, Epoch, Notice, TrialEnded
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


def kept(artefacts: Artefacts, spec: DataSpec) -> DataRef:
    """Return a reference to data that lie among the artefacts."""
    return DataRef(Held(artefacts.fill(partial(stored.write, prepare(spec)))))


def job(
    artefacts: Artefacts,
    start: int,
    until_epoch: int | None,
    *numbers: int,
    seeds: int = 1,
    earlier: Mapping[int, Done] | None = None,
) -> TrainingJob:
    """Return trials of six epochs on the wines; `earlier` has their results before `start`."""
    members = [
        Member(
            number,
            member(epochs=6, width=4 + number, dropout=0.2, lr=0.01).settings,
            replicate,
            start_epoch=start,
            until_epoch=until_epoch,
        )
        for number in numbers
        for replicate in range(seeds)
    ]
    pauses = {
        one.name: digest
        for one in members
        for name, digest in (earlier[one.number].artefacts if earlier else {}).items()
        if name == f"pause {one.replicate}.{one.fold}"
    }
    data = kept(artefacts, DataSpec("wine"))
    return TrainingJob(tuple(members), data, "loss", 0, CPU, pauses)


def results(events: Iterable[object]) -> dict[int, Done]:
    """Return the results of trials, by their numbers."""
    ended = [event for event in events if isinstance(event, TrialEnded)]
    return {one.run: one.result for one in ended if isinstance(one.result, Done)}


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path)


def test_results_name_the_weights_that_they_left(artefacts: Artefacts) -> None:
    found = results(train_cohort(job(artefacts, 0, None, 0, 1), artefacts))
    assert sorted(found) == [0, 1]
    for result in found.values():
        assert result.weights is not None
        assert artefacts.read(result.weights)


def test_what_a_result_names_is_kept_before_it_is_given(artefacts: Artefacts) -> None:
    for event in train_cohort(job(artefacts, 0, 3, 0, 1, seeds=2), artefacts):
        if isinstance(event, TrialEnded):
            assert isinstance(event.result, Done)
            assert sorted(event.result.artefacts) == ["pause 0.0", "pause 1.0", WEIGHTS]
            assert all(map(artefacts.read, event.result.artefacts.values()))


def test_a_segment_that_is_broken_off_is_done_again(artefacts: Artefacts) -> None:
    first = results(train_cohort(job(artefacts, 0, 1, 0, 1), artefacts))
    second = job(artefacts, 1, 3, 0, 1, earlier=first)
    # the results of the first attempt never arrived, but what it left is there
    once, again = (results(train_cohort(second, artefacts)) for _ in range(2))
    assert [r.curve for r in once.values()] == [r.curve for r in again.values()]


@pytest.mark.parametrize("damage", LOSSES)
def test_a_trial_whose_pause_is_lost_is_trained_again_from_its_start(
    artefacts: Artefacts, damage: Callable[[Path], object]
) -> None:
    first = results(train_cohort(job(artefacts, 0, 3, 0, 1), artefacts))
    second = job(artefacts, 3, None, 0, 1, earlier=first)
    once = results(train_cohort(second, artefacts))
    damage(artefacts.path(second.pauses["1.0.0"]))
    events = list(train_cohort(second, artefacts))
    (note,) = [event for event in events if isinstance(event, Notice)]
    assert note.text.startswith("trial 1 is trained again from its start: the artefact ")
    again = results(events)
    assert again[0].curve == once[0].curve
    # other company than before, and so other rounding of float32
    assert [epoch.loss for epoch in again[1].curve] == pytest.approx(
        [epoch.loss for epoch in once[1].curve], rel=1e-3
    )


@pytest.mark.parametrize("damage", LOSSES)
def test_a_winner_whose_weights_are_lost_is_trained_again_to_be_tested(
    artefacts: Artefacts, damage: Callable[[Path], object]
) -> None:
    trained = job(artefacts, 0, None, 0)
    (result,) = results(train_cohort(trained, artefacts)).values()
    assert result.weights is not None
    asked = TestJob(
        trained.members, trained.data, "loss", 0, CPU, result.best_epoch, result.weights
    )
    (once,) = score_test(asked, artefacts)
    assert isinstance(once, TestScore)
    assert once.loss_interval is not None
    assert once.loss_interval.low < once.loss < once.loss_interval.high
    damage(artefacts.path(result.weights))
    note, again = score_test(asked, artefacts)
    assert isinstance(note, Notice)
    assert note.text.startswith("trial 0 is trained again to be tested: the artefact ")
    assert isinstance(again, TestScore)
    assert (again.loss, again.metric) == pytest.approx((once.loss, once.metric), rel=1e-3)
    assert again.weights is not None
    assert artefacts.read(again.weights)


def test_the_winner_is_judged_by_what_the_search_goes_by(artefacts: Artefacts) -> None:
    """A network of one class has an accuracy of two fifths on the wines, and an area of a half."""
    one = member(width=4, lr=1e-9, init_scale=1e-9, epochs=1)
    data, found = kept(artefacts, DataSpec("wine")), {}
    for metric in ("loss", "accuracy", "auc"):
        _, scored = score_test(TestJob((one,), data, metric, 0, CPU, 1, None), artefacts)
        assert isinstance(scored, TestScore)
        found[metric] = scored.metric
    assert found["loss"] == found["accuracy"]
    assert 0.25 < found["accuracy"] < 0.45
    assert found["auc"] > found["accuracy"]


def test_the_model_of_folds_is_trained_on_all_rows_that_are_not_for_the_test(
    artefacts: Artefacts,
) -> None:
    spec, one = DataSpec("wine", folds=3), member(width=8, lr=0.01)
    asked = TestJob((one,), kept(artefacts, spec), "loss", 0, CPU, 7, None)
    (scored,) = score_test(asked, artefacts)
    assert isinstance(scored, TestScore)
    data = prepare(spec)
    assert data.whole is not None
    # by hand: 7 epochs on all rows but the test's, judged by those
    by_hand = replace(data, folds=(replace(data.whole, validation=data.test),), whole=None)
    lengthened = Member(0, {**one.settings, "epochs": 7})
    events = train(Feed(by_hand, "cpu"), [lengthened], "loss", 0)
    *_, last = [event.epoch for event in events if isinstance(event, MemberEpoch)]
    assert scored.loss == pytest.approx(last.loss, rel=1e-5)
    assert scored.weights is not None
    assert artefacts.read(scored.weights)


@pytest.mark.parametrize("until_epoch", [None, 3])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EROFS, CannotWrite)])
def test_weights_that_cannot_be_written_are_no_fault_of_their_trial(
    artefacts: Artefacts,
    until_epoch: int | None,
    number: int,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = job(artefacts, 0, until_epoch, 0, 1)
    before = sorted(artefacts.folder.iterdir())

    def refuse(half: Path, path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    *events, last = train_cohort(asked, artefacts)
    assert not results(events)
    assert isinstance(last, kind)
    assert os.strerror(number) in str(pickle.loads(pickle.dumps(last)))  # as it comes from a worker
    assert sorted(artefacts.folder.iterdir()) == before


@pytest.mark.slow
def test_another_process_goes_on_with_the_same_bits(artefacts: Artefacts) -> None:
    at_once = results(train_cohort(job(artefacts, 0, None, 0, 1), artefacts))
    curves: dict[int, list[Epoch]] = {0: [], 1: []}
    found: dict[int, Done] = {}
    for start, until_epoch in [(0, 3), (3, None)]:
        asked = job(artefacts, start, until_epoch, 0, 1, earlier=found)
        events = list(in_a_process(asked, artefacts))
        found = results(events)
        for event in events:
            if isinstance(event, Epoch):
                curves[event.number].append(event)
    assert curves == {number: list(result.curve) for number, result in at_once.items()}
    assert {n: r.weights for n, r in found.items()} == {n: r.weights for n, r in at_once.items()}


def in_a_process(asked: TrainingJob, artefacts: Artefacts) -> Iterator[object]:
    """Yield the events of a training in a process of its own."""
    work = Work(WorkKey(0), "hpsearch.objectives.training:train_cohort", asked)
    with LocalOptions().build(Resources(), artefacts) as runner:
        runner.submit(work)
        event: object = None
        while not isinstance(event, WorkFinished):
            for _, event in runner.wait(1.0):
                assert not isinstance(event, WorkCrashed), event.traceback
                yield event
