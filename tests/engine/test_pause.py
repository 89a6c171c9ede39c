"""A training that pauses goes on as if it had not: later, elsewhere, and in other company."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpsearch.data import Dataset
from hpsearch.data.shape import InputShape
from hpsearch.engine.checkpoint import Pause, pause_from_bytes, pause_to_bytes
from hpsearch.engine.feed import Feed
from hpsearch.engine.replicates import MembersEnded, joined
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import OPTIMIZERS
from hpsearch.engine.train import MemberEnded, train
from hpsearch.study.trial import Done, Epoch, Failed
from tests.helpers.problems import NETS, blobs, in_folds, member, pictures, replicated, towns

F64 = torch.float64
RUNGS = (1, 3)
NOISY: Mapping[str, Any] = {
    "epochs": 6,
    "lr": 0.01,
    "dropout": 0.3,
    "dropconnect": 0.2,
    "schedule": "cosine",
    "warmup": 1.5,
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "batch norm": {"norm": "batch"},
    "batch norm of images": {"model": "resnet", "norm": "batch"},
    "layer norm": {"norm": "layer"},
    "prelu": {"activation": "prelu"},
    "sigmoid": {"activation": "sigmoid"},
    "init_constraint": {
        "model": "rnn",
        "cell": "lstm",
        "activation": "tanh",
        "init": "identity",
        "init_constraint": 1,
    },
    "penalties": {"l1": 0.001, "l2": 0.01, "clip_norm": 0.5},
    "pretrain": {"depth": 2, "pretrain": "layerwise"},
    "variational": {"bayesian": "variational", "dropconnect": 0.0},
    "mc_dropout": {"bayesian": "mc_dropout"},
    "laplace": {"bayesian": "laplace"},
    "step": {"schedule": "step", "step_every": 2},
}
ALL: Mapping[str, Mapping[str, Any]] = {**NETS, **KINDS}
COMPANY: Sequence[Mapping[str, Any]] = [
    {"width": 12, "channels": 5, "optimizer": "nesterov", "lr": 0.05},
    {"width": 5, "channels": 2},
]
"""What others are like: wider and narrower, with steps of their own."""


def segment(
    data: Dataset,
    members: Sequence[Member],
    start: int,
    until_epoch: int | None,
    folder: Path,
    *,
    dtype: torch.dtype = F64,
    metric: str = "loss",
) -> dict[str, MemberEnded]:
    """Return every member's end of a segment, by its name.

    Between two segments pauses lie in the folder.
    """
    members = [replace(one, start_epoch=start, until_epoch=until_epoch) for one in members]
    pauses = {one.name: read(folder, one, start) for one in members if start}
    events = train(Feed(data, "cpu", dtype), members, metric, 0, pauses)
    ended = [event for event in events if isinstance(event, MemberEnded)]
    for one in ended:
        write(folder, one)
    return {one.member.name: one for one in ended}


def write(folder: Path, ended: MemberEnded) -> None:
    """Keep what a member has paused with, if it has."""
    if ended.pause:
        path = folder / f"{ended.member.name}.{ended.member.end}"
        path.write_bytes(pause_to_bytes(ended.pause))


def read(folder: Path, one: Member, epoch: int) -> Pause:
    """Return what a member has paused with after this epoch."""
    return pause_from_bytes((folder / f"{one.name}.{epoch}").read_bytes())


def segments(
    data: Dataset, one: Member, folder: Path, rungs: Sequence[int] = RUNGS, **options: Any
) -> list[MemberEnded]:
    """Return a member's ends of all segments, as far as it goes, alone."""
    found: list[MemberEnded] = []
    for start, until_epoch in zip((0, *rungs), (*rungs, None), strict=True):
        found.append(segment(data, [one], start, until_epoch, folder, **options)[one.name])
        if not found[-1].pause or not found[-1].pause.active:
            break
    return found


def whole(data: Dataset, one: Member, **options: Any) -> MemberEnded:
    """Return the end of a training that does not pause."""
    return segment(data, [one], 0, None, Path(), **options)[one.name]


def curve(ended: Sequence[MemberEnded]) -> list[Epoch]:
    return [epoch for e in ended for epoch in e.result.curve]


def agree(mine: Sequence[MemberEnded], its: MemberEnded, most: float = 1e-9) -> None:
    """Assert that both have the same epochs, and the same weights in the end."""
    assert [epoch.epoch for epoch in curve(mine)] == [epoch.epoch for epoch in its.result.curve]
    for one, other in zip(curve(mine), its.result.curve, strict=True):
        for name in ("train_loss", "loss", "metric"):
            assert abs(getattr(one, name) - getattr(other, name)) <= most, (one.epoch, name)
    assert mine[-1].weights.keys() == its.weights.keys()
    for name, weight in its.weights.items():
        assert (weight - mine[-1].weights[name]).abs().max() <= most, name


