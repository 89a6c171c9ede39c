"""A training that pauses goes on as if it had not: later, elsewhere, and in other company."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpsearch.data import Dataset, DataSpec
from hpsearch.engine.checkpoint import Pause, read_pause, write_pause
from hpsearch.engine.feed import Feed
from hpsearch.engine.jobs import train_cohort
from hpsearch.engine.replicates import joined
from hpsearch.engine.structure.cohorts import Job, Member, Objective, cohorts
from hpsearch.engine.structure.settings import OPTIMIZERS
from hpsearch.engine.train import Ended, train
from hpsearch.runners import Crashed, Work
from hpsearch.runners.local import Local
from hpsearch.study.trial import Done, Epoch, Failed, Result
from tests.helpers.problems import NETS, blobs, in_folds, member, pictures, spread

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


def leg(
    data: Dataset,
    members: Sequence[Member],
    start: int,
    upto: int | None,
    folder: Path,
    *,
    dtype: torch.dtype = F64,
    objective: Objective = "loss",
) -> dict[str, Ended]:
    """Every member's end of a leg, by its name; pauses lie in the folder between legs."""
    members = [replace(one, start=start, upto=upto) for one in members]
    pauses = {one.name: read_pause(folder / one.pause_file(start)) for one in members if start}
    ended = [
        e
        for e in train(Feed(data, "cpu", dtype), members, objective, 0, pauses)
        if isinstance(e, Ended)
    ]
    for one in ended:
        if one.pause:
            write_pause(folder / one.member.pause_file(one.member.end), one.pause)
    return {e.member.name: e for e in ended}


def legs(
    data: Dataset, one: Member, folder: Path, rungs: Sequence[int] = RUNGS, **options: Any
) -> list[Ended]:
    """A member's ends of all legs, as far as it goes, alone."""
    found: list[Ended] = []
    for start, upto in zip((0, *rungs), (*rungs, None), strict=True):
        found.append(leg(data, [one], start, upto, folder, **options)[one.name])
        if not found[-1].pause or not found[-1].pause.active:
            break
    return found


def whole(data: Dataset, one: Member, **options: Any) -> Ended:
    """The end of a training that does not pause."""
    return leg(data, [one], 0, None, Path(), **options)[one.name]


def curve(ended: Sequence[Ended]) -> list[Epoch]:
    return [epoch for e in ended for epoch in e.result.curve]


