"""The data in the device's memory: batches of scaled inputs, and what a model's outputs are worth on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hpsearch.data import Dataset, Ints
from hpsearch.engine.draws import generator
from hpsearch.engine.stacked_cohort import Array
from hpsearch.engine.structure.settings import BAYESIAN

Split = Literal["train", "validation", "test"]
Stream = tuple[int, int]
"""A replicate and a fold: members that have both in common see the same batches."""

_FIRST: Stream = (0, 0)
_GATHERED = 2**20  # numbers of inputs brought into an epoch's order at once
_EVALUATED = (
    2**22
)  # weights' outputs at once: 16 MiB of float32 for the widest layer of all members


class Feed:
    """One split data set on a device. Images kept as bytes stay bytes, and are scaled on their way into a batch.

    Other inputs are kept scaled, once for each fold: a row is then `fold * rows + row`.
    """

    def __init__(self, data: Dataset, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.data = data
        self.like = torch.empty(0, device=device, dtype=dtype)
        self.classifies = data.task == "classification"
        self.trained = min(len(fold.train) for fold in data.folds)
        """Rows that each member trains on in an epoch: of folds that differ by one, one row waits for the next."""
        self._center = torch.stack(
            [torch.from_numpy(fold.center).to(self.like) for fold in data.folds]
        )
        self._factor = 1.0 / torch.stack(
            [torch.from_numpy(fold.spread).to(self.like) for fold in data.folds]
        )
        inputs, targets = (torch.from_numpy(a).to(device) for a in (data.inputs, data.targets))
        self._bytes = inputs.dtype == torch.uint8
        if not self._bytes:
            scaled = [self._scaled(inputs, fold) for fold in range(len(data.folds))]
            inputs = torch.cat(scaled) if len(scaled) > 1 else scaled[0]
            targets = targets.repeat(len(scaled))
        self._inputs = inputs
        self._targets = targets if self.classifies else targets.to(self.like)
        self._minus = self.like.new_full((1, 1, 1), -1.0)

    def _scaled(self, x: Tensor, fold: int | Tensor) -> Tensor:
        return (x.to(self.like) - self._center[fold]) * self._factor[fold]

    def batch(self, rows: Tensor, folds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The inputs and targets of rows [B] of one fold, or of rows [K, B] of each member's fold."""
        inputs, targets = self._taken(rows)
        return self._ready(inputs, folds, rows.dim() == 1), targets

    def _taken(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and targets of rows [...], as they are kept; `index_select` is twice as fast as an index."""
        flat = rows.reshape(-1)
        inputs, targets = (kept.index_select(0, flat) for kept in (self._inputs, self._targets))
        return inputs.view(*rows.shape, *self._inputs.shape[1:]), targets.view(rows.shape)

    def _ready(self, inputs: Tensor, folds: Sequence[int], alone: bool) -> Tensor:
        """Inputs of one fold, or [K, B, *inputs] of each member's, scaled where they are not yet."""
        if not self._bytes:
            return inputs
        return self._scaled(inputs, folds[0] if alone else torch.tensor(folds).unsqueeze(1))

    def rows(self, found: Ints, fold: int) -> Tensor:
        """The data set's rows as this feed's, scaled as in the fold."""
        offset = 0 if self._bytes else fold * len(self.data.inputs)
        return torch.from_numpy(found + offset)

    def epoch(
        self, number: int, batch_size: int, seed: int, streams: Sequence[Stream] = (_FIRST,)
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The training rows in this epoch's order, in batches; the last one may be smaller.

        Inputs are [B, *inputs] where all members, one for each of `streams`, are of one stream; else [K, B, *inputs].
        """
        orders = {stream: self._order(number, seed, *stream) for stream in dict.fromkeys(streams)}
        folds = [fold for _, fold in streams]
        alone = len(orders) == 1
        rows = orders[streams[0]] if alone else torch.stack([orders[stream] for stream in streams])
        rows = rows.to(self._inputs.device)
        most = (
            max(1, _GATHERED // (rows[..., :batch_size].numel() * self.data.features)) * batch_size
        )
        for begin in range(0, self.trained, most):
            part = rows[..., begin : begin + most]
            inputs, targets = self._taken(part)
            for start in range(0, part.shape[-1], batch_size):
                taken = slice(start, start + batch_size)
                if alone:
                    yield self._ready(inputs[taken], folds, True), targets[taken]
                else:
                    yield self._ready(inputs[:, taken], folds, False), targets[:, taken]

    def _order(self, number: int, seed: int, replicate: int, fold: int) -> Tensor:
        """A replicate goes through all rows in one order: each fold in it takes those that it trains on."""
        draws = generator("cpu", seed, "order", replicate, number)
        training = self.rows(self.data.folds[fold].train, fold)
        if len(self.data.folds) == 1:
            return training[torch.randperm(len(training), generator=draws)]
        among = torch.randperm(len(self.data.inputs), generator=draws)
        place = torch.empty_like(among)
        place[among] = torch.arange(len(among))
        return training[place[self.data.folds[fold].train].argsort()][: self.trained]

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy or squared error of each row, [K, B], for outputs [K, B, outputs], targets [B] or [K, B]."""
        if not self.classifies:
            return (outputs[..., 0] - targets).square()
        right = outputs.gather(2, _indices(targets, outputs))
        return (outputs.logsumexp(2, keepdim=True) - right).squeeze(2)

    def objective(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each member's mean loss over a batch, [K], and its derivative by the outputs, [K, B, outputs].

        By hand, since autograd takes three times as long for it.
        """
        o, batch = outputs.detach(), outputs.shape[1]
        if not self.classifies:
            missed = o - targets.unsqueeze(-1)
            return missed.square().mean((1, 2)), missed * (2.0 / batch)
        index = _indices(targets, o)
        below = o - o.amax(2, keepdim=True)  # the top output, so that nothing overflows
        right = below.gather(2, index)
        e = below.exp_()
        total = e.sum(2, keepdim=True)
        losses = (total.log() - right).mean((1, 2))
        return losses, e.div_(total).scatter_add_(2, index, self._minus.expand_as(index)).mul_(
            1.0 / batch
        )

    def score(self, array: Array, name: Split) -> tuple[list[float], list[float]]:
        """Each member's mean loss and its accuracy or R2 on a split."""
        loss, right, total = torch.zeros(
            (3, len(array.members)), device=self.like.device, dtype=torch.float64
        )
        with torch.inference_mode():
            predict = BAYESIAN.load(str(array.settings["bayesian"]))(array, self)
            for outputs, y, count in self.answers(array, name, predict):
                loss += (self.losses(outputs, y) * count).sum(1)
                if self.classifies:
                    right += ((outputs.contiguous().argmax(2) == y) * count).sum(1)
                total += count.sum(-1)
            loss /= total
            metric = right / total if self.classifies else 1.0 - loss / self._variance(array, name)
        return loss.tolist(), metric.tolist()

    def answers(
        self, array: Array, name: Split, predict: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What members say to a split, in batches: outputs [K, B, outputs], targets, and which rows count."""
        folds = [member.fold for member in array.members]
        rows, counts = self._judged(name, folds)
        size = max(64, min(4096, _EVALUATED // (len(folds) * array.widest)))
        for start in range(0, rows.shape[-1], size):
            x, y = self.batch(rows[..., start : start + size], folds)
            yield predict(x), y, counts[..., start : start + size]

    def _judged(self, name: Split, folds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The rows of a split, [B], or [K, B] where the members' folds differ; and a 1 for each, 0 for padding."""
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

    def _variance(self, array: Array, name: Split) -> Tensor:
        """Of the targets of each member's rows."""
        rows, counts = self._judged(name, [member.fold for member in array.members])
        y, n = self._targets[rows].double(), counts.sum(-1, keepdim=True)
        mean = (y * counts).sum(-1, keepdim=True) / n
        return ((y - mean).square() * counts).sum(-1) / n.squeeze(-1)


def _indices(targets: Tensor, outputs: Tensor) -> Tensor:
    """The classes as `gather` takes them, [K, B, 1]."""
    return targets.expand(len(outputs), -1).unsqueeze(2)
