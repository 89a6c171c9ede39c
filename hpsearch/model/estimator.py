"""A trained model as a fitted estimator of scikit-learn's kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from hpsearch.data import Exact, Inputs, values
from hpsearch.model import folder
from hpsearch.model.predictor import Predictor
from hpsearch.model.rows import of_frame
from hpsearch.space.parameters import Value

_FIT = "an exported model is trained: search again for another one (hpsearch bayes)"
_CLONE = (
    "an exported model cannot be cloned, since a clone is not trained: use the model itself, or "
    "wrap it in sklearn.frozen.FrozenEstimator"
)


def load(path: str | Path) -> Classifier | Regressor:
    """Return the model of a folder that `hpsearch export` wrote, as a fitted estimator.

    It predicts from a data frame (pandas, Polars, Arrow) by the names of its columns, or from an
    array in their order; and for a model of images from an array (rows, channels, height, width).

    Raises:
        SpecError: there is no model.
        DamagedModel: it is damaged, or of a newer format.
    """
    return _estimator(folder.load(Path(path)))


def _estimator(predictor: Predictor) -> Classifier | Regressor:
    return Classifier(predictor) if predictor.info.classes else Regressor(predictor)


class _Model(BaseEstimator):  # type: ignore[misc]
    """What classifiers and regressors have in common.

    Attributes:
        feature_names_in_: the names of the columns that it reads; there is none for images.
        n_features_in_: how many columns it reads, or how many numbers an image has.
        settings: all settings of its training.
        members_: the networks whose answers it averages, each as a model of its own.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        info = predictor.info
        self.settings: dict[str, Value] = dict(info.members[0].settings)
        self.n_features_in_ = len(predictor.columns) or int(np.prod(info.inputs))
        if predictor.columns:
            names = [column.name for column in predictor.columns]
            self.feature_names_in_ = np.array(names, dtype=object)

    def fit(self, X: Any, y: Any = None) -> NoReturn:
        """Raise a TypeError: it is trained already."""
        raise TypeError(_FIT)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return nothing: there is no parameter to set."""
        return {}

    @property
    def members_(self) -> list[Classifier | Regressor]:
        """Return the networks whose answers it averages: those of a trial's folds and seeds."""
        model = self._predictor.model
        return [_estimator(Predictor(model.alone(k))) for k in range(len(model.members))]

    def _answers(self, X: Any) -> Exact:
        return self._predictor.answers(self._inputs(X))

    def _standard_deviations(self, X: Any) -> Exact:
        return self._predictor.standard_deviations(self._inputs(X))

    def _inputs(self, X: Any) -> Inputs:
        if self._predictor.columns:
            return of_frame(X, self._predictor.columns)
        images: Inputs = np.asarray(X)
        shape = self._predictor.info.inputs
        if images.shape[1:] != shape:
            raise ValueError(f"images of shape {shape} are needed, not {images.shape[1:]}")
        return images

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> NoReturn:
        raise TypeError(_CLONE)

    def __repr__(self) -> str:
        info = self._predictor.info
        return f"<{self.settings['model']} that predicts {info.target!r}>"


class Classifier(ClassifierMixin, _Model):  # type: ignore[misc]
    """A trained model that predicts classes.

    Attributes:
        classes_: the names of the classes; numbers where all of them are whole numbers.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor)
        self.classes_ = np.array(values.labels(predictor.info.classes))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        found: NDArray[Any] = self.classes_[self._answers(X).argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Exact:
        """Return the probability of each class, (rows, classes)."""
        return self._answers(X)

    def predict_std(self, X: Any) -> Exact:
        """Return the standard deviation of each class's probability among the model's networks.

        Raises:
            ValueError: the model is one network.
        """
        return self._standard_deviations(X)


class Regressor(RegressorMixin, _Model):  # type: ignore[misc]
    """A trained model that predicts numbers."""

    def predict(self, X: Any) -> Exact:
        """Return the number of each row, in the target's unit."""
        return self._answers(X)[:, 0]

    def predict_std(self, X: Any) -> Exact:
        """Return the standard deviation of each prediction among the model's networks.

        It says how far they differ, not how far the target lies from them.

        Raises:
            ValueError: the model is one network.
        """
        return self._standard_deviations(X)[:, 0]