def agree(mine: Sequence[Ended], its: Ended, most: float = 1e-9) -> None:
    """The same epochs, and the same weights in the end."""
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
        agree(legs(pictures(), one, tmp_path), whole(pictures(), one))

    @pytest.mark.parametrize("kind", KINDS)
    def test_so_does_all_else_that_a_member_may_hold(self, kind: str, tmp_path: Path) -> None:
        one = member(**{**NOISY, **KINDS[kind]})
        agree(legs(pictures(), one, tmp_path), whole(pictures(), one))

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_optimizers_remember(self, optimizer: str, tmp_path: Path) -> None:
        one = member(epochs=6, optimizer=optimizer, schedule="cosine", warmup=1.5, l2=0.01)
        agree(legs(blobs(), one, tmp_path), whole(blobs(), one))

    @pytest.mark.parametrize("kind", ALL)
    def test_the_company_may_change_at_each_pause(self, kind: str, tmp_path: Path) -> None:
        settings = {**NOISY, **ALL[kind]}
        one, *others = (
            member(k, **{**settings, **extra}) for k, extra in enumerate([{}, *COMPANY])
        )
        data = pictures()
        first = leg(data, [others[0], one, others[1]], 0, 1, tmp_path)
        second = leg(data, [one, others[1]], 1, 3, tmp_path)
        newcomer = replace(others[1], number=7)
        leg(data, [newcomer], 0, 3, tmp_path)
        third = leg(data, [newcomer, one, others[1]], 3, None, tmp_path)
        agree([part[one.name] for part in (first, second, third)], whole(data, one))
        agree([part[others[1].name] for part in (first, second, third)], whole(data, others[1]))

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_optimizers_remember_in_other_company(self, optimizer: str, tmp_path: Path) -> None:
        one, other = (
            member(0, epochs=6, optimizer=optimizer),
            member(1, epochs=6, width=12, optimizer="adam"),
        )
        first = leg(blobs(), [one, other], 0, 3, tmp_path)
        second = leg(blobs(), [one], 3, None, tmp_path)
        agree([first[one.name], second[one.name]], whole(blobs(), one))

    def test_alone_it_goes_on_to_the_last_bit(self, tmp_path: Path) -> None:
        one = member(**NOISY, norm="batch")
        agree(
            legs(blobs(), one, tmp_path, dtype=torch.float32),
            whole(blobs(), one, dtype=torch.float32),
            most=0.0,
        )

    def test_pre_training_comes_before_the_first_epoch_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = member(epochs=6, pretrain="layerwise")
        leg(blobs(), [one], 0, 3, tmp_path)
        monkeypatch.delattr("hpsearch.engine.pretrain._Coder")
        assert leg(blobs(), [one], 3, None, tmp_path)[one.name].pause is None

    def test_others_that_end_meanwhile_are_no_hindrance(self, tmp_path: Path) -> None:
        # of the lr of 1e-30 nothing gets better: three of four end at epoch 3, and the array is compacted
        stuck = [member(k, epochs=6, patience=2, lr=1e-30, optimizer="sgd") for k in range(3)]
        one = member(3, epochs=6, dropout=0.3)
        first = leg(blobs(), [*stuck, one], 0, 4, tmp_path)
        second = leg(blobs(), [one], 4, None, tmp_path)
        agree([first[one.name], second[one.name]], whole(blobs(), one))

    def test_what_is_written_is_read_to_the_last_bit(self, tmp_path: Path) -> None:
        tensors = {"best/w": torch.randn(3), "weights/w": torch.randn(3, dtype=F64)}
        pause = Pause(3, math.nan, 0.1 + 0.2, Epoch(0, 2, 1 / 3, math.inf, 0.5), True, tensors)
        write_pause(tmp_path / "p.safetensors", pause)
        found = read_pause(tmp_path / "p.safetensors")
        assert repr(replace(found, tensors={})) == repr(replace(pause, tensors={}))
        assert [torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items()] == [
            True,
            True,
        ]
        assert [*found.part("best")] == ["w"]

    def test_members_of_different_legs_are_refused(self) -> None:
        members = [replace(member(k), upto=1 + k) for k in range(2)]
        with pytest.raises(ValueError, match="too many values"):
            next(train(Feed(blobs(), "cpu"), members, "loss", 0))


