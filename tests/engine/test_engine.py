"""The engine: a training is a cohort, and what a member learns does not depend on its company."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from hpsearch.data import DataSpec, Ints
from hpsearch.data.baseline import constant_loss
from hpsearch.data.prepare import prepare
from hpsearch.data.shape import InputShape
from hpsearch.engine.feed import Feed, Split
from hpsearch.engine.optimizers import Coefficients, states
from hpsearch.engine.schedules import cosine
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask, initial_weights
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.models import param_slots
from hpsearch.engine.structure.settings import EXCLUDES, OPTIMIZERS, complete
from hpsearch.engine.structure.slots import STATISTICS, flops_forward, size
from hpsearch.engine.train import MemberProgress, learn, reference_losses
from hpsearch.study.trial import Done, Epoch, Failed
from tests.helpers.problems import (
    NETS,
    advance,
    blobs,
    dataset,
    in_folds,
    member,
    pictures,
    replicated,
    run,
)

F64 = torch.float64
MIXED = [
    member(0, width=8, depth=2, optimizer="adam", lr=0.01, dropout=0.3),
    member(1, width=12, depth=2, optimizer="momentum", lr=0.05, momentum=0.8, l2=0.01),
    member(2, width=5, depth=2, optimizer="sgd", lr=0.1, activation="tanh", init="fan_uniform"),
    member(
        3,
        width=12,
        depth=2,
        optimizer="nesterov",
        lr=0.02,
        momentum=0.95,
        dropout=0.5,
        activation="tanh",
    ),
    member(4, width=3, depth=2, optimizer="rmsprop", lr=0.003, l2=0.1, init_scale=0.5),
    member(5, width=12, depth=2, optimizer="adam", lr=0.003, beta1=0.5, eps=1e-4),
]


def lengthened(members: list[Member], epochs: int) -> list[Member]:
    return [Member(m.number, {**m.settings, "epochs": epochs}) for m in members]


class TestCohorts:
    def test_a_member_learns_the_same_alone_as_in_a_mixed_cohort(self) -> None:
        data = blobs(rows=64)  # 48 rows in batches of 16: 30 steps in 10 epochs
        together, _ = run(data, lengthened(MIXED, 10), dtype=F64)
        for one in lengthened(MIXED, 10):
            alone, _ = run(data, [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    def test_a_residual_network_of_images_learns_the_same_alone_as_in_a_cohort(self) -> None:
        members = [
            member(
                k,
                model="resnet",
                channels=channels,
                epochs=5,
                lr=0.01,
                dropout=0.2,
                activation=activation,
            )
            for k, (channels, activation) in enumerate([(3, "relu"), (5, "tanh"), (2, "relu")])
        ]
        together, _ = run(pictures(), members, dtype=F64)
        for one in members:
            alone, _ = run(pictures(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    def test_the_order_of_the_members_does_not_matter(self) -> None:
        one, _ = run(blobs(), MIXED, dtype=F64)
        other, _ = run(blobs(), MIXED[::-1], dtype=F64)
        for number, ended in one.items():
            for name, weight in ended.weights.items():
                assert torch.equal(weight, other[number].weights[name])

    def test_training_twice_gives_the_same_bits(self) -> None:
        one, other = run(blobs(), MIXED), run(blobs(), MIXED)
        assert [e.result.curve for e in one[0].values()] == [
            e.result.curve for e in other[0].values()
        ]

    def test_another_seed_gives_another_training(self) -> None:
        one, other = run(blobs(), MIXED[:1], seed=0)[0][0], run(blobs(), MIXED[:1], seed=1)[0][0]
        assert one.result.curve != other.result.curve

    def test_a_member_that_explodes_leaves_the_others_bit_equal(self) -> None:
        calm = [
            member(k, width=8, epochs=3, optimizer="sgd", lr=0.05 * (k + 1), clip_norm=0.5)
            for k in range(4)
        ]
        wild = member(9, width=8, epochs=3, optimizer="sgd", lr=1e30)
        beside_wild, _ = run(blobs(), [*calm, wild])
        beside_calm, _ = run(
            blobs(), [*calm, member(9, width=8, epochs=3, optimizer="sgd", lr=0.01)]
        )
        assert isinstance(beside_wild[9].result, Failed)
        for one in calm:
            assert isinstance(beside_wild[one.number].result, Done)
            for name, weight in beside_calm[one.number].weights.items():
                assert torch.equal(weight, beside_wild[one.number].weights[name])

    def test_compaction_does_not_disturb_those_that_go_on(self) -> None:
        # with an lr of 1e-30 nothing gets better: these members end after `patience` epochs
        stuck = [
            member(k, width=8, epochs=12, patience=2, lr=1e-30, optimizer="sgd") for k in range(3)
        ]
        going = member(3, width=8, epochs=12, optimizer="adam", dropout=0.3)
        together, _ = run(blobs(), [*stuck, going], dtype=F64)
        alone, _ = run(blobs(), [going], dtype=F64)
        assert {len(together[k].result.curve) for k in range(3)} == {3}
        for name, weight in alone[3].weights.items():
            assert (weight - together[3].weights[name]).abs().max() < 1e-9

    @pytest.mark.parametrize(
        "kind",
        [
            {},
            {"norm": "layer"},
            {"model": "rnn", "cell": "lstm", "activation": "tanh", "init_constraint": 0.5},
        ],
    )
    def test_a_member_takes_all_that_is_its_own_along_when_the_cohort_is_compacted(
        self, kind: dict[str, Any]
    ) -> None:
        stuck = [
            member(k, epochs=8, patience=1, lr=1e-30, optimizer="sgd", **kind) for k in range(2)
        ]
        going = [
            member(
                2 + k, width=w, epochs=8, dropout=0.3, optimizer=o, l1=0.001, clip_norm=0.5, **kind
            )
            for k, (w, o) in enumerate([(5, "adam"), (8, "nesterov")])
        ]
        together, _ = run(blobs(), [stuck[0], going[0], stuck[1], going[1]], dtype=F64)
        for one in going:
            alone, _ = run(blobs(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    @pytest.mark.parametrize(("stuck", "sizes"), [(1, []), (2, [2])])
    def test_a_cohort_is_compacted_when_fewer_than_three_quarters_still_learn(
        self, stuck: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compacted: list[int] = []
        select = StackedCohort.select

        def noted(stacked: StackedCohort, keep: torch.Tensor) -> None:
            compacted.append(len(keep))
            select(stacked, keep)

        monkeypatch.setattr(StackedCohort, "select", noted)
        members = [
            member(k, epochs=6, patience=2 * (k < stuck), optimizer="sgd", lr=1e-30)
            for k in range(4)
        ]
        ended, _ = run(blobs(), members)
        assert compacted == sizes
        assert [len(ended[k].result.curve) for k in range(4)] == [3] * stuck + [6] * (4 - stuck)

    def test_a_diverged_member_gives_one_epoch_and_no_more(self) -> None:
        calm = [member(k, epochs=6) for k in range(4)]
        ended, epochs = run(blobs(), [*calm, member(9, epochs=6, optimizer="sgd", lr=1e30)])
        result = ended[9].result
        assert isinstance(result, Failed)
        assert [epoch.epoch for epoch in epochs if epoch.number == 9] == [1]
        assert len(result.curve) == 1
        assert all(len(ended[k].result.curve) == 6 for k in range(4))

    def test_padding_stays_zero(self) -> None:
        data = blobs()
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort(MIXED, TrainingTask(data.shape, data.outputs, 0), feed.like)
        for x, y, _ in feed.epoch(1, 16, 0):
            advance(stacked, feed, x, y)
        narrow = [m.number for m in stacked.members].index(4)
        assert stacked.weights.views[0][narrow, :3].abs().min() > 0
        assert not stacked.weights.views[0][narrow, 3:].any()
        assert not stacked.weights.views[2][narrow, 3:].any()
        assert not stacked.weights.views[2][narrow, :, 3:].any()


class TestForward:
    def test_a_stacked_mlp_computes_what_a_plain_one_does(self) -> None:
        data = blobs()
        members = [member(0, width=8, depth=2), member(1, width=5, depth=2, activation="tanh")]
        stacked = StackedCohort(
            members, TrainingTask(data.shape, data.outputs, 0), torch.empty(0, dtype=F64)
        )
        x = torch.randn(10, 6, dtype=F64)
        for one in members:
            act = torch.relu if one.settings["activation"] == "relu" else torch.tanh
            w0, b0, w1, b1, w2, b2 = initial_weights(one, stacked.task)
            expected = act(act(x @ w0.T + b0) @ w1.T + b1) @ w2.T + b2
            position = [m.number for m in stacked.members].index(one.number)
            torch.testing.assert_close(
                stacked.outputs(x)[position], expected, rtol=1e-12, atol=1e-12
            )

    def test_a_residual_mlp_adds_each_layer_to_what_came_in(self) -> None:
        one = member(0, width=8, depth=3, skip="residual")
        task = TrainingTask(InputShape((6,)), 3, 0)
        stacked = StackedCohort([one], task, torch.empty(0, dtype=F64))
        x = torch.randn(10, 6, dtype=F64)
        w0, b0, w1, b1, w2, b2, w3, b3 = initial_weights(one, task)
        h = torch.relu(x @ w0.T + b0)
        for weight, bias in ((w1, b1), (w2, b2)):
            h = h + torch.relu(h @ weight.T + bias)
        torch.testing.assert_close(stacked.outputs(x)[0], h @ w3.T + b3, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("norm", ["none", "batch"])
    def test_a_resnets_images_lie_pixel_by_pixel_as_convolutions_take_them_best(
        self, norm: str
    ) -> None:
        stacked = StackedCohort(
            [member(model="resnet", channels=4, norm=norm)],
            TrainingTask(InputShape((1, 8, 8)), 3, 0),
            torch.empty(0),
        )
        stacked.net.recorded = {}
        stacked.outputs(torch.ones(2, 1, 8, 8), stacked.noise("test"))
        images = [image for layer in stacked.net.recorded.values() for image in layer]
        assert len(images) == 7
        assert all(image.is_contiguous(memory_format=torch.channels_last) for image in images)

    def test_a_resnet_block_begins_as_the_identity(self) -> None:
        task = TrainingTask(InputShape((1, 8, 8)), 2, 0)
        x = torch.randn(4, 1, 8, 8)
        shallow, deep = (
            StackedCohort([member(model="resnet", channels=4, blocks=blocks)], task, torch.empty(0))
            for blocks in (1, 3)
        )
        weight, bias = (view[0] for view in shallow.weights.views[:2])
        after_stem = torch.relu(nn.functional.conv2d(x, weight, bias, padding=1))
        h = after_stem
        around = [view for view in shallow.weights.views if view.shape[-1] == 1]
        for view in around:  # of stages 1 and 2
            h = torch.relu(nn.functional.conv2d(h, view[0], stride=2))
        pooled = h.mean((2, 3))
        expected = pooled @ shallow.weights.views[-2][0].T
        torch.testing.assert_close(shallow.outputs(x)[0], expected)
        assert len(deep.weights.views) == len(shallow.weights.views) + 3 * 2 * 4

    @pytest.mark.parametrize("net", NETS)
    def test_the_output_has_one_row_per_example_and_member(self, net: str) -> None:
        stacked = StackedCohort(
            [member(k, **NETS[net]) for k in range(3)],
            TrainingTask(InputShape((1, 8, 8)), 5, 0),
            torch.empty(0),
        )
        assert stacked.outputs(torch.randn(7, 1, 8, 8)).shape == (3, 7, 5)

    @pytest.mark.parametrize(
        ("net", "kind"),
        [
            (net, kind)
            for net in NETS
            for kind in ({}, {"norm": "layer"}, {"norm": "batch"}, {"activation": "prelu"})
            if not any({**NETS[net], **kind}.items() >= dict(pair).items() for pair in EXCLUDES)
        ],
        ids=str,
    )
    def test_the_gradient_reaches_every_weight(self, net: str, kind: dict[str, Any]) -> None:
        data = pictures()
        feed = Feed(data, "cpu")
        one = member(**{**NETS[net], "depth": 3, "lr": 0.01, **kind})
        stacked = StackedCohort([one], TrainingTask(data.shape, data.outputs, 0), feed.like)
        # closing weights begin at zero, so what stands before them learns from the second step on
        for _ in range(2):
            for x, y, _ in feed.epoch(1, 16, 0):
                advance(stacked, feed, x, y)
        for slot, gradient in zip(stacked.layout, stacked.gradient.views, strict=True):
            assert (gradient.abs().max() > 0) == (slot.role not in STATISTICS), slot.name

    @pytest.mark.slow
    @pytest.mark.parametrize("net", NETS)
    def test_a_net_learns_32_examples_by_heart(self, net: str) -> None:
        data = pictures(rows=64)
        rng = np.random.default_rng(0)
        by_heart = dataset(data.inputs, rng.integers(2, size=64), classes=2, validation=0.5)
        one = member(width=128, channels=16, epochs=80, lr=0.01, batch_size=32, **NETS[net])
        ended, _ = run(by_heart, [one])
        assert ended[0].result.curve[-1].train_loss < 0.05

    @pytest.mark.parametrize("net", NETS)
    def test_classes_that_mean_nothing_are_not_predicted(self, net: str) -> None:
        data = pictures(rows=200)
        noise = dataset(
            data.inputs, np.random.default_rng(1).integers(2, size=200), classes=2, validation=0.5
        )
        ended, _ = run(
            noise, [member(width=64, epochs=30, lr=0.01, channels=8, batch_size=20, **NETS[net])]
        )
        last = ended[0].result.curve[-1]
        assert last.train_loss < 0.3  # it learns by heart what it is shown: a coin's loss is 0.69
        # 100 rows of a fair coin: five standard errors are 0.25
        assert abs(last.metric - 0.5) < 5 * math.sqrt(0.25 / 100)


class TestOptimizers:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_every_member_takes_the_steps_of_torch_optim(self, name: str) -> None:
        members = [
            member(k, optimizer=name, lr=0.003 * (k + 1), l2=0.02 * k, **extra)
            for k, extra in enumerate([{}, OTHER_COEFFICIENTS.get(name, {}), {}])
        ]
        # one with a schedule of its own is a group of one rate
        company = [
            member(8, optimizer="sgd"),
            member(9, optimizer="adam", lr=0.1),
            member(10, optimizer=name, schedule="cosine", epochs=25),
        ]
        data = blobs()
        feed = Feed(data, "cpu", F64)
        task = TrainingTask(data.shape, data.outputs, 0)
        stacked = StackedCohort([*members, *company], task, feed.like)
        batches = [(x, y) for epoch in range(1, 7) for x, y, _ in feed.epoch(epoch, 16, 0)][:20]
        assert len(batches) == 20
        for x, y in batches:
            advance(stacked, feed, x, y)
        for one in stacked.members:
            expected = reference_weights(one, task, batches)
            position = [m.number for m in stacked.members].index(one.number)
            for view, weight in zip(stacked.weights.views, expected, strict=True):
                assert (view[position] - weight).abs().max() < 1e-10

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_it_reaches_the_lowest_point_of_a_parabola(self, name: str) -> None:
        lr = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adagrad": 1.0}.get(name, 0.05)
        found = descended(name, lambda x, y: (2 * (x - 3), 20 * (y + 1)), (0.0, 0.0), lr, 500)
        assert found == pytest.approx((3.0, -1.0), abs=1e-5)

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_it_follows_the_valley_of_rosenbrock_to_its_end(self, name: str) -> None:
        # its largest curvature there is 1002: plain descent needs a rate below 2 / 1002, and most
        # of the steps
        lr, steps = {
            "sgd": (0.0018, 15_000),
            "momentum": (0.001, 5_000),
            "nesterov": (0.001, 5_000),
            "adagrad": (1.0, 15_000),
            "rmsprop": (0.005, 10_000),
        }.get(name, (0.05, 3_000))
        valley = lambda x, y: (-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x))  # noqa: E731
        assert descended(name, valley, (-1.2, 1.0), lr, steps) == pytest.approx(
            (1.0, 1.0), abs=0.01
        )

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_it_finds_the_bottom_of_a_valley(self, name: str) -> None:
        # y = 2 x1 - 3 x2: the loss is nearly a parabola in the weights of a network whose hidden
        # layer is linear enough
        rng = np.random.default_rng(0)
        x = rng.normal(size=(128, 2))
        y = 2 * x[:, 0] - 3 * x[:, 1]
        data = dataset(x, y / y.std())
        lr = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.05}.get(name, 0.01)
        ended, _ = run(
            data, [member(optimizer=name, lr=lr, width=32, epochs=60, activation="relu")]
        )
        assert isinstance(ended[0].result, Done)
        assert ended[0].result.loss < 0.01

    def test_l2_shrinks_the_weights(self) -> None:
        ended, _ = run(
            blobs(), [member(0, epochs=20, lr=0.01), member(1, epochs=20, lr=0.01, l2=0.3)]
        )
        free, shrunk = (
            sum(float(w.square().sum()) for w in ended[k].weights.values()) for k in (0, 1)
        )
        assert shrunk < 0.8 * free

    def test_l2_leaves_biases_alone(self) -> None:
        data = blobs()
        stacked = StackedCohort(
            [member(l2=1.0)], TrainingTask(data.shape, data.outputs, 0), torch.empty(0)
        )
        for slot, factor in zip(stacked.layout, stacked._l2.views, strict=True):
            assert bool(factor.any()) == (slot.role != "bias")


OTHER_COEFFICIENTS = {
    "adagrad": {"eps": 1e-3},
    "adamw": {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3},
    "momentum": {"momentum": 0.5},
    "nesterov": {"momentum": 0.5},
    "rmsprop": {"beta2": 0.9, "eps": 1e-3},
    "adam": {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3},
}


def descended(
    name: str,
    slope: Callable[[float, float], tuple[float, float]],
    start: tuple[float, float],
    lr: float,
    steps: int,
) -> list[float]:
    """Return where a rule gets to in the plane, while its rate goes down to 0 as a cosine."""
    rule, s = OPTIMIZERS.load(name), complete({"optimizer": name})
    w = torch.tensor(start, dtype=F64)
    rates, shares, none = (
        [torch.full_like(w, value)] for value in (lr, float(s.get("momentum", 0.0)), 0.0)
    )
    betas = (float(s.get(beta, 0.0)) for beta in ("beta1", "beta2", "eps"))
    common = Coefficients(rates, shares, none, *betas)
    state = [[torch.zeros_like(w)] for _ in range(states(rule))]
    for t in range(steps):
        g = torch.tensor(slope(*w.tolist()), dtype=F64)
        rule([w], [g], *state, c=replace(common, scale=cosine(t, steps, s)), t=t + 1)
    return w.tolist()


def reference_weights(
    one: Member, task: TrainingTask, batches: list[tuple[torch.Tensor, torch.Tensor]]
) -> list[torch.Tensor]:
    """Return the weights after the same training by torch.nn and torch.optim."""
    s = one.settings
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    weights = list(model.parameters())
    with torch.no_grad():
        for weight, value in zip(weights, initial_weights(Member(0, s), task), strict=True):
            weight.copy_(value)
    groups: list[dict[str, Any]] = [
        {"params": weights[0::2], "weight_decay": s["l2"]},
        {"params": weights[1::2], "weight_decay": 0.0},
    ]
    lr = float(s["lr"])
    optimizer: torch.optim.Optimizer
    if s["optimizer"] in ("adam", "adamw"):
        kind = torch.optim.Adam if s["optimizer"] == "adam" else torch.optim.AdamW
        optimizer = kind(groups, lr, (s["beta1"], s["beta2"]), s["eps"])  # type: ignore[arg-type]
    elif s["optimizer"] == "adagrad":
        optimizer = torch.optim.Adagrad(groups, lr, eps=float(s["eps"]))
    elif s["optimizer"] == "rmsprop":
        optimizer = torch.optim.RMSprop(groups, lr, alpha=float(s["beta2"]), eps=float(s["eps"]))
    else:
        nesterov = s["optimizer"] == "nesterov"
        optimizer = torch.optim.SGD(
            groups, lr, momentum=float(s.get("momentum", 0.0)), nesterov=nesterov
        )
    for t, (x, y) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr * (
                cosine(t, float(s["epochs"]), s) if s["schedule"] == "cosine" else 1.0
            )
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [weight.detach() for weight in weights]


COST = Cost(flops_before=0, steps_before=0, flops=1, steps=4)


class TestTraining:
    def test_it_ends_after_patience_epochs_without_a_better_loss(self) -> None:
        ended, _ = run(blobs(), [member(lr=1e-30, optimizer="sgd", epochs=50, patience=3)])
        result = ended[0].result
        assert isinstance(result, Done)
        assert (result.best_epoch, result.epochs) == (1, 4)

    def test_patience_is_counted_from_the_best_epoch(self) -> None:
        progress = MemberProgress(member(epochs=99, patience=3), COST)
        losses = [3.0, 2.0, 2.5, 2.4, 1.9, 2.0, 1.9, 1.95]
        actives = []
        for epoch, loss in enumerate(losses, 1):
            progress.record(Epoch(0, epoch, 1.0, loss, 0.5), "loss")
            actives.append(progress.active)
        assert actives == [True] * 7 + [False]
        assert (progress.best_value, progress.best.epoch) == (1.9, 5)

    def test_patience_0_never_ends_early(self) -> None:
        ended, _ = run(blobs(), [member(lr=1e-30, optimizer="sgd", epochs=20, patience=0)])
        assert isinstance(ended[0].result, Done)
        assert ended[0].result.epochs == 20

    def test_the_result_is_that_of_the_best_epoch(self) -> None:
        data = blobs()
        ended, epochs = run(data, [member(lr=0.3, epochs=30)])
        result = ended[0].result
        assert isinstance(result, Done)
        best = min(epochs, key=lambda epoch: epoch.loss)
        assert (result.loss, result.metric, result.best_epoch) == (
            best.loss,
            best.metric,
            best.epoch,
        )
        assert best.epoch < 30

    def test_the_weights_are_those_of_the_best_epoch(self) -> None:
        data = blobs()
        one = member(lr=0.3, epochs=30)
        ended, _ = run(data, [one])
        feed = Feed(data, "cpu")
        stacked = StackedCohort([one], TrainingTask(data.shape, data.outputs, 0), feed.like)
        with torch.no_grad():
            for view, weight in zip(stacked.weights.views, ended[0].weights.values(), strict=True):
                view[0].copy_(weight)
        assert isinstance(ended[0].result, Done)
        assert feed.score(stacked, "validation").losses[0] == ended[0].result.loss

    def test_the_metric_of_the_best_epoch_can_be_the_accuracy(self) -> None:
        ended, epochs = run(blobs(), [member(lr=0.3, epochs=20)], metric="accuracy")
        assert isinstance(ended[0].result, Done)
        assert ended[0].result.loss == 1 - max(epoch.metric for epoch in epochs)

    @pytest.mark.parametrize(
        ("train_loss", "loss", "diverged"),
        [
            (20.0, 20.1, False),
            (20.1, 20.1, True),
            (1e9, 5.0, False),  # the mean over an epoch that began badly
            (1.0, 1e9, False),  # a few validation rows far from all others
            (math.nan, 1.0, True),
            (1.0, math.inf, True),
        ],
    )
    def test_diverged_is_no_number_or_ten_times_what_can_be_had_without_learning(
        self, train_loss: float, loss: float, diverged: bool
    ) -> None:
        progress = MemberProgress(member(epochs=1), COST, reference=2.0)
        progress.record(Epoch(0, 1, train_loss, loss, 0.5), "loss")
        assert isinstance(progress.result(), Failed if diverged else Done)

    def test_a_loss_that_is_huge_at_first_may_fall_again(self) -> None:
        progress = MemberProgress(member(epochs=3), COST, reference=2.0)
        for epoch, loss in enumerate([1e9, 1e3, 1.0], 1):
            assert progress.active
            progress.record(Epoch(0, epoch, loss, loss, 0.5), "loss")
        result = progress.result()
        assert isinstance(result, Done)
        assert (result.loss, result.best_epoch) == (1.0, 3)

    def test_what_was_reached_before_a_loss_was_no_number_stays_its_result(self) -> None:
        progress = MemberProgress(member(epochs=9), COST, reference=2.0)
        progress.record(Epoch(0, 1, 1.5, 1.2, 0.5), "loss")
        progress.record(Epoch(0, 2, math.nan, math.nan, math.nan), "loss")
        assert not progress.active
        result = progress.result()
        assert isinstance(result, Done)
        assert (result.loss, result.epochs, result.best_epoch) == (1.2, 2, 1)

    def test_what_can_be_had_without_learning_is_judged_on_many_rows_of_all(self) -> None:
        # sorted by target: the first rows would be 0 alone, and the constant predictor has 1
        data = dataset(np.zeros((1200, 2)), np.repeat([0.0, 2.0], 600))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort([member()], TrainingTask(InputShape((2,)), 1, 0), feed.like)
        (found,) = reference_losses(stacked, feed)
        targets = data.targets[data.folds[0].train]
        assert found == pytest.approx(float((targets**2).mean()), rel=0.05)

    def test_nor_is_it_less_than_the_constant_predictor_has(self) -> None:
        data = blobs()
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort(
            [member(k, batch_size=1, lr=0.1) for k in range(2)],
            TrainingTask(InputShape((6,)), 3, 0),
            feed.like,
        )
        for _ in range(5):
            learn(stacked, feed, 1)
        assert feed.spread_losses(stacked, 256)[0] < 0.5
        train = data.folds[0].train
        assert reference_losses(stacked, feed) == [constant_loss(data, train, train)] * 2

    def test_an_exploding_training_fails_as_diverged(self) -> None:
        ended, _ = run(blobs(), [member(optimizer="sgd", lr=1e6, epochs=10)])
        assert isinstance(ended[0].result, Failed)
        assert ended[0].result.kind == "diverged"
        assert ended[0].weights == {}

    def test_reading_no_further_ends_it(self) -> None:
        data = blobs()
        _, epochs = run(data, [member(epochs=5)])
        assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5]

    def test_scores_agree_with_scikit_learn_on_classes(self) -> None:
        data = blobs(rows=400)
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort([member()], TrainingTask(data.shape, data.outputs, 0), feed.like)
        losses, metrics = feed.score(stacked, "validation")
        inputs, targets, _ = feed.batch(feed.rows(data.folds[0].validation, 0), [0])
        predicted = torch.softmax(stacked.outputs(inputs)[0], 1).detach().numpy()
        assert losses[0] == pytest.approx(log_loss(targets, predicted, labels=[0, 1, 2]), rel=1e-9)
        assert metrics[0] == pytest.approx(accuracy_score(targets, predicted.argmax(1)))

    @pytest.mark.parametrize("source", ["wine", "diabetes"])
    def test_scores_of_a_split_agree_with_scikit_learns_from_the_raw_data_on(
        self, source: str
    ) -> None:
        data = prepare(DataSpec(source))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort([member()], TrainingTask(data.shape, data.outputs, 0), feed.like)
        parts: dict[Split, Ints] = {"validation": data.folds[0].validation, "test": data.test}
        for name, rows in parts.items():
            scaled = (
                StandardScaler().fit(data.inputs[data.folds[0].train]).transform(data.inputs[rows])
            )
            outputs = stacked.outputs(torch.from_numpy(scaled).to(F64))[0].detach()
            (loss,), (metric,) = feed.score(stacked, name)
            y = data.targets[rows]
            if data.task == "classification":
                expected = (
                    log_loss(y, torch.softmax(outputs, 1)),
                    accuracy_score(y, outputs.argmax(1)),
                )
            else:
                expected = mean_squared_error(y, outputs[:, 0]), r2_score(y, outputs[:, 0])
            # centers and scales are float32
            assert (loss, metric) == pytest.approx(expected, rel=1e-5)

    def test_a_split_too_large_to_be_scored_at_once_is_scored_in_pieces(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = in_folds(blobs(rows=1000))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort(
            replicated(member(), 1, 3), TrainingTask(data.shape, data.outputs, 0), feed.like
        )
        at_once = feed.score(stacked, "validation")
        monkeypatch.setattr("hpsearch.engine.feed._EVALUATED", 1)  # 64 rows at a time
        for one, other in zip(feed.score(stacked, "validation"), at_once, strict=True):
            assert one == pytest.approx(other)

    def test_scores_agree_with_scikit_learn_on_numbers(self) -> None:
        rng = np.random.default_rng(0)
        data = dataset(rng.normal(size=(200, 4)), rng.normal(size=200))
        feed = Feed(data, "cpu", F64)
        stacked = StackedCohort([member()], TrainingTask(data.shape, data.outputs, 0), feed.like)
        losses, metrics = feed.score(stacked, "validation")
        inputs, targets, _ = feed.batch(feed.rows(data.folds[0].validation, 0), [0])
        predicted = stacked.outputs(inputs)[0, :, 0].detach().numpy()
        assert metrics[0] == pytest.approx(r2_score(targets, predicted), rel=1e-9)
        assert losses[0] == pytest.approx(
            float(((targets.numpy() - predicted) ** 2).mean()), rel=1e-9
        )

    def test_bytes_are_scaled_on_their_way_in(self) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(256, size=(40, 1, 4, 4)).astype(np.uint8)
        targets = rng.integers(2, size=40)
        as_bytes = dataset(images, targets, classes=2, center=100.0)
        as_floats = dataset(images.astype(np.float32), targets, classes=2, center=100.0)
        one, other = (run(data, [member(lr=1e-3)])[0][0].result for data in (as_bytes, as_floats))
        assert one.curve == other.curve

    def test_bytes_stay_bytes_in_memory(self) -> None:
        images = np.random.default_rng(0).integers(256, size=(40, 1, 4, 4)).astype(np.uint8)
        data = in_folds(dataset(images, np.arange(40) % 2, classes=2))
        feed = Feed(data, "cpu")
        assert (feed._inputs.dtype, feed._inputs.nbytes) == (torch.uint8, images.nbytes)
        assert next(feed.epoch(1, 8, 0))[0].dtype == torch.float32

    @pytest.mark.parametrize("gathered", [2**20, 1, 100])
    def test_an_epoch_shows_every_training_row_once_the_last_ones_in_a_smaller_batch(
        self, gathered: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # how much is brought into order at once
        monkeypatch.setattr("hpsearch.engine.feed._GATHERED", gathered)
        rows = np.arange(60.0)
        feed = Feed(dataset(np.stack([rows, -rows], 1), rows), "cpu")  # 45 for training
        epochs = [list(feed.epoch(number, 20, 0)) for number in (1, 2)]
        assert all([len(y) for _, y, _ in batches] == [20, 20, 5] for batches in epochs)
        orders = [torch.cat([y for _, y, _ in batches]).tolist() for batches in epochs]
        assert [sorted(order) for order in orders] == [rows[:45].tolist()] * 2
        assert orders[0] != orders[1]
        assert all(
            torch.equal(x, torch.stack([y, -y], 1)) for batches in epochs for x, y, _ in batches
        )

    def test_the_training_loss_is_the_mean_over_rows_not_over_batches(self) -> None:
        # 45 for training, in batches of 16, 16 and 13; the answer to zeros is zero
        targets = np.arange(1.0, 61.0)
        feed = Feed(dataset(np.zeros((60, 2)), targets), "cpu")
        stacked = StackedCohort(
            [member(optimizer="sgd", lr=1e-30)], TrainingTask(InputShape((2,)), 1, 0), feed.like
        )
        assert learn(stacked, feed, 1) == pytest.approx([float(np.mean(targets[:45] ** 2))])

    def test_flops_count_three_passes_of_training_and_one_of_validation(self) -> None:
        data = blobs(rows=80)  # 60 and 20
        ended, _ = run(data, [member(width=8, depth=1, epochs=2)])
        # 6 -> 8 -> 3 with biases; a multiplication and an addition for each weight
        forward = 2 * (6 * 8 + 8 + 8 * 3 + 3)
        assert isinstance(ended[0].result, Done)
        assert ended[0].result.flops == 2 * (3 * 60 + 20) * forward
        assert ended[0].result.steps == 2 * math.ceil(60 / 16)

    def test_the_seconds_of_a_cohort_are_shared_by_flops(self) -> None:
        ended, _ = run(blobs(), [member(0, width=4, epochs=3), member(1, width=16, epochs=3)])
        small, large = ended[0].result, ended[1].result
        assert isinstance(small, Done)
        assert isinstance(large, Done)
        assert large.seconds / small.seconds == pytest.approx(large.flops / small.flops)

    def test_a_resnet_counts_the_pixels_that_each_weight_sees(self) -> None:
        layout = param_slots(
            complete({"model": "resnet", "channels": 4}), InputShape((1, 8, 8)), 10
        )
        stem = 2 * (4 * 9 + 4) * 64
        stages = 2 * (
            64 * 2 * (4 * 4 * 9 + 4)
            + 16 * ((4 * 8 + 8) + (4 * 8 * 9 + 8) + (8 * 8 * 9 + 8))
            + 4 * ((8 * 16 + 16) + (8 * 16 * 9 + 16) + (16 * 16 * 9 + 16))
        )
        assert flops_forward(layout) == stem + stages + 2 * (16 * 10 + 10)
        assert size(layout) == sum(math.prod(slot.shape) for slot in layout)

    @pytest.mark.slow
    def test_a_deep_net_trains_with_a_residual_path_and_hardly_without(self) -> None:
        data = blobs(rows=200)
        common: dict[str, Any] = {
            "depth": 40,
            "width": 16,
            "epochs": 15,
            "lr": 0.003,
            "activation": "tanh",
            "init_scale": 0.3,
        }
        plain, _ = run(data, [member(**common)])
        residual, _ = run(data, [member(**common, skip="residual")])
        assert residual[0].result.curve[-1].train_loss < 0.5 < plain[0].result.curve[-1].train_loss


def test_a_members_settings_are_not_changed_by_training() -> None:
    one = member()
    before = copy.deepcopy(dict(one.settings))
    run(blobs(), [one])
    assert dict(one.settings) == before
