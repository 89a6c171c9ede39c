"""The data in the device's memory: batches of scaled inputs, and how good outputs are on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hpsearch.data import Dataset, Ints
from hpsearch.data.baseline import constant_loss
from hpsearch.data.columns.encode import blocks
from hpsearch.data.weights import variance
from hpsearch.engine.draws import generator
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.members import Stream
from hpsearch.engine.structure.settings import BAYESIAN
from hpsearch.engine.tallies import TALLIES, Judged
from hpsearch.metrics import LOSS, METRICS, Numbers, measured

Split = Literal["train", "validation", "test"]

_FIRST = Stream()
_GATHERED = 2**20  # how many numbers of inputs are brought into an epoch's order at once
# how many numbers the widest layer of all members may give at once: 16 MiB of float32
_EVALUATED = 2**22


class Batch(NamedTuple):
    """Rows of the data, as all members see them, or as each does.

    `inputs` are [B, *inputs] or [K, B, *inputs], `targets` and `weights` [B] or [K, B]. Without
    weights each row counts 1.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None

    @property
    def counted(self) -> Tensor | int:
        """How much its rows count together: a number, or one for each member, [K]."""
        if self.weights is None:
            return self.targets.shape[-1]
        return self.weights.double().sum(-1)


class Answers(NamedTuple):
    """What the members answer to a batch of a split: outputs [K, B, outputs].

    `targets` are [B], or [K, B] where members have rows of their own. `weights` and `counts` have
    the same shape: how much each row counts in a loss and in a metric, which is 0 for rows that
    only fill up the batch. Where the rows of one member are resampled, `outputs` are [1, B,
    outputs] and `weights` and `counts` [K, B], with a row for each resample.
    """

    outputs: Tensor
    targets: Tensor
    weights: Tensor
    counts: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """How many members, or resamples, are judged on how many rows."""
        return max(len(self.outputs), self.counts[..., 0].numel()), self.outputs.shape[1]


class Scores(NamedTuple):
    """The mean loss of each member on a split, and its metric (NaN: not defined)."""

    losses: list[float]
    metrics: list[float]


