"""Recurrent layers over a sequence: an image row by row, a table number by number.

Notation
    x_t, h_t    a step's input, and the state after it, [K, B, units]
    W, U, b     input weights, recurrent weights and biases of all gates of a layer, side by side
    a           W x_t + b of all gates
    act         the non-linearity that the settings name; gates are sigmoid
    z, r, n     GRU: update and reset gates, and the new state (Cho et al. 2014)
    i, f, o, c  LSTM: input, forget and output gates, and the cell (Hochreiter & Schmidhuber 1997)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hpsearch.engine.net import Net
from hpsearch.engine.structure.rnn import GATES, sequence

State = tuple[Tensor, Tensor]  # h, and an LSTM's c


def forward(net: Net, x: Tensor) -> Tensor:
    """Return outputs [K, B, outputs] from the last state, for `x` [B, *inputs].

    Where the members see batches of their own, `x` is [K, B, *inputs].
    """
    steps, features = sequence(net.inputs)
    # an image's rows, with all of their channels
    rows = x.transpose(-3, -2) if len(net.inputs) == 3 else x
    *members, batch = x.shape[: -len(net.inputs)]
    inputs: Tensor = rows.reshape(*members, batch * steps, features)
    for layer in range(int(net.settings["depth"])):
        states = _layer(net, f"layer{layer}", inputs, batch, steps)
        inputs = torch.stack(states, dim=2).flatten(1, 2)  # [K, B * steps, units]
    return net.output(states[-1])


def _layer(net: Net, name: str, inputs: Tensor, batch: int, steps: int) -> list[Tensor]:
    """Return the states h_1 .. h_T of one layer.

    Dropout has one mask for all steps (Gal & Ghahramani 2016).
    """
    cell = str(net.settings["cell"])
    gates = GATES[cell]
    W, b = (net.gates(name, gates, part) for part in ("weight", "bias"))
    U = net.gates(name, gates, "recurrent").transpose(1, 2)
    # W x_t + b of all steps at once, [K, B, steps, gates * units]
    a = inputs @ W.flatten(0, 1).T if inputs.dim() == 2 else torch.bmm(inputs, W.transpose(1, 2))
    if inputs.dim() == 2:
        a = a.view(-1, net.members, W.shape[1]).transpose(0, 1)
    a = (a + b.unsqueeze(1)).reshape(net.members, batch, steps, -1)
    zero = a.new_zeros(net.members, batch, a.shape[-1] // len(gates))
    state: State = (zero, zero)
    states = []
    for t in range(steps):
        state = _CELLS[cell](net, name, a[:, :, t], U, state)
        states.append(state[0])
    mask = net.mask(f"{name}.{gates[0]}", zero)
    return states if mask is None else [h * mask for h in states]


def _elman(net: Net, name: str, a: Tensor, U: Tensor, state: State) -> State:
    """Return the next h, act(a + U h), and c as it is."""
    h, c = state
    return net.activate(name, net.norm(f"{name}.new", a + torch.bmm(h, U))), c


def _gru(net: Net, name: str, a: Tensor, U: Tensor, state: State) -> State:
    """Return the next h, z h + (1 - z) n with n = act(a + r U h), and c as it is."""
    h, c = state
    az, ar, an = a.chunk(3, dim=-1)
    uz, ur, un = torch.bmm(h, U).chunk(3, dim=-1)
    z = torch.sigmoid(net.norm(f"{name}.update", az + uz))
    r = torch.sigmoid(net.norm(f"{name}.reset", ar + ur))
    n = net.activate(name, net.norm(f"{name}.new", an + r * un))
    return torch.lerp(n, h, z), c


def _lstm(net: Net, name: str, a: Tensor, U: Tensor, state: State) -> State:
    """Return the next h, o act(c), and the next c, f c + i n with n = act(a + U h)."""
    h, c = state
    ai, af, an, ao = (a + torch.bmm(h, U)).chunk(4, dim=-1)
    i = torch.sigmoid(net.norm(f"{name}.input", ai))
    f = torch.sigmoid(net.norm(f"{name}.forget", af))
    o = torch.sigmoid(net.norm(f"{name}.output", ao))
    c = f * c + i * net.activate(name, net.norm(f"{name}.new", an))
    return o * net.activate(name, c), c


_CELLS: dict[str, Callable[[Net, str, Tensor, Tensor, State], State]] = {
    "elman": _elman,
    "gru": _gru,
    "lstm": _lstm,
}