class TestResults:
    def test_a_leg_tells_the_best_of_all_epochs_and_what_it_took_itself(
        self, tmp_path: Path
    ) -> None:
        one = member(epochs=6, depth=2, pretrain="layerwise")
        parts = [e.result for e in legs(blobs(), one, tmp_path)]
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

    @pytest.mark.parametrize("objective", ["loss", "accuracy"])
    def test_the_best_weights_from_before_a_pause_are_kept(
        self, objective: Objective, tmp_path: Path
    ) -> None:
        one = member(epochs=12, lr=0.3, optimizer="momentum")  # so fast that it soon gets worse
        its = whole(blobs(), one, objective=objective)
        assert isinstance(its.result, Done)
        rung = its.result.best_epoch + 2
        assert rung < 12
        parts = legs(blobs(), one, tmp_path, [rung], objective=objective)
        agree(parts, its)
        last = parts[-1].result
        assert isinstance(last, Done)
        assert (last.best_epoch, last.epochs) == (rung - 2, 12)
        assert (last.loss, last.metric) == (parts[0].result.loss, parts[0].result.metric)  # type: ignore[union-attr]
        assert parts[-1].best == its.best

    def test_patience_counts_on_across_a_pause(self, tmp_path: Path) -> None:
        one = member(epochs=9, patience=4, lr=1e-30, optimizer="sgd")
        parts = [e.result for e in legs(blobs(), one, tmp_path, [3])]
        assert [len(part.curve) for part in parts] == [3, 2]
        assert isinstance(parts[-1], Done)
        assert (parts[-1].epochs, parts[-1].best_epoch) == (5, 1)

    @pytest.mark.parametrize(("patience", "epochs"), [(2, 3), (4, 5)])
    def test_one_that_stops_before_the_rung_or_at_it_is_over(
        self, patience: int, epochs: int, tmp_path: Path
    ) -> None:
        one = member(epochs=9, patience=patience, lr=1e-30, optimizer="sgd")
        first = leg(blobs(), [one], 0, 5, tmp_path)[one.name]
        assert isinstance(first.result, Done)
        assert first.result.epochs == epochs
        assert first.pause is not None
        assert not first.pause.active
        assert not first.result.paused

    def test_one_that_is_over_comes_to_the_same_again_at_no_cost(self, tmp_path: Path) -> None:
        one = member(epochs=9, patience=2, lr=1e-30, optimizer="sgd")
        first = leg(blobs(), [one], 0, 5, tmp_path)[one.name]
        again = leg(blobs(), [one], 5, 7, tmp_path)[one.name]
        assert isinstance(first.result, Done)
        assert again.result == replace(first.result, seconds=0.0, flops=0.0, steps=0, curve=())
        assert all(
            torch.equal(weight, first.weights[name]) for name, weight in again.weights.items()
        )
        assert again.pause is not None
        assert leg(blobs(), [one], 7, None, tmp_path)[one.name].pause is None

    def test_one_that_diverges_fails_in_whichever_leg(self, tmp_path: Path) -> None:
        wild = member(epochs=6, optimizer="sgd", lr=1e6)
        at_once = leg(blobs(), [wild, member(1, epochs=6)], 0, 3, tmp_path)
        assert isinstance(at_once[wild.name].result, Failed)
        assert at_once[wild.name].pause is None
        # the rate rises until it is too high, in epoch 4: the loss is a number still, but far above the first one
        late = member(epochs=9, optimizer="sgd", lr=3e4, warmup=9000, depth=2)
        its = whole(blobs(), late).result
        assert isinstance(its, Failed)
        rung = len(its.curve) - 1
        assert rung > 0
        assert math.isfinite(its.curve[-1].train_loss)
        parts = [e.result for e in legs(blobs(), late, tmp_path, [rung])]
        assert isinstance(parts[0], Done)
        assert isinstance(parts[1], Failed)
        assert parts[1].reason == its.reason
        assert parts[1].curve[-1].epoch == rung + 1

    def test_a_loss_is_compared_with_that_before_the_first_step_not_before_the_leg(
        self, tmp_path: Path
    ) -> None:
        one = member(epochs=6)
        parts = legs(blobs(), one, tmp_path)
        firsts = {e.pause.first_loss for e in parts if e.pause}
        assert len(firsts) == 1
        assert math.isfinite(firsts.pop())

    @pytest.mark.parametrize(
        ("upto", "patience", "paused"),
        [(3, 0, True), (3, 2, False), (3, 4, True), (9, 0, False), (10, 0, False)],
    )
    def test_a_result_says_whether_it_may_go_on(
        self, upto: int, patience: int, paused: bool, tmp_path: Path
    ) -> None:
        one = member(
            epochs=9, patience=patience, lr=1e-30, optimizer="sgd"
        )  # the first epoch is the best
        result = leg(blobs(), [one], 0, upto, tmp_path)[one.name].result
        assert isinstance(result, Done)
        assert result.paused == paused

    def test_a_whole_training_leaves_nothing_to_go_on_with(self) -> None:
        assert whole(blobs(), member(epochs=3)).pause is None
        assert whole(blobs(), replace(member(epochs=3), upto=8)).pause is None


def done_in(events: Iterator[object]) -> tuple[dict[int, Result], list[Epoch]]:
    found = list(events)
    return dict(e for e in found if isinstance(e, tuple)), [
        e for e in found if isinstance(e, Epoch)
    ]


