"""Each technique that a person who tunes deep networks learns, and what it is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.shape import InputShape
from hpsearch.engine.activations import DERIVATIVES
from hpsearch.engine.feed import Feed
from hpsearch.engine.inits import gain
from hpsearch.engine.pretrain import _Coder, layerwise
from hpsearch.engine.schedules import warmed
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask, initial_weights
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.rnn import GATES
from hpsearch.engine.structure.settings import ACTIVATIONS, INITS, PRETRAINING, SCHEDULES, complete
from hpsearch.engine.structure.slots import ParamSlot
from hpsearch.engine.train import MemberEnded, build_cohort, train
from hpsearch.study.trial import Done
from tests.helpers.problems import NETS, advance, blobs, dataset, member, pictures, run

F64 = torch.float64


def stacked_of(
    members: list[Member], inputs: tuple[int, ...] = (6,), outputs: int = 3
) -> StackedCohort:
    return StackedCohort(
        members, TrainingTask(InputShape(inputs), outputs, 0), torch.empty(0, dtype=F64)
    )


def variances(depth: int, **settings: Any) -> list[float]:
    """Return the variance of small inputs, and of each layer's outputs in a deep, wide network."""
    one = member(depth=depth, width=512, **settings)
    weights = list(initial_weights(one, TrainingTask(InputShape((512,)), 3, 0)))
    h = 0.1 * torch.randn(512, 512, dtype=F64, generator=torch.Generator().manual_seed(0))
    function = ACTIVATIONS.load(str(one.settings["activation"]))
    found = [float(h.square().mean())]
    for weight, bias in zip(weights[0:-2:2], weights[1:-2:2], strict=True):
        h = function(h @ weight.T + bias, torch.tensor(0.0))
        found.append(float(h.square().mean()))
    return found


class TestInits:
    @pytest.mark.parametrize("name", ["fan_normal", "fan_uniform"])
    @pytest.mark.parametrize(
        ("activation", "variance"), [("relu", 2 / 300), ("tanh", 2 / (300 + 200))]
    )
    def test_the_fans_set_the_variance(self, name: str, activation: str, variance: float) -> None:
        settings = complete({"width": 200, "depth": 1, "init": name, "activation": activation})
        weight = next(initial_weights(Member(0, settings), TrainingTask(InputShape((300,)), 10, 0)))
        # the sample variance of n values has a relative standard error of at most sqrt(2 / n)
        assert float(weight.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / weight.numel()))
        assert abs(float(weight.mean())) < 5 * math.sqrt(variance / weight.numel())

    @pytest.mark.parametrize(("name", "variance"), [("normal", 0.3**2), ("uniform", 0.3**2 / 3)])
    def test_plain_draws_have_the_scale_that_is_asked_for(self, name: str, variance: float) -> None:
        settings = complete({"width": 200, "depth": 1, "init": name, "init_scale": 0.3})
        weight = next(initial_weights(Member(0, settings), TrainingTask(InputShape((300,)), 10, 0)))
        assert float(weight.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / weight.numel()))
        assert abs(float(weight.mean())) < 5 * math.sqrt(variance / weight.numel())

    @pytest.mark.parametrize("name", ["fan_normal", "fan_uniform", "normal", "uniform"])
    def test_uniform_draws_end_where_normal_ones_go_on(self, name: str) -> None:
        weight = next(
            initial_weights(member(width=200, init=name), TrainingTask(InputShape((300,)), 10, 0))
        )
        # a uniform variable ends at sqrt(3) standard deviations; 5,000 of 60,000 normal ones do not
        beyond = float((weight.abs() > 1.01 * math.sqrt(3) * weight.std()).double().mean())
        assert (beyond == 0) == name.endswith("uniform")

    def test_the_fans_of_a_convolution_count_its_window(self) -> None:
        slot = ParamSlot("w", (32, 16, 3, 3), "hidden", 64)
        weight = INITS.load("fan_normal")(
            slot, {"activation": "tanh"}, torch.Generator().manual_seed(0)
        )
        variance = 2 / (9 * 16 + 9 * 32)
        assert float(weight.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / weight.numel()))

    @pytest.mark.parametrize("inputs", [40, 60, 100])
    def test_an_orthogonal_weight_keeps_lengths(self, inputs: int) -> None:
        settings = complete({"width": 60, "depth": 1, "init": "orthogonal", "activation": "tanh"})
        weight = next(
            initial_weights(Member(0, settings), TrainingTask(InputShape((inputs,)), 10, 0))
        )
        small = weight @ weight.T if inputs > 60 else weight.T @ weight
        torch.testing.assert_close(small, torch.eye(len(small), dtype=F64), atol=1e-12, rtol=0)

    def test_an_orthogonal_weight_is_any_of_them_and_not_of_one_sign(self) -> None:
        draws = [torch.Generator().manual_seed(seed) for seed in range(100)]
        firsts = [
            INITS.load("orthogonal")(ParamSlot("w", (3, 3), "output"), {}, noise)[0, 0]
            for noise in draws
        ]
        # a fair coin thrown 100 times: five standard errors of the share are 0.25
        assert float((torch.stack(firsts) > 0).double().mean()) == pytest.approx(0.5, abs=0.25)

    @pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3, 3)])
    def test_an_identity_has_ones_on_its_diagonal(self, shape: tuple[int, ...]) -> None:
        weight = INITS.load("identity")(ParamSlot("w", shape, "hidden"), {}, torch.Generator())
        assert float(weight.sum()) == min(shape[:2])
        middle = weight[..., 1, 1] if len(shape) == 4 else weight
        assert all(middle[k, k] == 1 for k in range(min(shape[:2])))

    @pytest.mark.parametrize("name", ["fan_normal", "fan_uniform", "orthogonal"])
    @pytest.mark.parametrize("activation", ["tanh", "relu"])
    def test_the_signal_keeps_its_size_through_30_layers(self, name: str, activation: str) -> None:
        found = variances(30, init=name, activation=activation)
        assert all(found[0] / 2 < variance < found[0] * 2 for variance in found)

    @pytest.mark.parametrize("activation", ["tanh", "relu"])
    def test_the_signal_is_lost_with_small_normal_weights(self, activation: str) -> None:
        found = variances(30, init="normal", init_scale=0.01, activation=activation)
        assert found[-1] < 1e-12 * found[0]

    def test_init_scale_scales_the_draws(self) -> None:
        one, double = (
            next(initial_weights(member(init_scale=s), TrainingTask(InputShape((6,)), 3, 0)))
            for s in (1.0, 2.0)
        )
        assert torch.equal(double, 2 * one)

    def test_members_of_a_shape_begin_from_the_same_draws(self) -> None:
        relu, tanh = (
            next(initial_weights(member(activation=a), TrainingTask(InputShape((6,)), 3, 0)))
            for a in ("relu", "tanh")
        )
        torch.testing.assert_close(relu / relu.std(), tanh / tanh.std())

    def test_a_leaky_rectifier_asks_for_less_gain(self) -> None:
        slot = ParamSlot("w", (5, 5), "hidden")
        assert gain(slot, {"activation": "leaky_relu", "slope": 1.0}) == 1.0
        assert gain(slot, {"activation": "relu"}) == 2.0