class TestGoingOn:
    @pytest.mark.parametrize("net", NETS)
    def test_every_net_goes_on_as_if_it_had_not_stopped(self, net: str, tmp_path: Path) -> None:
        one = member(**{**NOISY, **NETS[net]})
        agree(segments(pictures(), one, tmp_path), whole(pictures(), one))

    @pytest.mark.parametrize("optimizer", ["adam", "nesterov"])
    def test_so_do_vectors_of_categories(self, optimizer: str, tmp_path: Path) -> None:
        one = member(**{**NOISY, "optimizer": optimizer})
        agree(segments(towns(), one, tmp_path), whole(towns(), one))

    @pytest.mark.parametrize("kind", KINDS)
    def test_so_does_all_else_that_a_member_may_hold(self, kind: str, tmp_path: Path) -> None:
        one = member(**{**NOISY, **KINDS[kind]})
        agree(segments(pictures(), one, tmp_path), whole(pictures(), one))

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_optimizers_remember(self, optimizer: str, tmp_path: Path) -> None:
        one = member(epochs=6, optimizer=optimizer, schedule="cosine", warmup=1.5, l2=0.01)
        agree(segments(blobs(), one, tmp_path), whole(blobs(), one))

    @pytest.mark.parametrize("kind", ALL)
    def test_the_company_may_change_at_each_pause(self, kind: str, tmp_path: Path) -> None:
        settings = {**NOISY, **ALL[kind]}
        one, *others = (
            member(k, **{**settings, **extra}) for k, extra in enumerate([{}, *COMPANY])
        )
        data = pictures()
        first = segment(data, [others[0], one, others[1]], 0, 1, tmp_path)
        second = segment(data, [one, others[1]], 1, 3, tmp_path)
        newcomer = replace(others[1], number=7)
        segment(data, [newcomer], 0, 3, tmp_path)
        third = segment(data, [newcomer, one, others[1]], 3, None, tmp_path)
        agree([part[one.name] for part in (first, second, third)], whole(data, one))
        agree([part[others[1].name] for part in (first, second, third)], whole(data, others[1]))

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_optimizers_remember_in_other_company(self, optimizer: str, tmp_path: Path) -> None:
        one, other = (
            member(0, epochs=6, optimizer=optimizer),
            member(1, epochs=6, width=12, optimizer="adam"),
        )
        first = segment(blobs(), [one, other], 0, 3, tmp_path)
        second = segment(blobs(), [one], 3, None, tmp_path)
        agree([first[one.name], second[one.name]], whole(blobs(), one))

    def test_alone_it_goes_on_to_the_last_bit(self, tmp_path: Path) -> None:
        one = member(**NOISY, norm="batch")
        agree(
            segments(blobs(), one, tmp_path, dtype=torch.float32),
            whole(blobs(), one, dtype=torch.float32),
            most=0.0,
        )

    def test_pre_training_comes_before_the_first_epoch_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = member(epochs=6, pretrain="layerwise")
        segment(blobs(), [one], 0, 3, tmp_path)
        monkeypatch.delattr("hpsearch.engine.pretrain._Coder")
        assert segment(blobs(), [one], 3, None, tmp_path)[one.name].pause is None

    def test_others_that_end_meanwhile_are_no_hindrance(self, tmp_path: Path) -> None:
        # with an lr of 1e-30 nothing gets better: three of four end at epoch 3, and are dropped
        stuck = [member(k, epochs=6, patience=2, lr=1e-30, optimizer="sgd") for k in range(3)]
        one = member(3, epochs=6, dropout=0.3)
        first = segment(blobs(), [*stuck, one], 0, 4, tmp_path)
        second = segment(blobs(), [one], 4, None, tmp_path)
        agree([first[one.name], second[one.name]], whole(blobs(), one))

    def test_what_is_written_is_read_to_the_last_bit(self) -> None:
        tensors = {"best/w": torch.randn(3), "weights/w": torch.randn(3, dtype=F64)}
        pause = Pause(3, math.nan, 0.1 + 0.2, Epoch(0, 2, 1 / 3, math.inf, 0.5), True, tensors)
        found = pause_from_bytes(pause_to_bytes(pause))
        assert repr(replace(found, tensors={})) == repr(replace(pause, tensors={}))
        assert [torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items()] == [
            True,
            True,
        ]
        assert [*found.part("best")] == ["w"]

    def test_members_of_different_segments_are_refused(self) -> None:
        members = [replace(member(k), until_epoch=1 + k) for k in range(2)]
        with pytest.raises(ValueError, match="too many values"):
            next(train(Feed(blobs(), "cpu"), members, "loss", 0))


