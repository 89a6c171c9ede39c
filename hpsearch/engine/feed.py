"""The data in the device's memory: batches of scaled inputs, and what a model's outputs are worth on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from hpsearch.data import Dataset
from hpsearch.engine.array import Array
from hpsearch.engine.draws import generator

Split = Literal["train", "validation", "test"]

_EVALUATED = 2**22  # weights' outputs at once: 16 MiB of float32 for the widest layer of all members


class Feed:
    """One split data set on a device. Images kept as bytes stay bytes, and are scaled on their way into a batch."""

    def __init__(self, data: Dataset, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.data = data
        self.like = torch.empty(0, device=device, dtype=dtype)
        self.classifies = data.task == "classification"
        self._center = torch.from_numpy(data.center).to(self.like)
        self._factor = 1.0 / torch.from_numpy(data.spread).to(self.like)
        self._splits: dict[Split, tuple[Tensor, Tensor]] = {}

    def split(self, name: Split) -> tuple[Tensor, Tensor]:
        """The inputs (bytes, or scaled) and the targets of one split."""
        if name not in self._splits:
            rows = getattr(self.data, name)
            inputs = torch.from_numpy(self.data.inputs[rows]).to(self.like.device)
            targets = torch.from_numpy(self.data.targets[rows]).to(self.like.device)
            self._splits[name] = (
                inputs if inputs.dtype == torch.uint8 else self._scaled(inputs),
                targets if self.classifies else targets.to(self.like),
            )
        return self._splits[name]

    def _scaled(self, inputs: Tensor) -> Tensor:
        return (inputs.to(self.like) - self._center) * self._factor

    def _batch(self, inputs: Tensor) -> Tensor:
        return self._scaled(inputs) if inputs.dtype == torch.uint8 else inputs

    def epoch(self, number: int, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The training rows in this epoch's order, in batches; the last one may be smaller."""
        inputs, targets = self.split("train")
        order = torch.randperm(len(targets), generator=generator("cpu", seed, "order", number)).to(inputs.device)
        inputs, targets = inputs[order], targets[order]
        for start in range(0, len(targets), batch_size):
            yield self._batch(inputs[start : start + batch_size]), targets[start : start + batch_size]

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy or squared error of each row, [K, B], for outputs [K, B, outputs]."""
        if self.classifies:
            members = outputs.shape[0]
            flat = F.cross_entropy(outputs.flatten(0, 1), targets.expand(members, -1).reshape(-1), reduction="none")
            return flat.view(members, -1)
        return (outputs[..., 0] - targets).square()

    def score(self, array: Array, name: Split) -> tuple[list[float], list[float]]:
        """Each member's mean loss and its accuracy or R2 on a split."""
        inputs, targets = self.split(name)
        rows = max(64, min(4096, _EVALUATED // (len(array.members) * array.widest)))
        loss = torch.zeros(len(array.members), device=inputs.device, dtype=torch.float64)
        right = torch.zeros_like(loss)
        with torch.inference_mode():
            for start in range(0, len(targets), rows):
                y = targets[start : start + rows]
                outputs = array.outputs(self._batch(inputs[start : start + rows]))
                loss += self.losses(outputs, y).sum(1)
                if self.classifies:
                    right += (outputs.argmax(2) == y).sum(1)
            loss /= len(targets)
            metric = right / len(targets) if self.classifies else 1.0 - loss / targets.double().var(correction=0)
        return loss.tolist(), metric.tolist()
