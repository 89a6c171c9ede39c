"""Categories that are embedded: each has a vector, which a member learns with its other weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.shape import EmbeddedFeature, InputShape
from hpsearch.engine.feed import Feed
from hpsearch.engine.pretrain import layerwise
from hpsearch.engine.probes import probes
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.embeddings import embedding_slots
from hpsearch.engine.structure.settings import OPTIMIZERS
from hpsearch.engine.train import learn
from hpsearch.study.trial import Done
from tests.helpers.problems import NETS, member, run, towns

F64 = torch.float64
INPUTS = InputShape((5,), (EmbeddedFeature(1, 4), EmbeddedFeature(3, 3)))
LENGTHS = [slot.shape[1] for slot in embedding_slots(INPUTS)]
X = torch.tensor([[0.5, 1, -1, 2, 9], [0.25, 3, -2, 0, 8]], dtype=F64)


def stacked_of(*members: Any, inputs: InputShape = INPUTS, random: bool = True) -> StackedCohort:
    """Return a cohort whose vectors are random where they may learn, and 0 elsewhere."""
    stacked = StackedCohort(members, TrainingTask(inputs, 3, 0), torch.empty(0, dtype=F64))
    for slot, table in zip(stacked.layout, stacked.weights.views, strict=True):
        if slot.role == "embedding" and random:
            table[:, 1:] = torch.randn(table[:, 1:].shape, dtype=F64)
    return stacked


def table_of(stacked: StackedCohort) -> torch.Tensor:
    """Return the first table of the first member."""
    return stacked.weights.views[0][0]


class TestLookup:
    def test_vectors_come_after_the_numbers(self) -> None:
        stacked = stacked_of(member(0), member(1))
        first, second = stacked.weights.views[:2]
        expected = torch.stack(
            [
                torch.stack(
                    [
                        torch.cat([X[0, [0, 2, 4]], first[k, 1], second[k, 2]]),
                        torch.cat([X[1, [0, 2, 4]], first[k, 3], torch.zeros(LENGTHS[1])]),
                    ]
                )
                for k in range(2)
            ]
        )
        assert torch.equal(stacked.lookup(X), expected)

    def test_members_may_have_rows_of_their_own(self) -> None:
        stacked = stacked_of(member(0), member(1))
        own = stacked.lookup(torch.stack([X, X.flip(0)]))
        shared = stacked.lookup(X)
        assert torch.equal(own, torch.stack([shared[0], shared[1].flip(0)]))

    def test_vectors_begin_at_zero_and_have_no_effect(self) -> None:
        stacked = stacked_of(member(), random=False)
        other = X.clone()
        other[:, 1] = 2
        assert torch.equal(stacked.outputs(X), stacked.outputs(other))

    @pytest.mark.parametrize("by_hand", [True, False])
    @pytest.mark.parametrize("own_rows", [True, False])
    def test_the_gradient_is_that_of_autograd(self, by_hand: bool, own_rows: bool) -> None:
        stacked = stacked_of(member(0, width=6), member(1, activation="tanh"))
        stacked.net.is_plain = by_hand
        x = torch.stack([X, X.flip(0)]) if own_rows else X
        for batch in (x.flip(-2), x):  # of a step before nothing is left
            outputs = stacked.outputs(batch)
            d = torch.randn(outputs.shape, dtype=F64)
            stacked.backward(outputs, d)
        tables = [view.clone().requires_grad_() for view in stacked.weights.views[:2]]
        places = [x[..., k].long().expand(2, -1) for k in (1, 3)]
        vectors = [
            torch.stack([E[k, at[k]] for k in range(2)])
            for E, at in zip(tables, places, strict=True)
        ]
        h = torch.cat([x[..., [0, 2, 4]].expand(2, -1, -1), *vectors], -1)
        stacked.net.is_plain = False
        stacked._forward(stacked.net, h).backward(d)
        for found, table in zip(stacked.gradient.views, tables, strict=False):
            assert table.grad is not None
            torch.testing.assert_close(found[:, 1:], table.grad[:, 1:], rtol=1e-12, atol=1e-12)
            assert not found[:, 0].any()


class TestLearning:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_what_is_not_told_apart_or_not_seen_stays_at_zero(self, optimizer: str) -> None:
        data = towns()
        data.inputs[data.inputs[:, 1] < 5, 1] = -1  # as of categories that are not told apart
        feed = Feed(data, "cpu", F64)
        one = member(optimizer=optimizer, lr=0.01)
        stacked = StackedCohort([one], TrainingTask(data.shape, 3, 0), feed.like)
        for epoch in (1, 2):
            learn(stacked, feed, epoch)
        learned = table_of(stacked).any(1)
        assert not learned[:6].any()
        assert learned[6:].sum() > 50

    @pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
    def test_penalties_leave_vectors_alone(self, optimizer: str) -> None:
        none: dict[str, Any] = {}
        plain, penalised = (
            stacked_of(member(optimizer=optimizer, lr=0.1, **penalties))
            for penalties in (none, {"l1": 0.1, "l2": 0.1})
        )
        penalised.weights.flat.copy_(plain.weights.flat)
        for stacked in (plain, penalised):
            outputs = stacked.outputs(X)
            stacked.step(outputs, torch.ones_like(outputs))
        assert torch.equal(table_of(plain), table_of(penalised))
        assert not torch.equal(plain.weights.flat, penalised.weights.flat)

    @pytest.mark.parametrize(
        "settings",
        [
            *(NETS[name] for name in ("mlp", "residual", "highway", "elman")),
            {"norm": "batch"},
            {"dropconnect": 0.2},
            {"bayesian": "variational"},
            {"bayesian": "mc_dropout"},
            {"bayesian": "laplace"},
            {"depth": 2, "pretrain": "layerwise"},
        ],
        ids=str,
    )
    def test_a_category_that_tells_the_class_is_learned(self, settings: dict[str, Any]) -> None:
        ended, epochs = run(towns(), [member(lr=0.03, epochs=12, **settings)])
        assert isinstance(ended[0].result, Done)
        assert ended[0].result.loss < 0.6 * epochs[0].loss

    def test_a_member_learns_the_same_alone_as_in_company_that_ends_before_it(self) -> None:
        members = [
            member(0, epochs=6, lr=0.02, dropout=0.2),
            member(1, epochs=6, width=12, optimizer="momentum", activation="sigmoid"),
            *(member(k, epochs=6, optimizer="sgd", lr=1e30) for k in (2, 3, 4)),
        ]
        together, _ = run(towns(), members, dtype=F64)
        for one in members[:2]:
            alone, _ = run(towns(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    def test_pretraining_restores_numbers_alone(self) -> None:
        data = towns()
        feed, one = Feed(data, "cpu", F64), member(pretrain="layerwise")
        stacked = StackedCohort([one], TrainingTask(data.shape, 3, 0), feed.like)
        before = stacked.weights.views[1].clone()
        for _ in layerwise(stacked, feed):
            pass
        changed = (stacked.weights.views[1] != before).any(1)[0]
        assert changed.tolist() == [True, True, *[False] * table_of(stacked).shape[1]]
        assert not table_of(stacked).any()

    def test_a_table_is_a_layer_of_a_diagnosis(self) -> None:
        feed = Feed(towns(), "cpu")
        before, after = (p.layers[0] for p in probes(feed, [member()], seed=0, epochs=1))
        assert before.name == after.name == "embedding0"
        assert before.gradient > 0
        assert after.update is not None


def test_a_thousand_categories_that_carry_the_signal_are_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(size=1000)
    rows = [f"{rng.normal():.3f},t{k % 1000},{levels[k % 1000]:.4f}" for k in range(6000)]
    (tmp_path / "t.csv").write_text("n,town,y\n" + "\n".join(rows) + "\n")
    spec = DataSpec("t.csv", "y", "regression", folder=tmp_path)
    one = member(epochs=15, width=32, lr=0.01, batch_size=64)
    losses = []
    for most in (10_000, 64):
        monkeypatch.setattr("hpsearch.data.columns.MOST_CATEGORIES", most)
        result = run(prepare(spec), [one])[0][0].result
        assert isinstance(result, Done)
        losses.append(result.loss)
    assert losses[0] < 0.1 < 0.8 < losses[1]