class TestTrials:
    def test_a_trial_of_several_members_goes_on_as_one(self, tmp_path: Path) -> None:
        # members stop at epochs of their own: before the first rung, between the rungs, and after them
        data = in_folds(blobs())
        one = member(epochs=14, lr=0.15, patience=2, optimizer="momentum")
        members = spread(one, 2, 3)
        ends = leg(data, members, 0, None, tmp_path)
        members.sort(key=lambda m: ends[m.name].result.epochs)  # type: ignore[union-attr]  # the first stops first
        its = [
            e
            for e in joined(members, train(Feed(data, "cpu", F64), members, "loss", 0))
            if isinstance(e, Ended)
        ]
        (at_once,) = its
        stops = sorted(e.result.epochs for e in leg(data, members, 0, None, tmp_path).values())  # type: ignore[union-attr]
        rungs = (stops[0] + 1, stops[-2])
        assert stops[0] < rungs[0] < rungs[1] < stops[-1]
        feed, parts, epochs = Feed(data, "cpu", F64), [], []
        for start, upto in zip((0, *rungs), (*rungs, None), strict=True):
            mine = [replace(m, start=start, upto=upto) for m in members]
            pauses = {m.name: read_pause(tmp_path / m.pause_file(start)) for m in mine if start}
            told: list[Any] = []
            for event in train(feed, mine, "loss", 0, pauses):
                told.append(event)
                if isinstance(event, Ended) and event.pause:
                    write_pause(tmp_path / event.member.pause_file(event.member.end), event.pause)
            found = list(joined(mine, iter(told)))
            parts += [e for e in found if isinstance(e, Ended)]
            epochs += [e for e in found if isinstance(e, Epoch)]
            assert getattr(parts[-1].result, "paused") == (upto is not None)  # noqa: B009
        agree(parts, at_once)
        assert epochs == curve(parts)
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

    def test_legs_are_apart_in_cohorts(self) -> None:
        settings = [member(k).settings for k in range(4)]
        parts = [(0, 1), (1, 3), (0, 1), (0, None)]
        assert cohorts(settings, (64,), 10, "cpu", apart=parts) == [[0, 2], [1], [3]]


def job(folder: Path, start: int, upto: int | None, *numbers: int, seeds: int = 1) -> Job:
    members = [
        Member(n, member(epochs=6, width=4 + n, dropout=0.2).settings, r, 0, start, upto)
        for n in numbers
        for r in range(seeds)
    ]
    return Job(tuple(members), DataSpec("wine"), "loss", 0, "cpu", folder)


class TestFiles:
    def test_a_leg_that_is_broken_off_is_done_again(self, tmp_path: Path) -> None:
        done_in(train_cohort(job(tmp_path, 0, 1, 0, 1)))
        once, _ = done_in(
            train_cohort(job(tmp_path, 1, 3, 0, 1))
        )  # its results never arrived, but its files did
        again, _ = done_in(train_cohort(job(tmp_path, 1, 3, 0, 1)))
        assert [r.curve for r in once.values()] == [r.curve for r in again.values()]

    def test_pauses_are_on_disk_before_the_results(self, tmp_path: Path) -> None:
        asked = job(tmp_path, 0, 3, 0, 1, seeds=2)
        for event in train_cohort(asked):
            if isinstance(event, tuple):
                mine = [m for m in asked.members if m.number == event[0]]
                assert all((tmp_path / m.pause_file(3)).exists() for m in mine)
                assert (tmp_path / f"{event[0]}.safetensors").exists()
        assert not list(tmp_path.glob("*.tmp"))

    def test_another_process_goes_on_with_the_same_bits(self, tmp_path: Path) -> None:
        at_once, _ = done_in(train_cohort(job(tmp_path / "whole", 0, None, 0, 1)))
        curves: dict[int, list[Epoch]] = {0: [], 1: []}
        for key, (start, upto) in enumerate([(0, 3), (3, None)]):
            for event in in_a_process(
                Work(key, "hpsearch.engine.jobs:train_cohort", job(tmp_path, start, upto, 0, 1))
            ):
                if isinstance(event, Epoch):
                    curves[event.number].append(event)
        assert curves == {number: list(result.curve) for number, result in at_once.items()}
        for number in at_once:
            name = f"{number}.safetensors"
            assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def in_a_process(work: Work) -> Iterator[object]:
    """The events of work in a process of its own."""
    with Local(workers=1, threads=1) as runner:
        runner.submit(work)
        ended = False
        while not ended:
            for _, event in runner.wait(1.0):
                assert not isinstance(event, Crashed), event.traceback
                ended = type(event).__name__ == "Finished"
                yield event
