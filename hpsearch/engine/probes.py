"""How signals and gradients fare in each layer while a cohort trains: a generator of probes.

A probe is a training pass (with dropout, and batch norm by the batch) over the first rows of the first epoch,
always the same ones. It leaves the training as it is.

Shapes
    K, L      members, layers
    N         outputs of one unit in a probe: rows, times the pixels of an image or the steps of a sequence
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import Array
from hpsearch.engine.stacked_tensors import Stack
from hpsearch.engine.structure.cohorts import Member
from hpsearch.engine.structure.slots import slots
from hpsearch.engine.train import begun
from hpsearch.study.trial import Layer, Probe

_ROWS = (
    256  # of a probe, at least, where there are so many: a live unit is 0 on all of fewer by chance
)
_FLAT = 0.99  # of the way from the middle of tanh or sigmoid to an end: the derivative is 2 % of its largest
_GELU_OFF = -1e-6  # gelu is this close to 0, and its derivative too, below z = -5

Outputs = Mapping[str, Sequence[Tensor]]
"""What each non-linearity gave, [K, B, units] or [B, K * channels, height, width], as often as it was used."""


def probes(feed: Feed, members: Sequence[Member], seed: int, epochs: int) -> Iterator[Probe]:
    """Train members with one key together for some epochs: how each is before the first one, and after every one."""
    array = begun(feed, members, seed)
    layers: dict[str, list[int]] = {}
    updates: Tensor | None = None
    for epoch in range(epochs + 1):
        if epoch:
            updates = _learn(array, feed, epoch, list(layers.values()))
        losses, seen = _probe(array, feed)
        layers = layers or _layers(array, seen)
        gradients = _norms(array.gradient, list(layers.values()))
        for k, member in enumerate(array.members):
            found = [
                _layer(
                    array,
                    k,
                    name,
                    slot,
                    seen,
                    gradients[i, k],
                    None if updates is None else updates[i, k],
                )
                for i, (name, (slot, *_)) in enumerate(layers.items())
            ]
            yield Probe(member.number, epoch, losses[k], tuple(found))


def _batches(array: Array, feed: Feed, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor, int]]:
    """An epoch's batches as a training goes through them: outputs, losses, their slopes, how many rows."""
    noise = array.noise("noise", epoch)
    streams = [member.stream for member in array.members]
    for x, y in feed.epoch(epoch, int(array.settings["batch_size"]), array.problem.seed, streams):
        outputs = array.outputs(x, noise)
        yield outputs, *feed.objective(outputs, y), y.shape[-1]


def _probe(array: Array, feed: Feed) -> tuple[list[float], Outputs]:
    """Each member's mean loss, and what the activations give; the first batch's gradient is left in the array."""
    kept = array.weights.flat.clone()  # a training pass moves batch norm's running statistics
    seen: dict[str, list[Tensor]] = {}
    array.net.seen = seen
    total, rows = torch.zeros(len(array.members), device=kept.device, dtype=torch.float64), 0
    for outputs, losses, slopes, count in islice(
        _batches(array, feed, 1), -(-_ROWS // int(array.settings["batch_size"]))
    ):
        if not rows:
            array.backward(outputs, slopes)
        total += losses * count
        rows += count
    array.net.seen = None
    array.weights.flat.copy_(kept)
    return (total / rows).tolist(), seen


def _learn(array: Array, feed: Feed, epoch: int, layers: Sequence[Sequence[int]]) -> Tensor:
    """One epoch of steps. The mean norm of a step in each layer over that of its weights, [L, K]."""
    moved, sizes = torch.zeros(
        (2, len(layers), len(array.members)), device=feed.like.device, dtype=torch.float64
    )
    step = array.weights.empty()
    for outputs, _, slopes, _ in _batches(array, feed, epoch):
        sizes += _norms(array.weights, layers)
        step.flat.copy_(array.weights.flat)
        array.step(outputs, slopes)
        step.flat.sub_(array.weights.flat)
        moved += _norms(step, layers)
    ratios: Tensor = moved / sizes
    return ratios


def _layers(array: Array, seen: Outputs) -> dict[str, list[int]]:
    """The slots of each layer that learn, by its name: that of its non-linearity, where it has one."""
    layers: dict[str, list[int]] = {}
    for index, slot in enumerate(array.layout):
        own = slot.name.rpartition(".")[0]
        name = next((name for name in seen if slot.name.startswith(f"{name}.")), own)
        if slot.role not in ("mean", "variance"):
            layers.setdefault(name, []).append(index)
    return layers


def _norms(stack: Stack, layers: Sequence[Sequence[int]]) -> Tensor:
    """The Euclidean norm of each layer's part, [L, K]; in float64, as squares of what vanishes are 0 in float32."""
    slot = [
        torch.linalg.vector_norm(view.flatten(1), dim=1, dtype=torch.float64)
        for view in stack.views
    ]
    return torch.stack(
        [torch.stack([slot[i] for i in layer]).square().sum(0).sqrt() for layer in layers]
    )


def _layer(
    array: Array,
    k: int,
    name: str,
    slot: int,
    seen: Outputs,
    gradient: Tensor,
    update: Tensor | None,
) -> Layer:
    """What member k's layer is like; `slot` is its first one."""
    moved = None if update is None else float(update)
    if name not in seen:
        return Layer(name, None, float(gradient), moved, None)
    settings, problem = array.members[k].settings, array.problem
    units = slots(settings, problem.inputs, problem.outputs)[slot].shape[0]
    a = torch.cat([_of_member(part, k, len(array.members), units) for part in seen[name]]).double()
    variance = float(a.var(0, correction=0).mean())
    return Layer(name, variance, float(gradient), moved, _dead(a, str(settings["activation"])))


def _of_member(a: Tensor, k: int, members: int, units: int) -> Tensor:
    """Member k's outputs without padding, [N, units]."""
    if a.dim() == 3:
        return a[k, :, :units]
    grouped = a.view(len(a), members, -1, *a.shape[2:])
    return grouped[:, k, :units].movedim(1, -1).flatten(0, -2)


def _dead(a: Tensor, activation: str) -> float:
    """Of outputs [N, units]: the share of units that are off everywhere, or of outputs that are saturated."""
    if activation == "tanh":
        return float((a.abs() > _FLAT).double().mean())
    if activation == "sigmoid":
        return float(((2 * a - 1).abs() > _FLAT).double().mean())
    off = (a <= 0) & (a >= _GELU_OFF) if activation == "gelu" else a == 0
    return float(off.all(0).double().mean())
