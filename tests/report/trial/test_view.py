"""The record of one trial."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace

import pytest

from hpsearch.errors import SpecError
from hpsearch.report.trial.view import record, trial_report
from hpsearch.space.parameters import Real
from hpsearch.space.space import Params, Space
from hpsearch.study.history import History
from hpsearch.study.trial import Epoch, Trial
from tests.helpers.histories import done
from tests.report.trial.studies import SPEC, STUDY, points


@dataclass(frozen=True)
class OfFunction:
    """The settings of a function, which has no fixed ones and no defaults."""

    space: Space
    fixed: Params = field(default_factory=dict)

    def settings(self, params: Params) -> Params:
        return params


def test_the_parts_of_a_training_that_paused_are_one_curve() -> None:
    went_on = Trial(13, points(12)[4], "one of the best", 9, 9, parent=4, start_epoch=3)
    history = History((*STUDY.history.trials, went_on), STUDY.history.results)
    more = history.with_results({13: replace(done(0.1), curve=(Epoch(13, 4, 0.1, 0.2, 0.9),))})
    found = trial_report(replace(STUDY, history=more), SPEC, 13)
    ((_, epochs),) = found.curves
    assert [at.epoch for at in epochs] == [1, 2, 3, 4]


def test_a_searched_number_has_a_position_in_its_range_and_a_choice_has_none() -> None:
    found = {one.name: one for one in trial_report(STUDY, SPEC, 2).searched}
    lr, optimizer = found["lr"], found["optimizer"]
    assert lr.position == pytest.approx(math.log10(float(lr.value) / 1e-4) / 3)
    assert (lr.low, lr.high) == ("0.0001", "0.1")
    assert (optimizer.position, optimizer.low, optimizer.high) == (None, "", "")


def test_a_number_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="has no trial 13") as raised:
        trial_report(STUDY, SPEC, 13)
    assert raised.value.problems[0].help == "its trials are 0 to 12"
    with pytest.raises(SpecError, match="has no trial 0"):
        trial_report(replace(STUDY, history=History()), SPEC, 0)


def test_json_has_everything_and_null_where_there_is_no_number() -> None:
    found = json.loads(json.dumps(record(trial_report(STUDY, SPEC, 2)), allow_nan=False))
    assert found["schema_version"] == 2
    assert found["settings"].keys() >= {"lr", "width", "epochs", "init", "activation"}
    assert (found["rank"], found["ended"], found["winner"]) == (1, 11, 2)
    assert found["pareto_optimal"] is True
    assert [len(one["epochs"]) for one in found["curves"]] == [4, 2]
    assert found["curves"][0]["epochs"][2]["loss"] is None
    assert [run["loss"] for run in found["runs"]] == [0.1, 0.14]
    assert found["loss"] == pytest.approx(0.12)
    assert found["origin"] == "random"
    model = record(trial_report(STUDY, SPEC, 3))
    assert (model["origin"], model["expected_improvement"]) == ("model", 0.25)
    assert record(trial_report(STUDY, SPEC, 1))["failure"] == "diverged: at once"


def test_a_trial_of_a_function_has_no_other_settings() -> None:
    meta = replace(STUDY.meta, metric=None, has_cost=False, baseline_loss=None)
    trial = Trial(0, {"x": 0.25}, "random", 0, 0, origin="random")
    one = replace(STUDY, meta=meta, history=History((trial,), {0: done(0.5, flops=0.0)}))
    found = trial_report(one, OfFunction(Space({"x": Real(0.0, 1.0)})), 0)
    assert [(one.name, one.position) for one in found.searched] == [("x", 0.25)]
    assert (found.fixed, found.defaults) == ({}, {})
    written = record(found)
    assert written["metric_name"] is None
    assert [written[name] for name in ("metric", "cost", "flops", "baseline")] == [None] * 4
