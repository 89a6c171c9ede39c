"""Diagnosis: what a probe measures, what is said of it, and the command."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from hpsearch.cli import main
from hpsearch.data import Dataset
from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import _probe, probes
from hpsearch.engine.stacked_cohort import Array, Problem
from hpsearch.engine.structure.cohorts import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import begun
from hpsearch.report.diagnosis.page import as_page
from hpsearch.report.diagnosis.text import as_text, record, thinned
from hpsearch.report.diagnosis.view import Checked, Finding, findings, verdict
from hpsearch.study.trial import Layer, Probe
from tests.commands.test_end_to_end import hpsearch
from tests.helpers.problems import blobs, member, pictures

DATA = blobs(rows=320)


def probed(
    *members: Member, data: Dataset = DATA, epochs: int = 1, dtype: torch.dtype = torch.float64
) -> dict[int, tuple[Probe, ...]]:
    """Every member's probes, by its number."""
    found: dict[int, list[Probe]] = {}
    for probe in probes(Feed(data, "cpu", dtype), members, 0, epochs):
        found.setdefault(probe.number, []).append(probe)
    return {number: tuple(its) for number, its in found.items()}


def checked(epochs: int = 2, **settings: Any) -> Checked:
    one = member(0, **{"width": 32, "depth": 2, **settings})
    return Checked("mine", one.settings, probed(one, epochs=epochs, dtype=torch.float32)[0])


def invented(
    *gradients: float, update: float = 1e-3, loss: float = 1.0, **settings: Any
) -> Checked:
    """Probes of a training that learns, with these gradients from the input to the output, in all epochs."""
    layers = tuple(
        Layer(f"layer{n}", 1.0, gradient, None, 0.0) for n, gradient in enumerate(gradients)
    )
    after = tuple(replace(layer, update=update) for layer in layers)
    return Checked("mine", complete(settings), (Probe(0, 0, 2.0, layers), Probe(0, 1, loss, after)))


def finding(kind: str, one: Checked) -> Finding:
    (found,) = [found for found in findings(one) if found.kind == kind]
    return found


