"""The data sets that come with hpsearch, which need no download: scikit-learn's.

They are stored here as well, since it takes a second and 100 MB to import scikit-learn. Sources:
digits (Alpaydin & Kaynak 1998), wine (Aeberhard & Forina 1992) and breast_cancer (Wolberg et al.
1995), all from the UCI repository; diabetes (Efron et al. 2004), in its own units.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpsearch.data import DataSpec, RawData
from hpsearch.data.columns import number_columns

_FOLDER = Path(__file__).parent.parent / "bundled"


def load(spec: DataSpec) -> RawData:
    """Return the data set that `spec.source` names: `digits` as images, the others as tables."""
    name = spec.source
    with np.load(_FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        found = dict(stored)
    inputs, target = found["inputs"], found["target"]
    if name == "digits":
        images = inputs[:, None].astype(np.float32)  # whole numbers up to 16
        return RawData(name, images, target, target="digit", task="classification")
    columns = number_columns(found["columns"].tolist())
    if name == "diabetes":
        return RawData(name, inputs, target, columns, "progression", "regression")
    return RawData(name, inputs, target, columns, "class", "classification")
