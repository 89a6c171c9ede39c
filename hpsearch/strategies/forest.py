"""The forest surrogate: random trees of scikit-optimize, which disagree where little is known.

A tree asks for one parameter at a time, so that conditions and steps cost it nothing.

Notation
    U, Z      [n, D] places of the trials that ended, and [p, D] of others that are pending
    mu, s     mean and standard deviation at a place: over the trees, the mean of their leaves'
              means, and the root of the variance of these plus the mean variance within leaves
    c(x, z)   the share of the trees in which two places lie in one leaf                        (1)
    k         s(x) s(z) c(x, z), the covariance of the errors at two places                     (2)
    w         the variance of one run's noise

Sources: Breiman 2001; Hutter, Hoos & Leyton-Brown 2011 (SMAC: forests with a standard deviation);
Hutter, Xu, Hoos & Leyton-Brown 2014 (s); Scornet 2016 (1 is a kernel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from skopt.learning import RandomForestRegressor

Array = NDArray[np.float64]

_TREES = 40
_LEAF = 2  # trials in a leaf at least, so that a leaf has a variance
_MIN_VARIANCE = 1e-4  # of a leaf: two trials that agree by chance say little
_NOISE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A fitted forest: a model of one part.

    Attributes:
        trees: scikit-optimize's.
        noise: the variance of one run's score.
        means: [n] the means at the trials, those at pending places last.
        pending: [p, D] places that count as observed, see `fantasize`.
    """

    trees: RandomForestRegressor
    noise: float
    means: Array
    pending: Array

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation, [1, n] each, of the score without noise at places."""
        mu, s = self._predict(U)
        if len(self.pending):
            _, s_z = self._predict(self.pending)
            k = np.outer(s, s_z) * self._together(U, self.pending)
            K = np.outer(s_z, s_z) * self._together(self.pending, self.pending)
            K.flat[:: len(K) + 1] += self.noise
            explained = np.einsum("ij,ij->i", k, np.linalg.solve(K, k.T).T)
            s = np.sqrt(np.maximum(s * s - explained, _MIN_VARIANCE))
        return mu[None], s[None]

    def fitted(self) -> Array:
        """Return the mean of the score at the trials: [1, n]."""
        return self.means[None]

    def fantasize(self, U: Array) -> Forest:
        """Return the model as if one run at each place had given exactly the mean expected there.

        No mean moves. The standard deviation shrinks as that of a Gaussian process with the
        covariance (2) would: where most trees have a place in one leaf with a pending one, a
        result there says most of what there is to know.
        """
        means = np.append(self.means, self._predict(U)[0])
        return replace(self, means=means, pending=np.concatenate([self.pending, U]))

    def _predict(self, U: Array) -> tuple[Array, Array]:
        mu, s = self.trees.predict(U, return_std=True)
        return mu, np.sqrt(np.maximum(s * s, _MIN_VARIANCE))

    def _together(self, U: Array, Z: Array) -> Array:
        """Return c of rows of U [n, D] and Z [p, D]: [n, p]; equation (1)."""
        mine, its = self.trees.apply(U), self.trees.apply(Z)
        together: Array = (mine[:, None] == its[None]).mean(axis=2)
        return together


def fit(groups: Sequence[slice], U: Array, y: Array, m: Array) -> Forest:
    """Return the forest fitted to the trials; the same arguments give the same forest.

    Args:
        groups: the columns of each parameter, which trees do not need to know.
        U: [n, D] places of the trials in the unit cube; n >= 2.
        y: [n] their scores, of mean 0 and standard deviation 1.
        m: [n] how many runs each score is the mean of: the weight of a trial.
    """
    trees = RandomForestRegressor(
        _TREES,
        min_samples_leaf=_LEAF,
        max_features=5 / 6,
        min_variance=_MIN_VARIANCE,
        random_state=0,
    )
    trees.fit(U, y, sample_weight=m)
    return Forest(trees, _NOISE, trees.predict(U), np.empty((0, U.shape[1])))
