"""The data sets that come with scikit-learn, which need no download."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from hpsearch.data import DataSpec, RawData
from hpsearch.data.columns import number_columns

_TABLES = {"wine": load_wine, "breast_cancer": load_breast_cancer}


def load(spec: DataSpec) -> RawData:
    """Return the data set that `spec.source` names: `digits` as images, the others as tables."""
    name = spec.source
    if name == "digits":
        digits = load_digits()
        images = digits.images[:, None].astype(np.float32)  # whole numbers up to 16
        return RawData(name, images, digits.target, target="digit", task="classification")
    if name == "diabetes":
        # By default scikit-learn scales it by the mean and the standard deviation of all rows,
        # those of the test split among them.
        table = load_diabetes(scaled=False)
        columns = number_columns(table.feature_names)
        return RawData(name, table.data, table.target, columns, "progression", "regression")
    table = _TABLES[name]()
    labels = np.asarray(table.target_names)[table.target]
    columns = number_columns([str(name) for name in table.feature_names])
    return RawData(name, table.data, labels, columns, "class", "classification")