class TestResults:
    def test_a_segment_gives_the_best_of_all_epochs_and_what_it_took_itself(
        self, tmp_path: Path
    ) -> None:
        one = member(epochs=6, depth=2, pretrain="layerwise")
        parts = [e.result for e in segments(blobs(), one, tmp_path)]
        at_once = whole(blobs(), one).result
        assert isinstance(at_once, Done)
        assert all(isinstance(part, Done) and part.seconds > 0 for part in parts)
        done = [part for part in parts if isinstance(part, Done)]
        assert [part.epochs for part in done] == [1, 3, 6]
        assert [part.paused for part in done] == [True, True, False]
        assert [len(part.curve) for part in done] == [1, 2, 3]
        assert sum(part.flops for part in done) == at_once.flops
        assert sum(part.steps for part in done) == at_once.steps
        assert done[-1].best_epoch == at_once.best_epoch
        assert done[-1].loss == pytest.approx(at_once.loss, abs=1e-9)
        assert done[0].loss == done[0].curve[0].loss

    @pytest.mark.parametrize("metric", ["loss", "accuracy", "auc"])
    def test_the_best_weights_from_before_a_pause_are_kept(
        self, metric: str, tmp_path: Path
    ) -> None:
        one = member(epochs=12, lr=0.3, optimizer="momentum")  # so fast that it soon gets worse
        its = whole(blobs(), one, metric=metric)
        assert isinstance(its.result, Done)
        rung = its.result.best_epoch + 2
        assert rung < 12
        parts = segments(blobs(), one, tmp_path, [rung], metric=metric)
        agree(parts, its)
        last = parts[-1].result
        assert isinstance(last, Done)
        assert (last.best_epoch, last.epochs) == (rung - 2, 12)
        assert (last.loss, last.metric) == (parts[0].result.loss, parts[0].result.metric)  # type: ignore[union-attr]
        assert parts[-1].best == its.best

    def test_patience_counts_on_across_a_pause(self, tmp_path: Path) -> None:
        one = member(epochs=9, patience=4, lr=1e-30, optimizer="sgd")
        parts = [e.result for e in segments(blobs(), one, tmp_path, [3])]
        assert [len(part.curve) for part in parts] == [3, 2]
        assert isinstance(parts[-1], Done)
        assert (parts[-1].epochs, parts[-1].best_epoch) == (5, 1)

    @pytest.mark.parametrize(("patience", "epochs"), [(2, 3), (4, 5)])
    def test_one_that_stops_before_the_rung_or_at_it_is_over(
        self, patience: int, epochs: int, tmp_path: Path
    ) -> None:
        one = member(epochs=9, patience=patience, lr=1e-30, optimizer="sgd")
        first = segment(blobs(), [one], 0, 5, tmp_path)[one.name]
        assert isinstance(first.result, Done)
        assert first.result.epochs == epochs
        assert first.pause is not None
        assert not first.pause.active
        assert not first.result.paused

    def test_one_that_is_over_comes_to_the_same_again_at_no_cost(self, tmp_path: Path) -> None:
        one = member(epochs=9, patience=2, lr=1e-30, optimizer="sgd")
        first = segment(blobs(), [one], 0, 5, tmp_path)[one.name]
        again = segment(blobs(), [one], 5, 7, tmp_path)[one.name]
        assert isinstance(first.result, Done)
        assert again.result == replace(first.result, seconds=0.0, flops=0.0, steps=0, curve=())
        assert all(
            torch.equal(weight, first.weights[name]) for name, weight in again.weights.items()
        )
        assert again.pause is not None
        assert segment(blobs(), [one], 7, None, tmp_path)[one.name].pause is None

    def test_one_that_has_diverged_fails_when_it_is_over(self, tmp_path: Path) -> None:
        wild = member(epochs=6, optimizer="sgd", lr=1e6)
        parts = [e.result for e in segments(blobs(), wild, tmp_path, [3])]
        assert isinstance(parts[0], Done)  # it may still come back
        assert isinstance(parts[1], Failed)
        its = whole(blobs(), wild).result
        assert isinstance(its, Failed)
        assert parts[1].reason == its.reason

    def test_one_whose_numbers_overflow_stops_with_what_it_had(self, tmp_path: Path) -> None:
        # the rate rises until it is too high
        late = member(
            epochs=40, optimizer="sgd", lr=3e3, warmup=3000, depth=2, activation="leaky_relu"
        )
        its = whole(blobs(), late).result
        assert isinstance(its, Done)
        assert 1 < len(its.curve) < 40
        assert not math.isfinite(its.curve[-1].train_loss)
        rung = len(its.curve) - 1
        parts = [e.result for e in segments(blobs(), late, tmp_path, [rung])]
        assert [part.paused for part in parts if isinstance(part, Done)] == [True, False]
        assert [(part.loss, part.best_epoch) for part in parts if isinstance(part, Done)] == [
            (its.loss, its.best_epoch)
        ] * 2

    def test_a_loss_is_held_against_that_before_the_first_step_not_before_the_segment(
        self, tmp_path: Path
    ) -> None:
        one = member(epochs=6)
        parts = segments(blobs(), one, tmp_path)
        firsts = {e.pause.reference for e in parts if e.pause}
        assert len(firsts) == 1
        assert math.isfinite(firsts.pop())

    @pytest.mark.parametrize(
        ("until_epoch", "patience", "paused"),
        [(3, 0, True), (3, 2, False), (3, 4, True), (9, 0, False), (10, 0, False)],
    )
    def test_a_result_says_whether_it_may_go_on(
        self, until_epoch: int, patience: int, paused: bool, tmp_path: Path
    ) -> None:
        # the first epoch is the best
        one = member(epochs=9, patience=patience, lr=1e-30, optimizer="sgd")
        result = segment(blobs(), [one], 0, until_epoch, tmp_path)[one.name].result
        assert isinstance(result, Done)
        assert result.paused == paused

    def test_a_whole_training_leaves_nothing_to_go_on_with(self) -> None:
        assert whole(blobs(), member(epochs=3)).pause is None
        assert whole(blobs(), replace(member(epochs=3), until_epoch=8)).pause is None