class TestActivations:
    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_the_gradient_is_that_of_the_values(self, name: str) -> None:
        function = ACTIVATIONS.load(name)
        z = torch.tensor([-3.0, -0.5, 0.3, 2.0], dtype=F64, requires_grad=True)
        slope = torch.tensor(0.2, dtype=F64, requires_grad=name == "prelu")
        assert torch.autograd.gradcheck(function, (z, slope))

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_each_is_the_one_that_torch_has(self, name: str) -> None:
        z = torch.randn(50, dtype=F64)
        theirs: Any = {
            "relu": nn.functional.relu,
            "leaky_relu": lambda z: nn.functional.leaky_relu(z, 0.2),
            "prelu": lambda z: nn.functional.prelu(z, torch.tensor([0.2], dtype=F64)),
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
            "gelu": nn.functional.gelu,
        }[name]
        torch.testing.assert_close(
            ACTIVATIONS.load(name)(z, torch.tensor(0.2, dtype=F64)), theirs(z)
        )

    def test_every_member_has_its_own(self) -> None:
        members = [
            member(k, activation=name) for k, name in enumerate(ACTIVATIONS) if name != "prelu"
        ]
        stacked = stacked_of(members)
        x = torch.randn(10, 6, dtype=F64)
        for one in members:
            alone = stacked_of([one]).outputs(x)[0]
            position = [m.number for m in stacked.members].index(one.number)
            torch.testing.assert_close(stacked.outputs(x)[position], alone)

    @pytest.mark.parametrize("model", ["mlp", "resnet"])
    def test_prelu_learns_its_slopes(self, model: str) -> None:
        ended, _ = run(
            pictures(),
            [member(model=model, activation="prelu", slope=0.25, lr=0.01, epochs=5, channels=4)],
        )
        slopes = [weight for name, weight in ended[0].weights.items() if name.endswith(".slope")]
        assert slopes
        assert all(float(slope) != 0.25 for slope in slopes)

    def test_every_member_has_slopes_of_its_own_even_where_all_begin_at_0(self) -> None:
        members = [
            member(k, model="resnet", activation="prelu", slope=0.0, channels=4) for k in range(2)
        ]
        stacked = stacked_of(members, inputs=(1, 8, 8), outputs=2)
        for view, slot in zip(stacked.weights.views, stacked.layout, strict=True):
            if slot.role == "slope":
                view[1] = 0.5
        x = torch.randn(5, 1, 8, 8, dtype=F64)
        alone = stacked_of(members[1:], inputs=(1, 8, 8), outputs=2)
        for mine, its in zip(alone.weights.views, stacked.weights.views, strict=True):
            mine[0] = its[1]
        torch.testing.assert_close(stacked.outputs(x)[1], alone.outputs(x)[0])

    def test_padding_does_not_learn_where_zero_does_not_go_to_zero(self) -> None:
        members = [
            member(k, width=w, depth=2, epochs=5, activation="sigmoid", lr=0.05)
            for k, w in enumerate([4, 9])
        ]
        together, _ = run(blobs(), members, dtype=F64)
        for one in members:
            alone, _ = run(blobs(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9


class TestChains:
    """Plain layers go back by a chain rule that is written out, and autograd must agree with it."""

    @pytest.mark.parametrize(
        "activations", [*((name,) for name in DERIVATIVES), tuple(DERIVATIVES)]
    )
    @pytest.mark.parametrize("stream", ["shared", "own"])
    def test_the_gradient_by_hand_is_that_of_autograd(
        self, activations: tuple[str, ...], stream: str
    ) -> None:
        members = [
            replace(
                member(k, width=5 + k, depth=3, activation=name, slope=0.2, dropout=0.3),
                replicate=k * (stream == "own"),
            )
            for k, name in enumerate(activations)
        ]
        x = torch.randn((16, 6) if stream == "shared" else (len(members), 16, 6), dtype=F64)
        found = []
        for by_hand in (True, False):
            stacked = stacked_of(members)
            assert stacked.net.is_plain
            stacked.net.is_plain = by_hand
            outputs = stacked.outputs(x, stacked.noise("test"))
            stacked.backward(
                outputs,
                torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0), dtype=F64),
            )
            found.append((outputs.detach(), stacked.gradient.flat))
        torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize(
        "other",
        [{"skip": "residual"}, {"norm": "batch"}, {"dropconnect": 0.1}, {"activation": "prelu"}],
    )
    def test_what_is_more_than_a_chain_is_left_to_autograd(self, other: dict[str, Any]) -> None:
        assert not stacked_of(
            [member(), member(1, **other)] if "dropconnect" in other else [member(**other)]
        ).net.is_plain


