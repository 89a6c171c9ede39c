"""Predict with a trained model: from the numbers of a table, or images, to answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.data import Exact, Inputs
from hpsearch.data.columns import from_json
from hpsearch.data.columns.encode import encoded
from hpsearch.engine.bayesian import Posterior
from hpsearch.engine.checkpoint import with_weights
from hpsearch.engine.stacked_cohort import TrainingTask
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN
from hpsearch.model.weights import TrainedModel

_EVALUATED = 2**22  # numbers that the widest layer gives at once: 16 MiB of float32
_LEAST, _MOST = 64, 4096  # rows that are predicted at once


class Predictor:
    """A trained network that answers.

    It gives the same for a row whatever other rows come with it.

    Attributes:
        info: what the model is.
        columns: the columns of a table that it reads, in their order; () for images.
    """

    def __init__(self, model: TrainedModel) -> None:
        """Set up the network.

        Raises:
            ValueError: the weights are those of another network.
        """
        self.info = info = model.info
        self.columns = tuple(from_json(column) for column in info.columns)
        self._scaling = model.scaling
        member = Member(
            info.trial, info.settings, info.replicate, info.fold, seed_group=info.seed_group
        )
        task = TrainingTask(info.inputs, len(info.classes) or 1, info.seed)
        stacked = with_weights(member, task, model.weights, torch.empty(0))
        posterior = Posterior(**model.posterior) if model.posterior else None
        answers = BAYESIAN.load(str(info.settings["bayesian"]))
        self._predict = answers.predict(stacked, bool(info.classes), posterior)
        self._rows = max(_LEAST, min(_MOST, _EVALUATED // stacked.widest))

    def answers(self, inputs: Inputs) -> Exact:
        """Return what the model answers to inputs as a data set keeps them.

        The answers are (rows, classes) probabilities, or (rows, 1) numbers in the target's unit.
        """
        empty = np.empty((0, len(self.info.classes) or 1))
        return np.concatenate([empty, *self._blocks(inputs)])

    def _blocks(self, inputs: Inputs) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(inputs), self._rows):
            block = encoded(inputs[start : start + self._rows], self.columns, self._scaling)
            with torch.inference_mode():
                outputs = self._predict(torch.from_numpy(block).float())[0].double()
                if self.info.classes:
                    yield outputs.softmax(1).numpy()
                else:
                    yield outputs.numpy() * self.info.target_scale + self.info.target_center