class Feed:
    """One split data set on a device.

    Images that are kept as bytes stay bytes, and are scaled on their way into a batch. Other inputs
    are encoded in float64 and kept, once for each fold: a row of the feed is then
    `fold * rows + row`.

    Attributes:
        like: an empty tensor of the dtype and device of all computations.
        n_train: how many rows each member trains on in an epoch. Where the folds differ by one row,
            all but the smallest leave out one row, another one in each epoch.
    """

    def __init__(self, data: Dataset, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.data = data
        self.like = torch.empty(0, device=device, dtype=dtype)
        self.classifies = data.task == "classification"
        self.n_train = min(len(fold.train) for fold in data.folds)
        targets = torch.from_numpy(data.targets).to(device)
        center, scale = (
            torch.from_numpy(np.stack(parts)).to(self.like)
            for parts in zip(*((fold.center, fold.scale) for fold in data.folds), strict=True)
        )
        self._center, self._factor = center, 1.0 / scale
        weights = None if data.weights is None else torch.from_numpy(data.weights).to(self.like)
        self._bytes = data.inputs.dtype == np.uint8
        if self._bytes:
            self._inputs = torch.from_numpy(data.inputs).to(device)
        else:
            targets = targets.repeat(len(data.folds))
            weights = None if weights is None else weights.repeat(len(data.folds))
            self._inputs = self._encoded(data)
        self._targets = targets if self.classifies else targets.to(self.like)
        self._weights = weights
        self._variances: dict[tuple[Split, int], float] = {}
        self._minus = self.like.new_full((1, 1, 1), -1.0)

    def _encoded(self, data: Dataset) -> Tensor:
        """Return the inputs as each fold has them, one fold after the other."""
        rows = len(data.inputs)
        inputs = self.like.new_empty((len(data.folds) * rows, *data.shape.sides))
        for k, fold in enumerate(data.folds):
            for start, block in blocks(data.inputs, data.columns, fold):
                at = k * rows + start
                inputs[at : at + len(block)] = torch.from_numpy(block)
        return inputs

    def _scaled(self, x: Tensor, fold: int | Tensor) -> Tensor:
        return (x.to(self.like) - self._center[fold]) * self._factor[fold]

    def batch(self, rows: Tensor, folds: Sequence[int]) -> Batch:
        """Return the feed's rows [B] of one fold.

        Rows [K, B] are those of each member's fold. `folds` has the fold of each member.
        """
        found = self._gather(rows)
        return found._replace(inputs=self._ready(found.inputs, folds, rows.dim() == 1))

    def _gather(self, rows: Tensor) -> Batch:
        """Return rows [...], their inputs as they are kept."""
        flat = rows.reshape(-1)
        # `index_select` is twice as fast as an index
        inputs, targets = (kept.index_select(0, flat) for kept in (self._inputs, self._targets))
        weights = None if self._weights is None else self._weights.index_select(0, flat)
        return Batch(
            inputs.view(*rows.shape, *self._inputs.shape[1:]),
            targets.view(rows.shape),
            None if weights is None else weights.view(rows.shape),
        )

    def _ready(self, inputs: Tensor, folds: Sequence[int], alone: bool) -> Tensor:
        """Return inputs scaled, where they are not yet.

        They are [B, *inputs] of one fold where `alone`, else [K, B, *inputs] of each member's fold.
        """
        if not self._bytes:
            return inputs
        return self._scaled(inputs, folds[0] if alone else torch.tensor(folds).unsqueeze(1))

    def rows(self, found: Ints, fold: int) -> Tensor:
        """Return the feed's rows for rows of the data set, scaled as the fold says."""
        offset = 0 if self._bytes else fold * len(self.data.inputs)
        return torch.from_numpy(found + offset)

    def epoch(
        self, number: int, batch_size: int, seed: int, streams: Sequence[Stream] = (_FIRST,)
    ) -> Iterator[Batch]:
        """Yield batches: the training rows in this epoch's order.

        The last batch may be smaller. Inputs are [B, *inputs] where all members see the same rows,
        else [K, B, *inputs].

        Args:
            number: the epoch, from 1.
            batch_size: rows in a batch.
            seed: the study's.
            streams: each member's.
        """
        orders = {stream: self._order(number, seed, stream) for stream in dict.fromkeys(streams)}
        folds = [stream.fold for stream in streams]
        alone = len(orders) == 1
        rows = orders[streams[0]] if alone else torch.stack([orders[stream] for stream in streams])
        rows = rows.to(self._inputs.device)
        # a few batches are gathered at once, since small gathers take longer
        numbers = rows[..., :batch_size].numel() * self.data.features
        most = max(1, _GATHERED // numbers) * batch_size
        for begin in range(0, self.n_train, most):
            part = rows[..., begin : begin + most]
            inputs, targets, weights = self._gather(part)
            for start in range(0, part.shape[-1], batch_size):
                taken = slice(start, start + batch_size)
                at = taken if alone else (slice(None), taken)
                x = self._ready(inputs[at], folds, alone)
                yield Batch(x, targets[at], None if weights is None else weights[at])

    def _order(self, number: int, seed: int, stream: Stream) -> Tensor:
        """Return the feed's rows that a stream trains on, in the order of this epoch.

        All rows have one order for each seed, and each fold takes from it those that it trains on.
        """
        draws = generator("cpu", seed, "order", stream.seed_index, number)
        training = self.rows(self.data.folds[stream.fold].train, stream.fold)
        if len(self.data.folds) == 1:
            return training[torch.randperm(len(training), generator=draws)]
        among = torch.randperm(len(self.data.inputs), generator=draws)
        place = torch.empty_like(among)
        place[among] = torch.arange(len(among))
        return training[place[self.data.folds[stream.fold].train].argsort()][: self.n_train]

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy or squared error of each row, [K, B].

        Outputs are [K, B, outputs], targets [B] or [K, B].
        """
        if not self.classifies:
            return (outputs[..., 0] - targets).square()
        right = outputs.gather(2, _indices(targets, outputs))
        return (outputs.logsumexp(2, keepdim=True) - right).squeeze(2)

    def objective(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return each member's loss over a batch, [K], and its derivative by the outputs.

        The loss is the sum of the rows' weighted losses over their number: weights are 1 in the
        mean of all training rows, and not of each batch. The derivative [K, B, outputs] is written
        out, since autograd takes three times as long.
        """
        o = outputs.detach()
        if self.classifies:
            losses, derivative = self._cross_entropy(o, targets)
            factor = 1.0
        else:
            derivative = o - targets.unsqueeze(-1)
            losses, factor = derivative.square(), 2.0
        if weights is not None:
            losses, derivative = (each * weights.unsqueeze(-1) for each in (losses, derivative))
        return losses.mean((1, 2)), derivative.mul_(factor / outputs.shape[1])

    def _cross_entropy(self, o: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each row, [K, B, 1], and its derivative by the outputs."""
        index = _indices(targets, o)
        below = o - o.amax(2, keepdim=True)  # the largest is 0, so that no exponential overflows
        right = below.gather(2, index)
        e = below.exp_()
        total = e.sum(2, keepdim=True)
        losses = total.log() - right
        # softmax(o) - 1 at the right class
        return losses, e.div_(total).scatter_add_(2, index, self._minus.expand_as(index))

    def score(self, stacked: StackedCohort, name: Split, metric: str = LOSS) -> Scores:
        """Return how good each member is on a split, by the loss and by what a search measures."""
        folds = [member.fold for member in stacked.members]
        with torch.inference_mode():
            return self.judge(
                self.answers(stacked, name),
                metric,
                lambda: np.array([self.variance(name, fold) for fold in folds]),
            )

    def judge(
        self, answers: Iterable[Answers], metric: str, variances: Callable[[], Numbers]
    ) -> Scores:
        """Return how good answers are, by the loss and by what a search measures.

        Args:
            answers: in batches.
            metric: what the search is judged by.
            variances: gives the variance of the targets of each member's rows, [K].
        """
        judged = METRICS[measured(metric, self.data.task)]
        loss, weights, rows = (self.like.new_zeros(1, dtype=torch.float64) for _ in range(3))
        tally = TALLIES[judged.tally](self)
        for batch in answers:
            loss = loss + (self.losses(batch.outputs, batch.targets) * batch.weights).sum(1)
            weights = weights + batch.weights.sum(-1, dtype=torch.float64)
            rows = rows + batch.counts.sum(-1, dtype=torch.float64)
            tally.add(batch)
        losses = (loss / weights).cpu().numpy()
        record = tally.record(Judged(losses, rows.cpu().numpy(), variances))
        return Scores(losses.tolist(), judged.value(record).tolist())

    @cached_property
    def constant_losses(self) -> list[float]:
        """The loss of the constant predictor on the training rows of each fold."""
        data = self.data
        return [constant_loss(data, fold.train, fold.train) for fold in data.folds]

    def spread_losses(self, stacked: StackedCohort, most: int) -> list[float]:
        """Return each member's mean loss, [K], on at most so many of its training rows.

        They are spread over all of them, since files are often sorted by what is to be predicted.
        """
        folds = [member.fold for member in stacked.members]
        rows, counts = self._split_rows("train", folds)
        step = -(-rows.shape[-1] // most)
        rows, counts = rows[..., ::step], counts[..., ::step]
        with torch.inference_mode():
            batch = self.batch(rows, folds)
            weights = _weighed(counts, batch).double()
            losses = self.losses(stacked.outputs(batch.inputs), batch.targets).double()
        found: list[float] = ((losses * weights).sum(1) / weights.sum(-1)).tolist()
        return found

    def answers(
        self,
        stacked: StackedCohort,
        name: Split,
        predict: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Answers]:
        """Yield what `predict` gives for the rows of a split, in batches.

        Without it these are the members' own answers, as their setting `bayesian` says.
        """
        if predict is None:
            predict = BAYESIAN.load(str(stacked.settings["bayesian"]))(stacked, self)
        folds = [member.fold for member in stacked.members]
        rows, counts = self._split_rows(name, folds)
        size = max(64, min(4096, _EVALUATED // (len(folds) * stacked.widest)))
        for start in range(0, rows.shape[-1], size):
            batch = self.batch(rows[..., start : start + size], folds)
            own = counts[..., start : start + size]
            weights = _weighed(own, batch)
            counted = own if self.data.metric_weights is None else weights
            yield Answers(predict(batch.inputs), batch.targets, weights, counted)

    def mean_answers(self, stacked: StackedCohort, name: Split) -> Iterator[Answers]:
        """Yield the members' mean answers to the rows of a split, in batches, as those of one."""
        for batch in self.answers(stacked, name):
            yield batch._replace(outputs=self._mean(batch.outputs))

    def _mean(self, outputs: Tensor) -> Tensor:
        """Return the mean answer [1, B, outputs] of members: that of probabilities, or numbers."""
        if len(outputs) == 1:
            return outputs
        if self.classifies:
            return outputs.log_softmax(2).logsumexp(0, keepdim=True)
        return outputs.mean(0, keepdim=True)

    def _split_rows(self, name: Split, folds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the feed's rows of a split, and a count for each.

        They are [B], or [K, B] where the members' folds differ. Shorter folds are filled up with
        rows that count 0.
        """
        split = [self._split(name, fold) for fold in folds]
        if len(set(folds)) == 1:
            rows = self.rows(split[0], folds[0])
            return rows.to(self._inputs.device), self.like.new_ones(len(rows))
        most = max(map(len, split))
        padded = [np.resize(found, most) for found in split]
        rows = torch.stack(
            [self.rows(found, fold) for found, fold in zip(padded, folds, strict=True)]
        )
        lengths = torch.tensor([len(found) for found in split]).unsqueeze(1)
        counts = (torch.arange(most) < lengths).to(self.like)
        return rows.to(self._inputs.device), counts

    def _split(self, name: Split, fold: int) -> Ints:
        mine = self.data.folds[fold]
        return {"train": mine.train, "validation": mine.validation, "test": self.data.test}[name]

    def variance(self, name: Split, fold: int) -> float:
        """Return the variance of the targets of a split's rows."""
        if (name, fold) not in self._variances:
            rows, weights = self._split(name, fold), self.data.metric_weights
            own = None if weights is None else weights[rows]
            self._variances[name, fold] = variance(self.data.targets[rows], own)
        return self._variances[name, fold]


def _weighed(counts: Tensor, batch: Batch) -> Tensor:
    """Return how much the rows of a batch count in a loss, by their counts and their weights."""
    return counts if batch.weights is None else counts * batch.weights


def _indices(targets: Tensor, outputs: Tensor) -> Tensor:
    """Return the classes as `gather` takes them, [K, B, 1]."""
    return targets.expand(len(outputs), -1).unsqueeze(2)