class TestTrials:
    def test_a_trial_of_several_members_goes_on_as_one(self, tmp_path: Path) -> None:
        # members stop at epochs of their own: before the first rung, between the rungs and after
        data = in_folds(blobs())
        one = member(epochs=14, lr=0.15, patience=2, optimizer="momentum")
        members = replicated(one, 2, 3)
        ends = segment(data, members, 0, None, tmp_path)
        epochs_of = {name: len(ended.result.curve) for name, ended in ends.items()}
        members.sort(key=lambda m: epochs_of[m.name])  # the first one stops first
        events = joined(members, train(Feed(data, "cpu", F64), members, "loss", 0))
        (at_once,) = [event for event in events if isinstance(event, MembersEnded)]
        stops = sorted(epochs_of.values())
        rungs = (stops[0] + 1, stops[-2])
        assert stops[0] < rungs[0] < rungs[1] < stops[-1]
        feed, parts, epochs = Feed(data, "cpu", F64), [], []
        for start, until_epoch in zip((0, *rungs), (*rungs, None), strict=True):
            mine = [replace(m, start_epoch=start, until_epoch=until_epoch) for m in members]
            pauses = {m.name: read(tmp_path, m, start) for m in mine if start}
            given = list(train(feed, mine, "loss", 0, pauses))
            for event in given:
                if isinstance(event, MemberEnded):
                    write(tmp_path, event)
            found = list(joined(mine, iter(given)))
            parts += [e for e in found if isinstance(e, MembersEnded)]
            epochs += [e for e in found if isinstance(e, Epoch)]
            assert getattr(parts[-1].result, "paused") == (until_epoch is not None)  # noqa: B009
        for position in range(len(members)):
            agree([part.members[position] for part in parts], at_once.members[position])
        assert epochs == [epoch for part in parts for epoch in part.result.curve]
        assert [epoch.epoch for epoch in epochs] == [e.epoch for e in at_once.result.curve]
        for found_here, its in zip(epochs, at_once.result.curve, strict=True):
            assert found_here.loss == pytest.approx(its.loss, abs=1e-9)
        results = [e.result for e in parts if isinstance(e.result, Done)]
        whole_one = at_once.result
        assert isinstance(whole_one, Done)
        assert sum(r.flops for r in results) == whole_one.flops
        assert sum(r.steps for r in results) == whole_one.steps
        last = results[-1]
        assert (last.epochs, last.best_epoch) == (whole_one.epochs, whole_one.best_epoch)
        assert last.loss == pytest.approx(whole_one.loss, abs=1e-9)
        assert last.loss_se == pytest.approx(whole_one.loss_se, abs=1e-9)
        assert [r.best_epoch for r in last.replicates] == [
            r.best_epoch for r in whole_one.replicates
        ]

    def test_segments_are_apart_in_cohorts(self) -> None:
        settings = [member(k).settings for k in range(4)]
        parts = [(0, 1), (1, 3), (0, 1), (0, None)]
        assert cohorts(settings, InputShape((64,)), 10, CPU, apart=parts) == [[0, 2], [1], [3]]