class TestNorms:
    @pytest.mark.parametrize("model", ["mlp", "resnet"])
    @pytest.mark.parametrize("norm", ["batch", "layer"])
    def test_a_member_learns_the_same_alone_as_in_company(self, norm: str, model: str) -> None:
        members = [
            member(k, model=model, norm=norm, width=w, channels=w, depth=2, epochs=4, lr=0.01)
            for k, w in enumerate([4, 7, 5])
        ]
        together, _ = run(pictures(), members, dtype=F64)
        for one in members:
            alone, _ = run(pictures(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    @pytest.mark.parametrize("norm", ["batch", "layer"])
    def test_a_net_with_a_norm_computes_what_torchs_own_layers_do(self, norm: str) -> None:
        stacked = stacked_of([member(depth=2, norm=norm)])
        kind = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm]
        theirs: list[nn.Module] = []
        for layer, inputs in enumerate((6, 8)):
            weights = {
                slot.name: view[0]
                for slot, view in zip(stacked.layout, stacked.weights.views, strict=True)
            }
            dense = nn.Linear(inputs, 8, bias=norm == "layer")
            dense.weight.data = weights[f"hidden{layer}.weight"]
            if norm == "layer":
                dense.bias.data = weights[f"hidden{layer}.bias"]
            theirs += [dense, kind(8), nn.ReLU()]
        x = torch.randn(10, 6, dtype=F64)
        expected = nn.Sequential(*theirs).double()(x) @ weights["output.weight"].T
        torch.testing.assert_close(stacked.outputs(x, stacked.noise("test"))[0], expected)

    def test_batch_norm_gives_each_unit_mean_0_and_variance_1_over_the_batch(self) -> None:
        stacked = stacked_of([member(norm="batch"), member(1, norm="batch")])
        net = stacked.net
        net.start_pass(stacked.noise("test"))
        z = 3 + 5 * torch.randn(2, 100, 8, dtype=F64)
        normal = net.norm("hidden0", z)
        torch.testing.assert_close(normal.mean(1), torch.zeros(2, 8, dtype=F64), atol=1e-9, rtol=0)
        torch.testing.assert_close(
            normal.var(1, correction=0), torch.ones(2, 8, dtype=F64), atol=1e-4, rtol=0
        )

    def test_layer_norm_gives_each_row_mean_0_and_variance_1_over_a_members_own_units(
        self,
    ) -> None:
        net = stacked_of([member(norm="layer", width=8), member(1, norm="layer", width=5)]).net
        z = 3 + 5 * torch.randn(2, 100, 8, dtype=F64)
        z[1, :, 5:] = 0  # padding
        normal = net.norm("hidden0", z)
        for k, width in enumerate([8, 5]):
            mine = normal[k, :, :width]
            torch.testing.assert_close(mine.mean(1), torch.zeros(100, dtype=F64), atol=1e-9, rtol=0)
            torch.testing.assert_close(
                mine.var(1, correction=0), torch.ones(100, dtype=F64), atol=1e-2, rtol=0
            )
        assert not normal[1, :, 5:].any()

    @pytest.mark.parametrize("cell", GATES)
    def test_a_recurrent_net_takes_layer_norm_so_that_its_scale_of_inputs_does_not_matter(
        self, cell: str
    ) -> None:
        # one step, from a state of 0
        one = stacked_of([rnn(cell=cell, norm="layer", width=16)], inputs=(1, 1, 8))
        x = torch.randn(5, 1, 1, 8, dtype=F64)
        torch.testing.assert_close(one.outputs(100 * x), one.outputs(1000 * x), atol=1e-4, rtol=0)

    def test_batch_norm_is_evaluated_with_what_training_has_seen(self) -> None:
        stacked = stacked_of([member(norm="batch")])
        net = stacked.net
        z = 3 + 5 * torch.randn(1, 4000, 8, dtype=F64)
        net.start_pass(stacked.noise("test"))
        for _ in range(100):
            net.norm("hidden0", z)
        net.start_pass(None)
        few = net.norm("hidden0", z[:, :3])
        torch.testing.assert_close(few, (z[:, :3] - z.mean(1)) / z.std(1), atol=1e-2, rtol=0)

    def test_batch_norm_takes_a_last_batch_of_one(self) -> None:
        data = blobs(rows=44)  # 33 rows: two batches of 16, one of 1
        ended, _ = run(data, [member(norm="batch", epochs=3)])
        assert isinstance(ended[0].result, Done)

    def test_a_batch_of_one_is_normalised_by_what_training_has_seen(self) -> None:
        stacked = stacked_of([member(norm="batch")])
        z = 3 + 5 * torch.randn(1, 1, 8, dtype=F64)
        stacked.net.start_pass(stacked.noise("test"))
        # running statistics begin at mean 0 and variance 1; one number has no variance of its own
        for _ in range(2):
            torch.testing.assert_close(stacked.net.norm("hidden0", z), z, rtol=1e-4, atol=0)

    @pytest.mark.slow
    @pytest.mark.parametrize("norm", ["batch", "layer"])
    def test_a_deep_net_trains_with_it_where_it_hardly_does_without(self, norm: str) -> None:
        settings: dict[str, Any] = {
            "depth": 20,
            "width": 24,
            "epochs": 15,
            "lr": 0.003,
            "activation": "tanh",
        }
        settings |= {"init": "normal", "init_scale": 0.01}
        with_norm, without = (
            run(blobs(200), [member(norm=n, **settings)])[0][0].result for n in (norm, "none")
        )
        assert with_norm.curve[-1].train_loss < 0.9 < 1.05 < without.curve[-1].train_loss


class TestSkips:
    @pytest.mark.slow
    @pytest.mark.parametrize("skip", ["residual", "highway"])
    def test_a_net_of_50_layers_trains_with_it_and_not_without(self, skip: str) -> None:
        settings: dict[str, Any] = {
            "depth": 50,
            "width": 16,
            "epochs": 15,
            "lr": 0.003,
            "activation": "tanh",
            "init_scale": 0.3,
        }
        with_skip, without = (
            run(blobs(200), [member(skip=s, **settings)])[0][0].result for s in (skip, "none")
        )
        assert with_skip.curve[-1].train_loss < 0.5 < without.curve[-1].train_loss

    def test_a_highway_begins_nearly_shut(self) -> None:
        layers = [stacked_of([member(width=8, depth=d, skip="highway")]) for d in (1, 2)]
        x = torch.randn(5, 6, dtype=F64)
        h = torch.relu(x @ layers[1].weights.views[0][0].T)
        inner = torch.relu(h @ layers[1].weights.views[2][0].T)
        t = torch.sigmoid(h @ layers[1].weights.views[4][0].T - 2)
        expected = (t * inner + (1 - t) * h) @ layers[1].weights.views[-2][0].T
        torch.testing.assert_close(layers[1].outputs(x)[0], expected)

    def test_highway_members_of_other_widths_do_not_disturb_each_other(self) -> None:
        members = [
            member(k, width=w, depth=3, skip="highway", epochs=4, lr=0.01)
            for k, w in enumerate([4, 7])
        ]
        together, _ = run(blobs(), members, dtype=F64)
        alone, _ = run(blobs(), members[:1], dtype=F64)
        for name, weight in alone[0].weights.items():
            assert (weight - together[0].weights[name]).abs().max() < 1e-9


class TestPenalties:
    def test_l1_makes_weights_exactly_zero_and_more_of_them_the_stronger_it_is(self) -> None:
        members = [
            member(k, epochs=40, width=32, lr=0.01, l1=l1) for k, l1 in enumerate([0.0, 0.1, 0.3])
        ]
        ended, _ = run(blobs(), members)
        none, some, many = (
            float((ended[k].weights["hidden0.weight"] == 0).float().mean()) for k in range(3)
        )
        assert none == 0 < some < many

    def test_l1_takes_lr_times_l1_off_at_a_step(self) -> None:
        # where all inputs are 0 the first weights have no gradient: only the penalty moves them
        data = dataset(np.zeros((40, 6)), np.arange(40) % 3, classes=3)
        one = member(optimizer="sgd", lr=0.1, l1=0.05, epochs=1, batch_size=30)
        before = next(initial_weights(one, TrainingTask(InputShape((6,)), 3, 0)))
        after = run(data, [one], dtype=F64)[0][0].weights["hidden0.weight"]
        torch.testing.assert_close(after, before.sign() * (before.abs() - 0.1 * 0.05).clamp_min(0))

    def test_l1_leaves_biases_and_gains_alone(self) -> None:
        stacked = stacked_of([member(l1=1.0, l2=1.0, norm="batch")])
        for slot, l1, l2 in zip(stacked.layout, stacked._l1.views, stacked._l2.views, strict=True):
            assert bool(l1.any()) == bool(l2.any()) == slot.name.endswith(".weight")

    def test_dropout_keeps_the_mean_and_drops_its_share(self) -> None:
        stacked = stacked_of(
            [member(k, dropout=rate, width=64, batch_size=500) for k, rate in enumerate([0.0, 0.4])]
        )
        net = stacked.net
        net.start_pass(stacked.noise("test"))
        a = net.drop("hidden0", torch.ones(2, 500, 64, dtype=F64))
        assert torch.equal(a[0], torch.ones(500, 64, dtype=F64))
        # 32,000 units: the standard error of the share is sqrt(.24 / 32000) = 0.0027; the rate is
        # 102/256
        assert float((a[1] == 0).double().mean()) == pytest.approx(0.4, abs=0.014)
        assert float(a[1].mean()) == pytest.approx(1.0, abs=0.023)

    def test_members_threshold_the_same_dropout_noise(self) -> None:
        stacked = stacked_of(
            [member(k, dropout=rate, width=64, batch_size=100) for k, rate in enumerate([0.2, 0.6])]
        )
        net = stacked.net
        net.start_pass(stacked.noise("test"))
        little, much = net.drop("hidden0", torch.ones(2, 100, 64, dtype=F64))
        assert not ((little == 0) & (much > 0)).any()

    def test_dropconnect_drops_connections_and_keeps_the_mean_input(self) -> None:
        stacked = stacked_of([member(dropconnect=0.5, width=64)], inputs=(64,))
        net = stacked.net
        net.start_pass(stacked.noise("test"))
        x = torch.ones(1, 64, dtype=F64)
        with torch.no_grad():
            stacked.weights.views[0].fill_(1.0)
        with torch.no_grad():
            sums = torch.stack([net.dense("hidden0", x)[0, 0] for _ in range(50)])
        # a sum of 64 connections, each 0 or 2: mean 64, standard deviation 8, over 3,200 sums
        assert float(sums.mean()) == pytest.approx(64, abs=5 * 8 / math.sqrt(3200))
        assert float(sums.std()) == pytest.approx(8, rel=0.1)

    @pytest.mark.parametrize("net", NETS)
    @pytest.mark.parametrize("kind", ["dropout", "dropconnect"])
    def test_every_net_drops_in_training_and_none_in_evaluation(self, net: str, kind: str) -> None:
        whole, dropped = (
            stacked_of([member(**{**NETS[net], kind: rate})], (1, 8, 8)) for rate in (0.0, 0.5)
        )
        x = torch.randn(5, 1, 8, 8, dtype=F64)
        assert torch.equal(dropped.outputs(x), whole.outputs(x))
        noise = dropped.noise("test")
        first, second = (dropped.outputs(x, noise) for _ in range(2))
        assert not torch.allclose(first, whole.outputs(x))
        assert not torch.allclose(first, second)
        assert torch.equal(dropped.outputs(x), whole.outputs(x))

    def test_each_pass_epoch_layer_and_replicate_drops_other_units_and_each_trial_the_same(
        self,
    ) -> None:
        one = member(depth=2, dropout=0.5).settings
        stacked = stacked_of([Member(0, one), Member(1, one), Member(2, one, replicate=1)])
        ones, masks = torch.ones(3, 16, 8, dtype=F64), []
        for epoch in (1, 2):
            stacked.net.start_pass(stacked.noise("noise", epoch))
            masks += [
                stacked.net.drop(layer, ones) for layer in ("hidden0", "hidden1") for _ in range(2)
            ]
        assert all(torch.equal(mask[0], mask[1]) for mask in masks)
        drawn = [mask[position].numpy().tobytes() for mask in masks for position in (0, 2)]
        assert len(set(drawn)) == len(drawn) == 16

    def test_a_member_with_dropconnect_learns_the_same_alone_as_in_company(self) -> None:
        members = [
            member(k, width=w, depth=2, dropconnect=0.3, epochs=4) for k, w in enumerate([4, 9])
        ]
        together, _ = run(blobs(), members, dtype=F64)
        alone, _ = run(blobs(), members[:1], dtype=F64)
        for name, weight in alone[0].weights.items():
            assert (weight - together[0].weights[name]).abs().max() < 1e-9


EXPLODING: Mapping[str, Any] = {
    "optimizer": "sgd",
    "lr": 0.5,
    "depth": 8,
    "init_scale": 2.0,
    "epochs": 10,
}


class TestClipping:
    def test_what_explodes_without_it_trains_with_it(self) -> None:
        free, clipped = (
            run(blobs(), [member(clip_norm=c, **EXPLODING)])[0][0].result for c in (0.0, 0.1)
        )
        assert max(epoch.train_loss for epoch in free.curve) > 1e3
        assert isinstance(free, Done)
        assert isinstance(clipped, Done)
        assert free.metric < 0.5  # it answers the same to every row
        assert clipped.metric > 0.8

    def test_each_members_gradient_is_cut_to_its_own_limit(self) -> None:
        data = blobs()
        feed = Feed(data, "cpu", F64)
        members = [member(k, clip_norm=c, optimizer="sgd") for k, c in enumerate([0.0, 0.01, 1e9])]
        stacked = StackedCohort(members, TrainingTask(data.shape, data.outputs, 0), feed.like)
        x, y, _ = next(feed.epoch(1, 16, 0))
        advance(stacked, feed, x, y)
        whole = torch.cat([view.flatten(1) for view in stacked.gradient.views], dim=1).norm(dim=1)
        norms = dict(zip([m.number for m in stacked.members], whole.tolist(), strict=True))
        assert norms[1] == pytest.approx(0.01)
        assert norms[0] == pytest.approx(norms[2])
        assert norms[0] > 0.01


class TestSchedules:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"schedule": "constant"}, [1, 1, 1, 1]),
            (
                {"schedule": "cosine"},
                [1, 0.5 + 0.5 * math.cos(math.pi / 4), 0.5, 0.5 + 0.5 * math.cos(3 * math.pi / 4)],
            ),
            ({"schedule": "step", "step_every": 2, "step_factor": 0.1}, [1, 1, 0.1, 0.1]),
        ],
    )
    def test_the_factor_has_its_closed_form(
        self, settings: dict[str, Any], expected: list[float]
    ) -> None:
        full = complete({**settings, "epochs": 4})
        found = [SCHEDULES.load(settings["schedule"])(e, 4.0, full) for e in range(4)]
        assert found == pytest.approx(expected)

    def test_warm_up_rises_in_a_line_from_the_first_step_on(self) -> None:
        assert [warmed(1.0, e / 4, 1.0, 1 / 4) for e in range(6)] == [
            0.25,
            0.5,
            0.75,
            1.0,
            1.0,
            1.0,
        ]

    @pytest.mark.parametrize("batch_size", [30, 10])
    def test_every_member_follows_its_own_at_every_step(self, batch_size: int) -> None:
        schedules: list[dict[str, Any]] = [
            {"schedule": "constant"},
            {"schedule": "cosine"},
            {"schedule": "step", "step_every": 1, "step_factor": 0.5},
            {"schedule": "cosine", "warmup": 1.5},
        ]
        # inputs of 0 and a squared loss that only the output bias can lower
        data = dataset(np.zeros((40, 6)), np.full(40, 1.0))
        steps = 30 // batch_size  # in an epoch
        rest: dict[str, Any] = {
            "optimizer": "sgd",
            "lr": 0.1,
            "epochs": 4,
            "batch_size": batch_size,
        }
        members = [member(k, **rest, **s) for k, s in enumerate(schedules)]
        ended, _ = run(data, members, dtype=F64)
        for one in members:
            bias = 0.0
            for e in np.arange(0, 4, 1 / steps):
                scheduled = SCHEDULES.load(str(one.settings["schedule"]))(e, 4.0, one.settings)
                factor = warmed(scheduled, e, float(one.settings["warmup"]), 1 / steps)
                bias += 0.1 * factor * 2 * (1.0 - bias)
            assert float(ended[one.number].weights["output.bias"]) == pytest.approx(bias)


