"""Search the settings of a Python function in two worker processes, and keep the calls in a folder.

    python examples/own_objective.py

prints the best settings of 24 calls, and then those of 36, of which only the last 12 are made:

    24 calls: degree 6, l2 0.0023, loss 0.0157
    36 calls: degree 6, l2 0.0011, loss 0.0123

With a folder that stays in place of the temporary one, an interrupted search goes on where it
stopped: the calls that were made are not made again.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import hpsearch
from hpsearch.space.space import Params

SPACE = {
    "degree": {"min": 1, "max": 12},
    "l2": {"min": 1e-6, "max": 1.0, "log": True},
}


def loss(params: Params) -> float:
    """Fit a polynomial by ridge regression, and return its mean squared error on other points."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, 40)
    y = np.sin(4.0 * x) + rng.normal(0.0, 0.1, len(x))
    powers = x[:, None] ** np.arange(int(params["degree"]) + 1)
    fitted, judged = slice(0, 20), slice(20, None)
    A, b = powers[fitted], y[fitted]
    weights = np.linalg.solve(A.T @ A + float(params["l2"]) * np.eye(A.shape[1]), A.T @ b)
    return float(np.mean((powers[judged] @ weights - y[judged]) ** 2))


def main() -> None:
    """Search, and go on with a larger budget."""
    with TemporaryDirectory() as folder:
        for budget in (24, 36):
            found = hpsearch.minimize(
                loss,
                SPACE,
                strategy="bayes",
                budget=budget,
                wave=4,  # calls that are asked for together, and so can be made at the same time
                workers=2,
                study=Path(folder) / "study",
            )
            assert found.best is not None
            degree, l2 = found.best.params["degree"], found.best.params["l2"]
            line = f"degree {degree}, l2 {l2:.2g}, loss {found.best.loss:.4f}"
            print(f"{len(found.trials)} calls: {line}")


if __name__ == "__main__":  # workers import this file, and must not search as well
    main()
