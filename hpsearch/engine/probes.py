"""How signals and gradients fare in each layer while a cohort trains: a generator of probes.

A probe is a training pass (with dropout, and batch norm by the batch) over the first rows of the
first epoch, which are the same in every probe. It leaves the training as it is.

Shapes
    K, L      members, layers
    N         outputs of one unit in a probe: rows, times the pixels of an image or the steps of a
              sequence
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from hpsearch.engine.feed import Batch, Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.stacked_tensors import StackedTensors
from hpsearch.engine.structure.diagnosis import Layer, Probe
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.slots import STATISTICS
from hpsearch.engine.train import build_cohort

# the rows of a probe at least, where there are so many: on fewer a live unit may be 0 by chance
_ROWS = 256
# saturated is this far from the middle of tanh or sigmoid to an end, where the derivative is 2 % of
# its largest value
_FLAT = 0.99
_GELU_OFF = -1e-6  # below z = -5 gelu is this close to 0, and so is its derivative

Recorded = Mapping[str, Sequence[Tensor]]
"""What each non-linearity gave, as often as it was used: [K, B, units], or images
[B, K * channels, height, width]."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a training pass gives for the rows of a batch; `losses` is [K]."""

    rows: Batch
    outputs: Tensor
    losses: Tensor
    grad_outputs: Tensor


def probes(feed: Feed, members: Sequence[Member], seed: int, epochs: int) -> Iterator[Probe]:
    """Train members with one key together, yielding probes of each.

    There is one before the first epoch, and one after each of the `epochs`.
    """
    stacked = build_cohort(feed, members, seed)
    layers: dict[str, list[int]] = {}
    updates: Tensor | None = None
    for epoch in range(epochs + 1):
        if epoch:
            updates = _learn(stacked, feed, epoch, list(layers.values()))
        losses, recorded = _probe(stacked, feed)
        layers = layers or _layers(stacked, recorded)
        gradients = _norms(stacked.gradient, list(layers.values()))
        for k, member in enumerate(stacked.members):
            found = [
                _layer(
                    stacked,
                    k,
                    name,
                    slot,
                    recorded,
                    gradients[i, k],
                    None if updates is None else updates[i, k],
                )
                for i, (name, (slot, *_)) in enumerate(layers.items())
            ]
            yield Probe(member.number, epoch, losses[k], tuple(found))


def _passes(stacked: StackedCohort, feed: Feed, epoch: int) -> Iterator[_Pass]:
    """Yield an epoch's batches as a training goes through them."""
    noise = stacked.noise("noise", epoch)
    streams = [member.stream for member in stacked.members]
    batch_size = int(stacked.settings["batch_size"])
    for rows in feed.epoch(epoch, batch_size, stacked.task.seed, streams):
        outputs = stacked.outputs(rows.inputs, noise)
        yield _Pass(rows, outputs, *feed.objective(outputs, rows.targets, rows.weights))


def _probe(stacked: StackedCohort, feed: Feed) -> tuple[list[float], Recorded]:
    """Return each member's mean loss, and what the activations give.

    The gradient on the first batch is left in the cohort.
    """
    kept = stacked.weights.flat.clone()  # a training pass moves batch norm's running statistics
    recorded: dict[str, list[Tensor]] = {}
    stacked.net.recorded = recorded
    total = torch.zeros(len(stacked.members), device=kept.device, dtype=torch.float64)
    counted: Tensor | int = 0
    batches = -(-_ROWS // int(stacked.settings["batch_size"]))
    for number, one in enumerate(islice(_passes(stacked, feed, 1), batches)):
        if not number:
            stacked.backward(one.outputs, one.grad_outputs, one.rows.weights)
        total += one.losses * one.outputs.shape[1]
        counted = counted + one.rows.counted
    stacked.net.recorded = None
    stacked.weights.flat.copy_(kept)
    return (total / counted).tolist(), recorded


def _learn(
    stacked: StackedCohort, feed: Feed, epoch: int, layers: Sequence[Sequence[int]]
) -> Tensor:
    """Take the steps of one epoch.

    Returns the mean norm of a step in each layer over that of the layer's weights, [L, K].
    """
    moved, sizes = torch.zeros(
        (2, len(layers), len(stacked.members)), device=feed.like.device, dtype=torch.float64
    )
    step = stacked.weights.zeros()
    for one in _passes(stacked, feed, epoch):
        sizes += _norms(stacked.weights, layers)
        step.flat.copy_(stacked.weights.flat)
        stacked.step(one.outputs, one.grad_outputs, one.rows.weights)
        step.flat.sub_(stacked.weights.flat)
        moved += _norms(step, layers)
    ratios: Tensor = moved / sizes
    return ratios


def _layers(stacked: StackedCohort, recorded: Recorded) -> dict[str, list[int]]:
    """Return the positions of the slots of each layer that get a gradient, by the layer's name.

    That is the name of the layer's non-linearity, where it has one.
    """
    layers: dict[str, list[int]] = {}
    for index, slot in enumerate(stacked.layout):
        own = slot.name.rpartition(".")[0]
        name = next((name for name in recorded if slot.name.startswith(f"{name}.")), own)
        if slot.role not in STATISTICS:
            layers.setdefault(name, []).append(index)
    return layers


def _norms(stack: StackedTensors, layers: Sequence[Sequence[int]]) -> Tensor:
    """Return the Euclidean norm of each layer's part, [L, K].

    It is in float64, since squares of what vanishes are 0 in float32.
    """
    slot = [
        torch.linalg.vector_norm(view.flatten(1), dim=1, dtype=torch.float64)
        for view in stack.views
    ]
    return torch.stack(
        [torch.stack([slot[i] for i in layer]).square().sum(0).sqrt() for layer in layers]
    )


def _layer(
    stacked: StackedCohort,
    k: int,
    name: str,
    slot: int,
    recorded: Recorded,
    gradient: Tensor,
    update: Tensor | None,
) -> Layer:
    """Return what a layer of member k is like; `slot` is the position of its first slot."""
    moved = None if update is None else float(update)
    if name not in recorded:
        return Layer(name, None, float(gradient), moved, None)
    units = stacked.own_layouts[k][slot].shape[0]
    parts = [_of_member(part, k, len(stacked.members), units) for part in recorded[name]]
    a = torch.cat(parts).double()
    variance = float(a.var(0, correction=0).mean())
    dead = _dead(a, str(stacked.members[k].settings["activation"]))
    return Layer(name, variance, float(gradient), moved, dead)


def _of_member(a: Tensor, k: int, members: int, units: int) -> Tensor:
    """Return member k's outputs without padding, [N, units]."""
    if a.dim() == 3:
        return a[k, :, :units]
    grouped = a.view(len(a), members, -1, *a.shape[2:])
    return grouped[:, k, :units].movedim(1, -1).flatten(0, -2)


def _dead(a: Tensor, activation: str) -> float:
    """Return the share of units that are off for all N, from outputs [N, units].

    For tanh and sigmoid it is the share of outputs that are saturated.
    """
    if activation == "tanh":
        return float((a.abs() > _FLAT).double().mean())
    if activation == "sigmoid":
        return float(((2 * a - 1).abs() > _FLAT).double().mean())
    off = (a <= 0) & (a >= _GELU_OFF) if activation == "gelu" else a == 0
    return float(off.all(0).double().mean())
