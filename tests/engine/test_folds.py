"""Folds and seeds are members like all others: what they learn, and what a trial makes of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, r2_score

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.baseline import baseline
from hpsearch.data.prepare import prepare
from hpsearch.data.shape import InputShape
from hpsearch.data.splits.split import folded, set_aside
from hpsearch.engine.feed import Feed
from hpsearch.engine.replicates import MembersEnded, joined
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask, initial_weights
from hpsearch.engine.structure.cohorts import arrays, cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member, Stream
from hpsearch.engine.structure.models import MODELS
from hpsearch.engine.train import MemberEnded, MemberEpoch, train
from hpsearch.errors import SpecError
from hpsearch.study.trial import Done, Epoch, Failed
from tests.commands.test_end_to_end import hpsearch
from tests.helpers.problems import blobs, dataset, in_folds, member, pictures, replicated

F64 = torch.float64


def ends(data: Dataset, members: list[Member]) -> dict[tuple[int, int, int], MemberEnded]:
    """Return each member's end, by its trial, replicate and fold."""
    events = train(Feed(data, "cpu", F64), members, "loss", 0)
    return {place(e.member): e for e in events if isinstance(e, MemberEnded)}


def place(one: Member) -> tuple[int, int, int]:
    return one.number, one.replicate, one.fold


