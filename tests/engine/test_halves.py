"""Arrays that do not fit into memory: they are trained in halves, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from hpsearch.engine import train as training
from hpsearch.engine.checkpoint import Pause
from hpsearch.engine.feed import Feed
from hpsearch.engine.halves import train_as_fits
from hpsearch.engine.replicates import MembersEnded, joined
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.memory import member_bytes
from hpsearch.engine.train import MemberEnded, MemberEpoch, train
from hpsearch.study.trial import Done, Epoch, Failed
from tests.helpers.pretended import Pretended
from tests.helpers.problems import blobs, member, replicated

DATA = blobs()
EIGHT = [member(k, lr=0.01 * (k + 1), epochs=4) for k in range(8)]
ONE = member_bytes(EIGHT[0].settings, DATA.shape, DATA.outputs)
"""How much memory one of them takes."""

F64 = torch.float64


def fitted(
    members: Sequence[Member], pauses: dict[str, Pause] | None = None
) -> Iterator[MemberEpoch | MemberEnded]:
    return train_as_fits(Feed(DATA, "cpu", F64), members, "loss", 0, pauses or {})


def ends(events: Iterator[MemberEpoch | MemberEnded]) -> dict[str, MemberEnded]:
    return {event.member.name: event for event in events if isinstance(event, MemberEnded)}


def losses(found: dict[str, MemberEnded]) -> dict[str, float]:
    return {n: one.result.loss for n, one in found.items() if isinstance(one.result, Done)}


@pytest.fixture(scope="module")
def whole() -> dict[str, float]:
    """Return what the eight come to where there is memory for all."""
    return losses(ends(train(Feed(DATA, "cpu", F64), EIGHT, "loss", 0)))


def test_what_fits_is_trained_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Pretended(monkeypatch, 8 * ONE)
    found = ends(fitted(EIGHT))
    assert device.arrays == [8]
    assert not any(one.result.halved for one in found.values() if isinstance(one.result, Done))


@pytest.mark.parametrize(
    ("memory", "arrays"),
    [(4 * ONE, [8, 4, 4]), (2 * ONE, [8, 4, 2, 2, 4, 2, 2]), (7 * ONE, [8, 4, 4])],
)
def test_an_array_is_halved_until_it_fits(
    memory: int, arrays: list[int], whole: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Pretended(monkeypatch, memory)
    found = ends(fitted(EIGHT))
    assert device.arrays == arrays
    assert losses(found) == pytest.approx(whole, rel=1e-9)
    assert all(isinstance(one.result, Done) and one.result.halved for one in found.values())


def test_a_member_that_does_not_fit_alone_fails_alone(
    whole: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    big = member(8, width=60, epochs=4)  # of the same key, so that the others are padded to it
    Pretended(monkeypatch, 3 * ONE)
    found = ends(fitted([*EIGHT, big]))
    assert isinstance(failed := found.pop(big.name).result, Failed)
    assert failed.reason == "memory: it takes more than there is"
    assert losses(found) == pytest.approx(whole, rel=1e-9)


def test_members_that_have_ended_keep_their_results(monkeypatch: pytest.MonkeyPatch) -> None:
    short = [member(8 + k, lr=0.5, epochs=4, patience=1, optimizer="sgd") for k in range(2)]
    before = ends(train(Feed(DATA, "cpu", F64), [*EIGHT, *short], "loss", 0))
    first = {n: one for n, one in before.items() if one.member in short}
    lengths = [one.result.epochs for one in first.values() if isinstance(one.result, Done)]
    assert max(lengths) < 4, "they end before memory does"
    device = Pretended(monkeypatch, 4 * ONE, until=max(lengths))
    found = ends(fitted([*EIGHT, *short]))
    assert device.arrays == [10, 4, 4]
    for name, one in found.items():
        assert isinstance(one.result, Done)
        assert one.result.halved == (name not in first)
    assert losses(found) == pytest.approx(losses(before), rel=1e-9)


def test_each_epoch_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Pretended(monkeypatch, 4 * ONE, until=2)
    seen = [(e.member.number, e.epoch.epoch) for e in fitted(EIGHT) if isinstance(e, MemberEpoch)]
    assert sorted(seen) == [(k, epoch) for k in range(8) for epoch in range(1, 5)]
    assert seen[:16] == [(k, epoch) for epoch in (1, 2) for k in range(8)]


def test_seeds_of_a_trial_may_be_trained_in_different_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    members = [one for trial in EIGHT[:3] for one in replicated(trial, seeds=2, folds=1)]
    feed = Feed(DATA, "cpu", F64)
    before = [*joined(members, train(feed, members, "loss", 0))]
    device = Pretended(monkeypatch, 3 * ONE, until=1)
    found = [*joined(members, fitted(members))]
    assert device.arrays == [6, 3, 3]
    curves = [
        sorted((e.number, e.epoch, round(e.loss, 9)) for e in one if isinstance(e, Epoch))
        for one in (before, found)
    ]
    assert curves[0] == curves[1]
    results = [
        {one.number: one.result for one in given if isinstance(one, MembersEnded)}
        for given in (before, found)
    ]
    for number, result in results[0].items():
        again = results[1][number]
        assert isinstance(result, Done)
        assert isinstance(again, Done)
        assert again.halved
        assert again.loss == pytest.approx(result.loss, rel=1e-9)


def segment(start: int, until: int | None) -> list[Member]:
    return [Member(one.number, one.settings, start_epoch=start, until_epoch=until) for one in EIGHT]


def test_what_has_paused_goes_on_in_halves_and_pauses_again(
    whole: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    Pretended(monkeypatch, 4 * ONE, until=1)
    paused = ends(fitted(segment(0, 2)))
    pauses = {name: one.pause for name, one in paused.items() if one.pause}
    assert len(pauses) == 8
    found = ends(fitted(segment(2, None), pauses))
    assert losses(found) == pytest.approx(whole, rel=1e-9)


def test_other_errors_are_not_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> list[float]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(training, "learn", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(fitted(EIGHT))


def test_a_trial_of_which_one_training_was_halved_is_marked() -> None:
    members = replicated(EIGHT[0], seeds=2, folds=1)
    done = Done(0.5, 0.9, 1.0, 1.0, 1, 1, 1)
    for halved in ((False, True), (True, False), (False, False)):
        given = [
            MemberEnded(one, replace(done, halved=mark), {})
            for one, mark in zip(members, halved, strict=True)
        ]
        (ended,) = joined(members, iter(given))
        assert isinstance(ended, MembersEnded)
        assert isinstance(ended.result, Done)
        assert ended.result.halved == any(halved)
