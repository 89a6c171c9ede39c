"""Diagnosis: what a probe measures, and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.cli import main
from hpsearch.data import Dataset
from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import _probe, probes
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.diagnosis import Probe
from hpsearch.engine.structure.members import Member
from hpsearch.engine.train import build_cohort
from tests.commands.test_end_to_end import hpsearch
from tests.helpers.problems import blobs, member, pictures

DATA = blobs(rows=320)


def probed(
    *members: Member, data: Dataset = DATA, epochs: int = 1, dtype: torch.dtype = torch.float64
) -> dict[int, tuple[Probe, ...]]:
    """Return every member's probes, by its number."""
    found: dict[int, list[Probe]] = {}
    for probe in probes(Feed(data, "cpu", dtype), members, 0, epochs):
        found.setdefault(probe.number, []).append(probe)
    return {number: tuple(its) for number, its in found.items()}


class TestProbe:
    def test_variance_and_gradient_at_the_start_are_those_by_hand(self) -> None:
        one = member(0, width=8, depth=1, batch_size=256)
        feed = Feed(DATA, "cpu", torch.float64)
        stacked = StackedCohort([one], TrainingTask(DATA.shape, DATA.outputs, 0), feed.like)
        W, b, V, c = (view[0].clone().requires_grad_() for view in stacked.weights.views)
        ((x, y, _),) = feed.epoch(1, 256, 0)
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
        stacked = StackedCohort(
            [one], TrainingTask(DATA.shape, DATA.outputs, 0), Feed(DATA, "cpu", torch.float64).like
        )
        weights = torch.cat([view.flatten() for view in stacked.weights.views[:2]]).norm().item()
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
        stacked = build_cohort(feed, [member(0, norm="batch")], 0)
        before = stacked.weights.flat.clone()
        _probe(stacked, feed)
        assert torch.equal(stacked.weights.flat, before)

    @pytest.mark.parametrize("activation", ["relu", "gelu"])
    def test_units_that_are_off_for_every_row_are_dead(self, activation: str) -> None:
        feed = Feed(DATA, "cpu")
        stacked = build_cohort(feed, [member(0, width=8, activation=activation)], 0)
        with torch.no_grad():
            stacked.weights.views[1][0, :3] = -1e3  # three of eight biases
        assert probe_of(stacked, feed).layers[0].dead == 3 / 8

    @pytest.mark.parametrize(("scale", "least", "most"), [(100.0, 0.9, 1.0), (0.01, 0.0, 0.0)])
    def test_of_tanh_the_saturated_outputs_are_counted(
        self, scale: float, least: float, most: float
    ) -> None:
        one = member(0, width=32, depth=2, activation="tanh", init_scale=scale)
        first, *_ = probed(one, dtype=torch.float32)[0]
        assert first.layers[0].dead is not None
        assert least <= first.layers[0].dead <= most


def probe_of(stacked: StackedCohort, feed: Feed) -> Probe:
    """Return a probe of a cohort as it is, the first one of the generator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpsearch.engine.probes.build_cohort", lambda *_: stacked)
        return next(probes(feed, stacked.members, 0, 0))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Return the exit code of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["hpsearch", "diagnose", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


class TestCommand:
    @pytest.mark.slow
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

    @pytest.mark.slow
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
