"""Predict with a trained model: from the numbers of a table, or images, to answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hpsearch.data import Exact, Inputs
from hpsearch.data.columns import Column, from_json
from hpsearch.data.columns.encode import encoded
from hpsearch.engine.bayesian import Posterior
from hpsearch.engine.checkpoint import with_weights
from hpsearch.engine.stacked_cohort import TrainingTask
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN
from hpsearch.model.weights import MemberInfo, ModelInfo, TrainedMember, TrainedModel

_EVALUATED = 2**22  # numbers that the widest layer gives at once: 16 MiB of float32
_LEAST, _MOST = 64, 4096  # rows that are predicted at once


class Predictor:
    """A trained model that answers: with the mean of what its networks answer.

    It gives the same for a row whatever other rows come with it.

    Attributes:
        model: the model itself.
        info: what it is.
        columns: the columns of a table that it reads, in their order; () for images.
        members: its networks as they answer.
        networks: how many networks answer: those that Bayesian ones stand for are counted each.
    """

    def __init__(self, model: TrainedModel) -> None:
        """Set up the networks.

        Raises:
            ValueError: the weights are those of another network.
        """
        self.model = model
        self.info = info = model.info
        self.columns = tuple(from_json(column) for column in info.columns)
        self.members = [
            PredictingMember(info, self.columns, own, trained)
            for own, trained in zip(info.members, model.members, strict=True)
        ]
        self.networks = sum(member.networks for member in self.members)
        self._rows = min(member.rows for member in self.members)

    def answers(self, inputs: Inputs) -> Exact:
        """Return what the model answers to inputs as a data set keeps them.

        The answers are (rows, classes) probabilities, or (rows, 1) numbers in the target's unit.
        """
        return self._joined(self._answers(block).mean(0) for block in self._blocks(inputs))

    def standard_deviations(self, inputs: Inputs) -> Exact:
        """Return how far the networks' answers scatter, in the shape and unit of the answers.

        Raises:
            ValueError: the model is one network.
        """
        return self.answers_with_std(inputs)[1]

    def answers_with_std(self, inputs: Inputs) -> tuple[Exact, Exact]:
        """Return the answers, and how far those of the networks scatter around them.

        Raises:
            ValueError: the model is one network.
        """
        if self.networks == 1:
            raise ValueError("this model is one network, whose answers do not scatter")
        means, stds = [], []
        for block in self._blocks(inputs):
            answers = self._answers(block)
            each = [
                own[None] if member.networks == 1 else member.each(block)
                for member, own in zip(self.members, answers, strict=True)
            ]
            means.append(answers.mean(0))
            stds.append(np.concatenate(each).std(0, ddof=1))
        return self._joined(means), self._joined(stds)

    def _answers(self, block: Inputs) -> Exact:
        """Return the answers of all members to a few rows, (members, rows, ...)."""
        return np.stack([member.predict(block) for member in self.members])

    def _joined(self, blocks: Iterable[Exact]) -> Exact:
        return np.concatenate([np.empty((0, len(self.info.classes) or 1)), *blocks])

    def _blocks(self, inputs: Inputs) -> Iterator[Inputs]:
        """Yield a few rows at a time."""
        for start in range(0, len(inputs), self._rows):
            yield inputs[start : start + self._rows]


class PredictingMember:
    """One network of a model, as it answers.

    Attributes:
        scaling: how its features, or images, are scaled.
        networks: how many networks it stands for.
        rows: how many rows it may be given at once.
    """

    def __init__(
        self,
        info: ModelInfo,
        columns: Sequence[Column],
        own: MemberInfo,
        trained: TrainedMember,
    ) -> None:
        """Set up the network.

        Raises:
            ValueError: the weights are those of another network.
        """
        self._info, self._columns, self.scaling = info, columns, trained.scaling
        member = Member(own.trial, own.settings, own.replicate, own.fold, seed_group=own.seed_group)
        task = TrainingTask(info.shape, len(info.classes) or 1, info.seed)
        stacked = with_weights([member], task, [trained.weights], torch.empty(0))
        posterior = Posterior(**trained.posterior) if trained.posterior else None
        inference = BAYESIAN.load(str(own.settings["bayesian"]))
        classifies = bool(info.classes)
        self._predict = inference.predict(stacked, classifies, posterior)
        self._networks = inference.networks(stacked, classifies, posterior)
        self.networks = inference.count
        self.rows = max(_LEAST, min(_MOST, _EVALUATED // stacked.widest))

    def predict(self, block: Inputs) -> Exact:
        """Return its answers to a few rows, (rows, classes) or (rows, 1)."""
        with torch.inference_mode():
            return self.of_encoded(self._encoded(block)).numpy()

    def each(self, block: Inputs) -> Exact:
        """Return the answers of all networks that it stands for, (networks, rows, ...)."""
        with torch.inference_mode():
            return self._in_units(self._networks(self._encoded(block).float())[:, 0]).numpy()

    def of_encoded(self, rows: Tensor) -> Tensor:
        """Return its answers (rows, ...) to rows that are encoded, in float64."""
        return self._in_units(self._predict(rows.float())[0])

    def _encoded(self, block: Inputs) -> Tensor:
        return torch.from_numpy(encoded(block, self._columns, self.scaling))

    def _in_units(self, outputs: Tensor) -> Tensor:
        """Return probabilities, or numbers in the target's unit."""
        if self._info.classes:
            return outputs.double().softmax(-1)
        return outputs.double() * self._info.target_scale + self._info.target_center