class TestProbe:
    def test_variance_and_gradient_at_the_start_are_those_by_hand(self) -> None:
        one = member(0, width=8, depth=1, batch_size=256)
        feed = Feed(DATA, "cpu", torch.float64)
        array = Array([one], Problem(DATA.shape, DATA.outputs, 0), feed.like)
        W, b, V, c = (view[0].clone().requires_grad_() for view in array.weights.views)
        ((x, y),) = feed.epoch(1, 256, 0)
        h = torch.relu(x @ W.T + b)
        loss = torch.nn.functional.cross_entropy(h @ V.T + c, y)
        loss.backward()  # type: ignore[no-untyped-call]
        assert W.grad is not None
        assert b.grad is not None
        gradient = torch.cat([W.grad.flatten(), b.grad]).norm().item()
        first, *_ = probed(one)[0]
        assert first.loss == pytest.approx(loss.item(), rel=1e-12)
        assert first.layers[0].variance == pytest.approx(
            np.var(h.detach().numpy(), axis=0).mean(), rel=1e-12
        )
        assert first.layers[0].gradient == pytest.approx(gradient, rel=1e-12)
        assert first.layers[0].update is None

    def test_the_update_of_plain_descent_is_its_rate_times_gradient_over_weights(self) -> None:
        one = member(
            0, optimizer="sgd", lr=0.3, batch_size=256
        )  # one step an epoch, on the batch that is probed
        array = Array(
            [one], Problem(DATA.shape, DATA.outputs, 0), Feed(DATA, "cpu", torch.float64).like
        )
        weights = torch.cat([view.flatten() for view in array.weights.views[:2]]).norm().item()
        before, after = probed(one)[0]
        assert after.layers[0].update == pytest.approx(
            0.3 * before.layers[0].gradient / weights, rel=1e-9
        )

    @pytest.mark.parametrize(
        "kind", [{}, {"norm": "batch"}, {"skip": "highway"}, {"model": "rnn", "cell": "gru"}]
    )
    def test_a_members_probes_do_not_depend_on_its_company(self, kind: dict[str, Any]) -> None:
        mine = member(0, width=7, depth=2, activation="sigmoid", dropout=0.3, **kind)
        others = [
            member(1, width=30, depth=2, activation="relu", optimizer="sgd", **kind),
            member(2, width=20, depth=2, activation="tanh", lr=0.1, **kind),
        ]
        alone, among = probed(mine)[0], probed(mine, *others)[0]
        for one, other in zip(alone, among, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-9)
            for a, b in zip(one.layers, other.layers, strict=True):
                assert a.name == b.name
                for name in ("variance", "gradient", "update", "dead"):
                    if getattr(a, name) is not None:
                        expected = pytest.approx(getattr(b, name), rel=1e-9, abs=1e-12)
                        assert getattr(a, name) == expected, (a.name, name)

    def test_an_images_channels_are_told_apart_by_member(self) -> None:
        images = pictures()
        mine, other = (
            member(0, model="resnet", channels=3),
            member(1, model="resnet", channels=5, activation="tanh"),
        )
        alone, among = probed(mine, data=images)[0], probed(other, mine, data=images)[0]
        for a, b in zip(alone[-1].layers, among[-1].layers, strict=True):
            assert (a.variance or 0.0) == pytest.approx(b.variance or 0.0, rel=1e-9)

    def test_probing_leaves_the_weights_and_running_statistics_as_they_are(self) -> None:
        feed = Feed(DATA, "cpu")
        array = begun(feed, [member(0, norm="batch")], 0)
        before = array.weights.flat.clone()
        _probe(array, feed)
        assert torch.equal(array.weights.flat, before)

    @pytest.mark.parametrize("activation", ["relu", "gelu"])
    def test_units_that_are_off_for_every_row_are_dead(self, activation: str) -> None:
        feed = Feed(DATA, "cpu")
        array = begun(feed, [member(0, width=8, activation=activation)], 0)
        with torch.no_grad():
            array.weights.views[1][0, :3] = -1e3  # three of eight biases
        array_probes = _with(array, feed)
        assert array_probes.layers[0].dead == 3 / 8

    def test_of_tanh_the_saturated_outputs_are_counted(self) -> None:
        assert (
            checked(activation="tanh", init_scale=100.0, epochs=1).probes[0].layers[0].dead or 0
        ) > 0.9
        assert checked(activation="tanh", init_scale=0.01, epochs=1).probes[0].layers[0].dead == 0


