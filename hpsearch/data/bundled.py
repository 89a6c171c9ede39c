"""The data sets that come with scikit-learn: nothing to download."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from hpsearch.data import DataSpec, Raw

_TABLES = {"wine": load_wine, "breast_cancer": load_breast_cancer}


def load(spec: DataSpec) -> Raw:
    """The data set named by `spec.source`: `digits` as images of one channel, the others as tables."""
    name = spec.source
    if name == "digits":
        digits = load_digits()
        return Raw(
            name, digits.images[:, None], digits.target, target="digit", task="classification"
        )
    if name == "diabetes":
        # scikit-learn's default is scaled by the mean and deviation of all rows, test rows included
        table = load_diabetes(scaled=False)
        return Raw(
            name, table.data, table.target, tuple(table.feature_names), "progression", "regression"
        )
    table = _TABLES[name]()
    labels = np.asarray(table.target_names)[table.target]
    return Raw(
        name, table.data, labels, tuple(map(str, table.feature_names)), "class", "classification"
    )
