"""A model in Python: an estimator of scikit-learn's kind that is fitted already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

import hpsearch
from hpsearch.errors import SpecError


@pytest.fixture
def frame(exported: Path) -> pd.DataFrame:
    return pd.read_csv(exported / "t.csv")


def test_classes_are_predicted_by_their_names(exported: Path, frame: pd.DataFrame) -> None:
    model = hpsearch.load(exported / "classes")
    assert is_classifier(model)
    assert model.classes_.tolist() == ["a", "b"]
    assert model.feature_names_in_.tolist() == ["n", "c", "day"]
    probabilities = model.predict_proba(frame)
    assert probabilities.sum(1) == pytest.approx(1)
    best = [model.classes_[k] for k in probabilities.argmax(1)]
    assert model.predict(frame).tolist() == best
    assert model.score(frame, frame["y"]) == np.mean(np.array(best) == frame["y"])


def test_numbers_are_predicted_in_the_unit_of_the_target(
    exported: Path, frame: pd.DataFrame
) -> None:
    model = hpsearch.load(exported / "numbers")
    assert is_regressor(model)
    assert abs(np.mean(model.predict(frame)) - frame["z"].mean()) < 2 * frame["z"].std()


def test_images_are_predicted_from_arrays(exported: Path) -> None:
    model = hpsearch.load(exported / "images")
    images = load_digits().images[:9, None]
    assert model.classes_.tolist() == list(range(10))
    assert model.predict_proba(images).shape == (9, 10)
    with pytest.raises(ValueError, match=r"images of shape \(1, 8, 8\) are needed"):
        model.predict(images[:, 0])


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_it_works_where_fitted_estimators_do(
    exported: Path, frame: pd.DataFrame, kind: str
) -> None:
    model: Any = hpsearch.load(exported / kind)
    target = frame["y" if kind == "classes" else "z"]
    X = frame[["n", "c", "day"]]
    check_is_fitted(model)
    scorer = get_scorer("roc_auc" if kind == "classes" else "r2")
    assert np.isfinite(scorer(model, X, target))
    found = permutation_importance(model, X, target, n_repeats=2, random_state=0)
    assert found.importances.shape == (3, 2)
    assert partial_dependence(model, X, ["n"], grid_resolution=5)["average"].shape == (1, 5)
    pipeline = make_pipeline(FunctionTransformer(), model)
    assert np.array_equal(pipeline.predict(X), model.predict(X))
    assert np.array_equal(FrozenEstimator(model).fit(X, target).predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["classes", "numbers", "images"])
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_mixin_order,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_param_validation,
    ],
    ids=lambda check: check.__name__,
)
def test_it_passes_those_checks_of_scikit_learn_that_need_no_fit(
    exported: Path, kind: str, check: Callable[[str, object], None]
) -> None:
    check("model", hpsearch.load(exported / kind))


def test_it_can_be_calibrated(exported: Path, frame: pd.DataFrame) -> None:
    model = hpsearch.load(exported / "classes")
    X = frame[["n", "c", "day"]]
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X, frame["y"])
    assert calibrated.predict_proba(X).shape == (len(X), 2)


def test_fit_and_clone_say_what_to_do(exported: Path, frame: pd.DataFrame) -> None:
    model = hpsearch.load(exported / "classes")
    with pytest.raises(TypeError, match="search again for another one"):
        model.fit(frame, frame["y"])
    with pytest.raises(TypeError, match="FrozenEstimator"):
        clone(model)


def test_a_frame_without_its_columns_is_refused(exported: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="has no column 'c', 'day'"):
        hpsearch.load(exported / "classes").predict(frame[["n"]])
