"""What a diagnosis finds: in probes of real trainings, and in made-up ones."""

from __future__ import annotations

import re
from math import inf, nan
from typing import Any

import pytest

from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import probes
from hpsearch.report.diagnosis.view import Diagnosis, Finding, findings, verdict
from tests.helpers.problems import blobs, member
from tests.report.diagnosis.invented import invented


def trained(epochs: int = 2, **settings: Any) -> Diagnosis:
    """Return the diagnosis of a small network that really is trained."""
    one = member(0, **{"width": 32, "depth": 2, **settings})
    taken = tuple(probes(Feed(blobs(rows=320), "cpu"), [one], 0, epochs))
    return Diagnosis("mine", one.settings, taken)


def finding(kind: str, diagnosis: Diagnosis) -> Finding:
    (found,) = [found for found in findings(diagnosis) if found.kind == kind]
    return found


class TestVerdict:
    def test_a_sensible_training_is_healthy(self) -> None:
        assert verdict(trained()) == "healthy"

    def test_a_deep_sigmoid_net_vanishes_from_a_layer_that_is_named(self) -> None:
        found = finding("vanishing", trained(depth=30, activation="sigmoid", init="normal"))
        assert re.match(
            r"gradients vanish from hidden2\d down: the norm at hidden0 is \S+ of that at the out",
            found.text,
        )
        assert "activation: relu" in found.advice

    def test_a_relu_net_of_large_weights_explodes(self) -> None:
        assert "exploding" in verdict(trained(depth=10, init_scale=10.0))

    def test_numbers_that_overflow_at_once_are_exploding_and_diverged(self) -> None:
        assert verdict(trained(depth=10, init_scale=1e10)).startswith("diverged, exploding")

    def test_a_huge_rate_kills_units(self) -> None:
        found = finding("dead units", trained(lr=1.0, optimizer="adam", epochs=2))
        assert re.match(r"\d+ % of the units are 0 for every row in hidden\d", found.text)
        assert "a smaller lr (now 1)" in found.advice

    def test_large_weights_saturate_tanh(self) -> None:
        assert "saturated units" in verdict(trained(activation="tanh", init_scale=100.0))

    @pytest.mark.parametrize(("lr", "kind"), [(3.0, "large updates"), (1e-9, "small updates")])
    def test_steps_of_a_wrong_size_are_found(self, lr: float, kind: str) -> None:
        assert kind in verdict(trained(lr=lr, optimizer="adam"))

    def test_a_tiny_gradient_is_compared_with_that_of_the_output(self) -> None:
        assert verdict(invented(2e-9, 2e-9, 1e-6)) == "healthy"
        assert verdict(invented(2e-9, 2e-9, 3e-6)) == "vanishing"

    def test_a_branch_that_begins_closed_has_not_vanished(self) -> None:
        assert verdict(invented(1.0, 0.0, 1.0)) == "healthy"

    def test_a_loss_that_stays_is_stuck_and_one_that_leaps_has_diverged(self) -> None:
        assert verdict(invented(1.0, 1.0, loss=1.99)) == "stuck"
        assert verdict(invented(1.0, 1.0, loss=21.0)) == "diverged"
        assert verdict(invented(1.0, 1.0, loss=nan)) == "diverged"

    def test_what_is_done_already_is_not_advised(self) -> None:
        without, with_norm = (
            finding("vanishing", invented(0.0, 1.0, norm=norm)) for norm in ("none", "layer")
        )
        assert "norm: batch or layer" in without.advice
        assert not [advice for advice in with_norm.advice if "norm:" in advice]

    @pytest.mark.parametrize(
        "settings", [{"model": "rnn"}, {"model": "resnet"}, {"init_scale": 3.0, "clip_norm": 1.0}]
    )
    def test_every_kind_of_net_gets_advice(self, settings: dict[str, Any]) -> None:
        found = findings(invented(nan, 0.0, 1e9, update=1.0, loss=inf, **settings))
        assert {"diverged", "exploding", "large updates"} <= {one.kind for one in found}
        assert all(one.advice for one in found)