class TestSplit:
    @given(
        st.lists(st.integers(4, 30), min_size=1, max_size=4), st.integers(2, 7), st.integers(0, 5)
    )
    def test_each_row_validates_once_and_each_class_is_dealt_out_evenly(
        self, sizes: list[int], folds: int, test: int
    ) -> None:
        groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
        test = min(test, len(groups) - 2 * len(sizes), len(groups) // 4)
        pool, tested = set_aside(groups, test, 0)
        parts = folded(pool, groups, min(folds, len(pool)), 0)
        assert len(tested) == test
        assert sorted(np.concatenate([validation for _, validation in parts])) == sorted(pool)
        assert not set(pool) & set(tested)
        for train_rows, validation in parts:
            assert sorted([*train_rows, *validation]) == sorted(pool)
        for count in (
            [len(validation) for _, validation in parts],
            *([int((groups[v] == k).sum()) for _, v in parts] for k in range(len(sizes))),
        ):
            assert max(count) - min(count) <= 1

    def test_every_fold_trains_on_every_class(self) -> None:
        groups = np.array([0] * 40 + [1] * 2)
        pool, _ = set_aside(groups, 10, 0)
        assert all(set(groups[rows]) == {0, 1} for rows, _ in folded(pool, groups, 5, 0))

    def test_folds_are_scaled_by_their_own_training_rows(self) -> None:
        data = prepare(DataSpec("wine", folds=4))
        for fold in data.folds:
            assert fold.center == pytest.approx(data.inputs[fold.train].mean(0), rel=1e-5)
        assert not np.allclose(data.folds[0].center, data.folds[1].center)
        assert data.whole is not None
        assert len(data.whole.train) + len(data.test) == len(data.inputs)

    def test_targets_of_folds_have_one_unit_measured_without_the_test_rows(self) -> None:
        data = prepare(DataSpec("diabetes", folds=4))
        assert data.whole is not None
        assert data.targets[data.whole.train].mean() == pytest.approx(0, abs=1e-5)
        assert data.targets[data.whole.train].std() == pytest.approx(1, abs=1e-5)

    def test_the_smoke_run_has_folds_too(self) -> None:
        data = prepare(DataSpec("digits", folds=5, rows=101))
        assert sorted(len(fold.validation) for fold in data.folds) == [20, 20, 20, 20, 21]

    @pytest.mark.parametrize(
        ("spec", "found"),
        [
            (DataSpec("wine", folds=200), "rows are too few for 200 folds"),
            (DataSpec("wine", folds=5, test=0.98), "too few for folds"),
            (DataSpec("wine", column="part"), "no columns"),
        ],
    )
    def test_what_cannot_be_split_is_refused(self, spec: DataSpec, found: str) -> None:
        with pytest.raises(SpecError, match=found):
            prepare(spec)

    @pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
    def test_a_column_says_which_rows_train_validate_and_test(
        self, kind: str, tmp_path: Path
    ) -> None:
        data = prepare(written(tmp_path, kind, ["train"] * 6 + ["validation"] * 3 + ["test"]))
        assert data.folds[0].train.tolist() == list(range(6))
        assert data.folds[0].validation.tolist() == [6, 7, 8]
        assert data.test.tolist() == [9]
        assert data.shape.sides == (1,)

    @pytest.mark.parametrize(
        ("parts", "found"),
        [
            (
                ["train"] * 8 + ["valdation"] * 2,
                "row 9 .line 10., is 'valdation'.*did you mean 'validation'",
            ),
            (["train"] * 8 + ["test"] * 2, "says 'validation' of no row"),
            (["validation"] * 10, "says 'train' of no row"),
        ],
    )
    def test_a_column_with_other_words_is_refused(
        self, parts: list[str], found: str, tmp_path: Path
    ) -> None:
        with pytest.raises(SpecError, match=f"(?s){found}"):
            prepare(written(tmp_path, "csv", parts))

    def test_a_column_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        spec = replace(written(tmp_path, "csv", ["train"] * 10), column="prt")
        with pytest.raises(SpecError, match=r"(?s)no column 'prt'.*did you mean 'part'"):
            prepare(spec)

    def test_the_baseline_of_folds_is_the_mean_of_theirs(self) -> None:
        data = prepare(DataSpec("wine", folds=4))
        alone = [baseline(replace(data, folds=(fold,)), "accuracy").loss for fold in data.folds]
        assert baseline(data, "accuracy").loss == pytest.approx(np.mean(alone))


def written(folder: Path, kind: str, parts: list[str]) -> DataSpec:
    """Ten rows with a column `part`."""
    x, y = np.arange(10.0), np.arange(10) % 2
    path = folder / f"t.{kind}"
    if kind == "csv":
        lines = [f"{a},{p},{b}" for a, p, b in zip(x, parts, y, strict=True)]
        path.write_text("\n".join(["x,part,y", *lines]))
    elif kind == "npz":
        np.savez(path, X=x[:, None], y=y, part=np.array(parts))
    else:
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(
            pa.table({"x": x, "part": parts, "y": y}), path
        )
    return DataSpec(str(path), target="y", column="part")


class TestMembers:
    @pytest.mark.parametrize("model", MODELS)
    def test_folds_and_seeds_learn_the_same_alone_as_in_one_cohort(self, model: str) -> None:
        data = in_folds(pictures())
        one = member(model=model, width=8, channels=3, dropout=0.3, dropconnect=0.2, epochs=3)
        members = [*replicated(one, 2, 3), Member(1, {**one.settings, "lr": 0.01}, 1, 2)]
        together = ends(data, members)
        for lone in members:
            (alone,) = ends(data, [lone]).values()
            for name, weight in alone.weights.items():
                assert (weight - together[place(lone)].weights[name]).abs().max() < 1e-9

    def test_pre_training_knows_folds_and_seeds(self) -> None:
        data = in_folds(blobs())
        members = replicated(member(depth=2, pretrain="layerwise"), 2, 2)
        together = ends(data, members)
        (alone,) = ends(data, members[3:]).values()
        for name, weight in alone.weights.items():
            assert (weight - together[0, 1, 1].weights[name]).abs().max() < 1e-9

    def test_bytes_are_scaled_as_each_fold_says(self) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(256, size=(40, 1, 4, 4)).astype(np.uint8)
        data = in_folds(dataset(images, rng.integers(2, size=40), classes=2))
        feed = Feed(data, "cpu", F64)
        for x, *_ in feed.epoch(1, 40, 0, [Stream(0, fold) for fold in range(3)]):
            assert x.mean((1, 2, 3, 4)) == pytest.approx([0.0] * 3, abs=0.02)
            assert x.std((1, 2, 3, 4)) == pytest.approx([1.0] * 3, abs=0.02)

    def test_a_seed_begins_the_same_in_each_trial_and_fold_and_another_seed_differently(
        self,
    ) -> None:
        one = member().settings
        members = [
            Member(0, one),
            Member(1, one),
            Member(0, one, fold=1),
            Member(0, one, replicate=1),
            Member(0, one, seed_group=1),
        ]
        first, *others = (
            next(initial_weights(each, TrainingTask(InputShape((6,)), 3, 0))) for each in members
        )
        assert [torch.equal(first, other) for other in others] == [True, True, False, False]

    def test_a_seed_group_has_its_own_batches_and_draws(self) -> None:
        one = member(dropout=0.5).settings
        members = [
            Member(0, one),
            Member(1, one),
            Member(2, one, seed_group=1),
            Member(3, one, seed_group=2),
        ]
        together = ends(blobs(), members)
        losses = [e.result.loss for e in together.values() if isinstance(e.result, Done)]
        assert losses[0] == losses[1]
        assert len(set(losses)) == 3
        for lone in members:
            (alone,) = ends(blobs(), [lone]).values()
            assert isinstance(alone.result, Done)
            assert alone.result.loss == pytest.approx(losses[lone.number], abs=1e-9)

    def test_seeds_begin_and_go_on_differently(self) -> None:
        found = ends(blobs(), replicated(member(dropout=0.5), 3, 1))
        assert len({e.result.loss for e in found.values() if isinstance(e.result, Done)}) == 3

    def test_an_epoch_shows_a_fold_each_of_its_training_rows_once(self) -> None:
        rows = np.arange(21.0)
        data = in_folds(dataset(rows[:, None], rows), folds=3)
        feed = Feed(data, "cpu", F64)
        batches = [y for _, y, _ in feed.epoch(1, 4, 0, [Stream(0, 0), Stream(0, 2), Stream(1, 2)])]
        seen = torch.cat(batches, dim=1)
        assert [sorted(s) for s in seen.tolist()] == [
            data.folds[f].train.tolist() for f in (0, 2, 2)
        ]
        assert seen[1].tolist() != seen[2].tolist()

    def test_each_fold_is_scored_on_its_own_rows_on_classes(self) -> None:
        data = in_folds(blobs(rows=100))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort(
            replicated(member(), 1, 3), TrainingTask(data.shape, data.outputs, 0), feed.like
        )
        losses, metrics = feed.score(stacked, "validation")
        for k, fold in enumerate(data.folds):
            x = torch.from_numpy((data.inputs[fold.validation] - fold.center) / fold.scale).double()
            predicted = torch.softmax(stacked.outputs(x)[k], 1).detach().numpy()
            y = data.targets[fold.validation]
            assert losses[k] == pytest.approx(log_loss(y, predicted, labels=[0, 1, 2]), rel=1e-5)
            assert metrics[k] == pytest.approx((predicted.argmax(1) == y).mean())

    def test_each_fold_is_scored_on_its_own_rows_on_numbers(self) -> None:
        rng = np.random.default_rng(0)
        data = in_folds(dataset(rng.normal(size=(100, 4)), rng.normal(size=100)))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort(
            replicated(member(), 1, 3), TrainingTask(data.shape, data.outputs, 0), feed.like
        )
        losses, metrics = feed.score(stacked, "validation")
        for k, fold in enumerate(data.folds):
            x = torch.from_numpy((data.inputs[fold.validation] - fold.center) / fold.scale).double()
            predicted, y = (
                stacked.outputs(x)[k, :, 0].detach().numpy(),
                data.targets[fold.validation],
            )
            assert losses[k] == pytest.approx(float(((predicted - y) ** 2).mean()), rel=1e-5)
            assert metrics[k] == pytest.approx(r2_score(y, predicted), rel=1e-5)


class TestTrials:
    def test_a_trials_loss_is_the_mean_of_its_runs_with_its_standard_error(self) -> None:
        data, members = in_folds(blobs()), replicated(member(epochs=4), 2, 3)
        parts = ends(data, members)
        (whole,) = [
            e
            for e in joined(members, train(Feed(data, "cpu", F64), members, "loss", 0))
            if isinstance(e, MembersEnded)
        ]
        losses = [e.result.loss for e in parts.values() if isinstance(e.result, Done)]
        assert isinstance(whole.result, Done)
        assert whole.result.loss == pytest.approx(np.mean(losses))
        assert whole.result.loss_se == pytest.approx(np.std(losses, ddof=1) / math.sqrt(6))
        assert [(r.replicate, r.fold) for r in whole.result.replicates] == [
            (m.replicate, m.fold) for m in members
        ]
        assert whole.result.steps == 6 * 4 * 4
        assert [one.member for one in whole.members] == members

    def test_a_trials_epoch_is_the_mean_over_its_runs_and_those_that_stopped_count_at_their_best(
        self,
    ) -> None:
        first, second = (Member(7, {}, r) for r in range(2))
        events: list[MemberEpoch | MemberEnded] = [
            *(epoch(first, e, loss) for e, loss in ((1, 4.0), (2, 2.0), (3, 3.0))),
            MemberEnded(
                first, done(loss=2.0, best_epoch=2, epochs=3), {}, Epoch(7, 2, 1.0, 2.0, 0.5)
            ),
            *(epoch(second, e, loss) for e, loss in ((1, 8.0), (2, 6.0), (3, 4.0), (4, 0.0))),
            MemberEnded(
                second, done(loss=0.0, best_epoch=4, epochs=4), {}, Epoch(7, 4, 1.0, 0.0, 0.5)
            ),
        ]
        found = list(joined([first, second], iter(events)))
        assert [(e.epoch, e.loss) for e in found if isinstance(e, Epoch)] == [
            (1, 6.0),
            (2, 4.0),
            (3, 3.5),
            (4, 1.0),
        ]
        assert isinstance(found[-1], MembersEnded)
        result = found[-1].result
        assert isinstance(result, Done)
        assert (result.loss, result.epochs, result.best_epoch, len(result.curve)) == (1.0, 4, 3, 4)

    def test_a_trial_fails_where_one_of_its_runs_does(self) -> None:
        first, second = (Member(7, {}, 0, f) for f in range(2))
        events: list[MemberEpoch | MemberEnded] = [
            epoch(first, 1, 1.0),
            epoch(second, 1, math.inf),
            MemberEnded(first, done(loss=1.0, best_epoch=1, epochs=1), {}),
            MemberEnded(second, Failed("diverged", "training loss inf after epoch 1"), {}),
        ]
        (*_, last) = joined([first, second], iter(events))
        assert isinstance(last, MembersEnded)
        assert isinstance(last.result, Failed)
        assert (
            last.result.reason == "diverged: training loss inf after epoch 1 (replicate 0, fold 1)"
        )

    def test_a_trials_members_are_never_parted_among_cohorts(self) -> None:
        settings = [member(k, width=64).settings for k in range(40)]
        for group in cohorts(settings, InputShape((64,)), 10, CPU, runs=5):
            assert len(group) <= 6  # 32 members
        assert cohorts(
            [member(model="resnet").settings] * 3, InputShape((1, 8, 8)), 10, CPU, runs=5
        ) == [
            [0],
            [1],
            [2],
        ]

    def test_a_trial_too_large_for_one_computation_takes_several_and_comes_to_the_same(
        self,
    ) -> None:
        data, members = in_folds(blobs()), replicated(member(epochs=3), 1, 3)
        feed = Feed(data, "cpu", F64)
        (at_once,) = [
            e
            for e in joined(members, train(feed, members, "loss", 0))
            if isinstance(e, MembersEnded)
        ]
        apart = (event for one in members for event in train(feed, [one], "loss", 0))
        (in_turn,) = [e for e in joined(members, apart) if isinstance(e, MembersEnded)]
        assert isinstance(at_once.result, Done)
        assert isinstance(in_turn.result, Done)
        assert in_turn.result.loss == pytest.approx(at_once.result.loss, abs=1e-9)
        resnets = replicated(member(model="resnet"), 1, 3)
        assert [len(part) for part in arrays(resnets, InputShape((1, 8, 8)), 10, CPU)] == [
            1,
            1,
            1,
        ]


def epoch(one: Member, number: int, loss: float) -> MemberEpoch:
    return MemberEpoch(one, Epoch(one.number, number, 1.0, loss, 0.5))


def done(loss: float, best_epoch: int, epochs: int) -> Done:
    return Done(loss, 0.5, 1.0, 10.0, 5, epochs, best_epoch)


class TestCommand:
    @pytest.mark.slow
    def test_folds_and_seeds_go_from_the_yaml_to_the_board(self, tmp_path: Path) -> None:
        (tmp_path / "c.yaml").write_text(
            "data: {source: wine, split: {folds: 3, test: 0.2}}\n"
            "train: {epochs: 6, width: 8}\n"
            "parameters: {lr: {values: [0.003, 0.01]}}\n"
        )
        ran = hpsearch(tmp_path, "grid", "c.yaml", "--seeds", "2", "--json", "--quiet")
        found = json.loads(ran.stdout)
        assert {(r["number"], r["replicate"], r["fold"]) for r in found["replicates"]} == {
            (n, r, f) for n in range(2) for r in range(2) for f in range(3)
        }
        for trial in found["trials"]:
            losses = [r["loss"] for r in found["replicates"] if r["number"] == trial["number"]]
            assert trial["loss"] == pytest.approx(np.mean(losses))
            assert trial["loss_se"] == pytest.approx(np.std(losses, ddof=1) / math.sqrt(6))
        assert found["test"]["evaluations"] == 1
        assert found["test"]["metric"] > 0.8
        assert found["data"]["folds"] == 3
        table = hpsearch(tmp_path, "leaderboard").stdout
        assert "±" in table.splitlines()[0]
        assert f"± {found['winner']['loss_se']:.2g}" in table