def rnn(number: int = 0, **settings: Any) -> Member:
    return member(number, model="rnn", **{"activation": "tanh", **settings})


class TestRecurrence:
    @pytest.mark.parametrize("cell", GATES)
    def test_each_cell_is_the_one_that_torch_has(self, cell: str) -> None:
        one = rnn(cell=cell, width=5, depth=2)
        stacked = stacked_of([one], inputs=(2, 4, 3), outputs=2)
        x = torch.randn(6, 2, 4, 3, dtype=F64)
        theirs = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](
            6, 5, 2, batch_first=True
        ).double()
        order = {"gru": ("reset", "update", "new")}.get(cell, GATES[cell])
        weights = {
            slot.name: view[0]
            for slot, view in zip(stacked.layout, stacked.weights.views, strict=True)
        }
        with torch.no_grad():
            for layer in range(2):
                for ours, part in (
                    ("weight", "weight_ih"),
                    ("recurrent", "weight_hh"),
                    ("bias", "bias_ih"),
                ):
                    value = torch.cat([weights[f"layer{layer}.{gate}.{ours}"] for gate in order])
                    getattr(theirs, f"{part}_l{layer}").copy_(value)
                getattr(theirs, f"bias_hh_l{layer}").zero_()
        rows = torch.cat([x[:, 0], x[:, 1]], dim=-1)  # a step is a row of all channels
        last = theirs(rows)[0][:, -1]
        expected = last @ weights["output.weight"].T + weights["output.bias"]
        torch.testing.assert_close(stacked.outputs(x)[0], expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("cell", GATES)
    @pytest.mark.parametrize(
        "extra", [{"norm": "layer"}, {"dropout": 0.3, "dropconnect": 0.2}, {"activation": "prelu"}]
    )
    def test_a_member_learns_the_same_alone_as_in_company(
        self, cell: str, extra: dict[str, Any]
    ) -> None:
        members = [rnn(k, cell=cell, width=w, epochs=3, **extra) for k, w in enumerate([4, 7])]
        together, _ = run(pictures(), members, dtype=F64)
        alone, _ = run(pictures(), members[:1], dtype=F64)
        for name, weight in alone[0].weights.items():
            assert (weight - together[0].weights[name]).abs().max() < 1e-9

    def test_a_table_is_read_number_by_number(self) -> None:
        stacked = stacked_of([rnn(width=4)], inputs=(6,))
        assert stacked.weights.views[0].shape == (1, 4, 1)
        assert stacked.outputs(torch.randn(5, 6, dtype=F64)).shape == (1, 5, 3)

    def test_an_identity_is_for_the_recurrent_weights(self) -> None:
        stacked = stacked_of([rnn(init="identity", width=4)], inputs=(1, 4, 3))
        named = {
            slot.name: view[0]
            for slot, view in zip(stacked.layout, stacked.weights.views, strict=True)
        }
        assert torch.equal(named["layer0.new.recurrent"], torch.eye(4, dtype=F64))
        assert (named["layer0.new.weight"] != 0).all()

    def test_init_constraint_keeps_recurrent_weights_near_where_they_began(self) -> None:
        members = [
            rnn(k, init="identity", epochs=20, optimizer="sgd", lr=0.2, init_constraint=c)
            for k, c in enumerate([0, 2])
        ]
        ended, _ = run(pictures(), members)
        free, held = (
            float((ended[k].weights["layer0.new.recurrent"] - torch.eye(8)).square().sum())
            for k in (0, 1)
        )
        assert held < 0.2 * free

    def test_a_forget_gate_begins_by_remembering(self) -> None:
        stacked = stacked_of([rnn(cell="lstm", width=4)], inputs=(1, 4, 3))
        named = {
            slot.name: view
            for slot, view in zip(stacked.layout, stacked.weights.views, strict=True)
        }
        assert (named["layer0.forget.bias"] == 1).all()


class TestPretraining:
    def test_each_layer_learns_to_restore_what_it_was_given(self) -> None:
        data = blobs(rows=200)
        stacked = StackedCohort(
            [member(depth=3, width=16, pretrain="layerwise")],
            TrainingTask(InputShape((6,)), 3, 0),
            torch.empty(0),
        )
        losses: dict[int, list[float]] = {}
        for one in layerwise(stacked, Feed(data, "cpu")):
            losses.setdefault(one.layer, []).extend(one.losses)
        assert list(losses) == [0, 1, 2]
        assert all(curve[-1] < 0.7 * curve[0] for curve in losses.values())

    def test_a_member_learns_the_same_alone_as_in_company(self) -> None:
        kinds = [(5, "sigmoid", 0.2), (8, "tanh", 0.4), (7, "relu", 0.3)]
        members = [
            member(k, width=w, depth=3, activation=a, pretrain="layerwise", corruption=c)
            for k, (w, a, c) in enumerate(kinds)
        ]
        together, _ = run(blobs(), members, dtype=F64)
        for one in members:
            alone, _ = run(blobs(), [one], dtype=F64)
            for name, weight in alone[one.number].weights.items():
                assert (weight - together[one.number].weights[name]).abs().max() < 1e-9

    @pytest.mark.parametrize("layer", [0, 1])
    def test_what_is_restored_is_what_the_layer_was_given_before_it_was_spoilt(
        self, layer: int
    ) -> None:
        one = member(
            depth=2,
            width=7,
            activation="tanh",
            pretrain="layerwise",
            corruption=0.4,
            batch_size=500,
        )
        stacked = stacked_of([one])
        x = torch.randn(500, 6, dtype=F64)
        W0, b0, W1, b1 = (view[0].clone() for view in stacked.weights.views[:4])
        W, b, h = (W0, b0, x) if layer == 0 else (W1, b1, torch.tanh(x @ W0.T + b0))
        stacked.net.start_pass(stacked.noise("test"))
        kept = _Coder(stacked, layer)._kept(h.unsqueeze(0))
        # at least 3,000 numbers: five standard errors of the share are 5 sqrt(.24 / 3000); the rate
        # is 102/256
        assert float((~kept).double().mean()) == pytest.approx(0.4, abs=0.047)
        restored = torch.tanh((h * kept[0]) @ W.T + b) @ W
        stacked.net.start_pass(stacked.noise("test"))
        assert float(_Coder(stacked, layer).step(x)) == pytest.approx(
            float((restored - h).square().mean())
        )

    def test_connections_are_dropped_for_the_task_alone(self) -> None:
        feed = Feed(blobs(), "cpu", F64)
        one, dropping = (
            member(depth=3, pretrain="layerwise", dropconnect=rate) for rate in (0.0, 0.5)
        )
        assert torch.equal(
            build_cohort(feed, [one], 0).weights.flat,
            build_cohort(feed, [dropping], 0).weights.flat,
        )

    def test_weights_are_as_they_were_drawn_where_there_is_none(self) -> None:
        feed = Feed(blobs(), "cpu", F64)
        for pretrain in PRETRAINING:
            one = member(pretrain=pretrain)
            stacked = build_cohort(feed, [one], 0)
            drawn = initial_weights(one, stacked.task)
            same = all(
                torch.equal(view[0], value)
                for view, value in zip(stacked.weights.views, drawn, strict=True)
            )
            assert same == (pretrain == "none")

    @pytest.mark.slow
    def test_a_deep_net_learns_more_from_200_labels_with_it(self) -> None:
        digits = prepare(DataSpec("digits", test=0.0))
        few = replace(digits, folds=(replace(digits.folds[0], train=digits.folds[0].train[:200]),))
        # gradient descent, as when it was found: Adam trains this net from the start
        settings: dict[str, Any] = {
            "depth": 4,
            "width": 64,
            "epochs": 40,
            "activation": "sigmoid",
            "optimizer": "sgd",
            "lr": 0.3,
        }
        losses = {}
        for pretrain in ("none", "layerwise"):
            one = member(0, batch_size=20, pretrain=pretrain, **settings)
            members = [Member(0, one.settings, replicate) for replicate in range(5)]
            ended = [
                event
                for event in train(Feed(few, "cpu"), members, "loss", 0)
                if isinstance(event, MemberEnded)
            ]
            losses[pretrain] = {
                e.member.replicate: e.result.loss for e in ended if isinstance(e.result, Done)
            }
        gains = [
            losses["none"][replicate] - losses["layerwise"][replicate] for replicate in range(5)
        ]
        # better in the mean over five seeds by more than two standard errors
        assert np.mean(gains) > 2 * np.std(gains, ddof=1) / math.sqrt(5)