def _with(array: Array, feed: Feed) -> Probe:
    """A probe of an array as it is, by way of its generator's first answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpsearch.engine.probes.begun", lambda *_: array)
        return next(probes(feed, array.members, 0, 0))


class TestVerdict:
    def test_a_sensible_training_is_healthy(self) -> None:
        assert verdict(checked()) == "healthy"

    def test_a_deep_sigmoid_net_vanishes_from_a_layer_that_is_named(self) -> None:
        found = finding("vanishing", checked(depth=30, activation="sigmoid", init="normal"))
        assert re.match(
            r"gradients vanish from hidden2\d down: the norm at hidden0 is \S+ of that at the out",
            found.text,
        )
        assert "activation: relu" in found.advice

    def test_a_relu_net_of_large_weights_explodes(self) -> None:
        assert "exploding" in verdict(checked(depth=10, init_scale=10.0))

    def test_numbers_that_overflow_at_once_are_exploding_and_diverged(self) -> None:
        assert verdict(checked(depth=10, init_scale=1e10)).startswith("diverged, exploding")

    def test_a_huge_rate_kills_units(self) -> None:
        one = checked(lr=1.0, optimizer="adam", epochs=2)
        assert re.match(
            r"\d+ % of the units are 0 for every row in hidden\d", finding("dead units", one).text
        )
        assert "a smaller lr (now 1)" in finding("dead units", one).advice

    def test_large_weights_saturate_tanh(self) -> None:
        assert "saturated units" in verdict(checked(activation="tanh", init_scale=100.0))

    @pytest.mark.parametrize(("lr", "kind"), [(3.0, "large updates"), (1e-9, "small updates")])
    def test_steps_of_a_wrong_size_are_told(self, lr: float, kind: str) -> None:
        assert kind in verdict(checked(lr=lr, optimizer="adam"))

    def test_a_tiny_gradient_is_held_against_the_outputs_one(self) -> None:
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


class TestOutput:
    BROKEN = invented(nan, 0.0, inf, 1e-3, loss=nan)

    def test_json_has_null_where_there_is_no_number(self) -> None:
        text = json.dumps(record("digits", 0, [self.BROKEN]), allow_nan=False)
        (one,) = json.loads(text)["configurations"]
        assert one["epochs"][1]["loss"] is None
        assert [layer["gradient"] for layer in one["epochs"][0]["layers"]] == [
            None,
            0.0,
            None,
            1e-3,
        ]

    def test_the_page_needs_no_network_and_escapes_what_a_person_wrote(self) -> None:
        evil = "<script>alert('1')</script>&\"https://x.org"
        page = as_page(evil, [replace(self.BROKEN, name=evil)])
        assert "<script" not in page
        assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;" in page
        assert "default-src 'none'" in page
        assert not re.search(r"(src|href)\s*=|url\(|@import", page)

    @pytest.mark.parametrize("colours", [False, True])
    def test_the_heat_map_is_read_with_and_without_colours(self, colours: bool) -> None:
        console = Console(
            color_system="truecolor", force_terminal=True, no_color=not colours, width=80
        )
        with console.capture() as capture:
            console.print(as_text("digits", [self.BROKEN], 80), soft_wrap=True)
        out = capture.get()
        assert ("48;2;" in out) is colours
        plain = re.sub("\x1b[^m]*m", "", out)
        cells = [line.split()[-2:] for line in plain.splitlines() if line.startswith("layer")]
        assert cells == [["0", "1"], ["!", "!"], ["--", "--"], ["!", "!"], ["-3.0", "-3.0"]]
        assert max(map(len, plain.splitlines())) <= 80

    def test_a_long_heat_map_keeps_its_ends(self) -> None:
        assert thinned(range(100), 4) == [0, 33, 66, 99]
        assert thinned(range(3), 4) == [0, 1, 2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["hpsearch", "diagnose", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


class TestCommand:
    def test_configurations_side_by_side_as_json_and_as_a_page(self, tmp_path: Path) -> None:
        inits = "init=normal,orthogonal"
        arguments = ("--set", inits, "--set", "depth=2,12", "--smoke", "--json", "-o", "page.html")
        done = hpsearch(tmp_path, "diagnose", *arguments)
        found = json.loads(done.stdout, parse_constant=pytest.fail)["configurations"]
        names = [
            f"init={init} depth={depth}" for init in ("normal", "orthogonal") for depth in (2, 12)
        ]
        assert [one["name"] for one in found] == names
        assert [one["settings"]["depth"] for one in found] == [2, 12, 2, 12]
        assert "vanishing" in found[1]["verdict"]
        assert [probe["epoch"] for probe in found[0]["epochs"]] == [0, 1]
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert all(name in page for name in names)

    def test_the_first_epochs_of_a_file_without_parameters_as_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "one.yaml").write_text("data: {source: wine}\ntrain: {epochs: 3, width: 20}\n")
        done = hpsearch(tmp_path, "diagnose", "one.yaml")
        (heads,) = [line.split() for line in done.stdout.splitlines() if line.startswith("layer")]
        assert heads == ["layer", "variance", "gradient", "update", "dead", "0", "1", "2", "3"]
        assert "healthy" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--set", "init=nrmal,orthogonal"], "did you mean 'normal'?"),
            (["--set", "init=normal,,orthogonal"], "no list of different values"),
            (["--set", "lr=0.1,0.1"], "no list of different values"),
            (["--set", "lr"], "KEY=VALUE"),
            (["--set", "search.seed=1,2"], "--set search.seed=1,2"),
            (["--set", "lr=1,2,3,4,5", "--set", "width=8,16,32"], "15 configurations"),
            (["--set", "optimizer=adam", "--set", "momentum=0.8,0.9"], "momentum"),
            (["--set", "momentum=0.1,0.2"], "same training"),
            (["--set", "lr=1", "-o", "nowhere/page.html"], "nowhere/page.html"),
            (["nowhere.yaml"], "nowhere.yaml"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_bad_input_is_2_and_said_in_a_sentence(
        self,
        arguments: list[str],
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(monkeypatch, *arguments) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert "Traceback" not in printed.err
        assert printed.out == ""
