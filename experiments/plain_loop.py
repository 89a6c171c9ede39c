"""A training as a person would write it: the network and loop of peers/peer_optuna.py, extended.

There are more activations and optimizers to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from hpsearch.space.space import Params


@dataclass(frozen=True)
class Rows:
    """Inputs and targets: X and y to train on, Xv and yv to validate."""

    X: Tensor
    y: Tensor
    Xv: Tensor
    yv: Tensor


def losses(
    params: Params, rows: Rows, outputs: int, epochs: int, resident: bool = True
) -> Iterator[float]:
    """Train, and yield the validation loss after each epoch.

    Args:
        params: of the network, the optimizer and the batches.
        rows: the data.
        outputs: how many classes there are.
        epochs: how many epochs.
        resident: whether the rows are held in memory; else they come from a DataLoader.
    """
    model = network(params, rows.X.shape[1], outputs)
    optimizer = optimizing(params, model)
    criterion, batch_size = nn.CrossEntropyLoss(), int(params["batch_size"])
    loader = DataLoader(TensorDataset(rows.X, rows.y), batch_size, shuffle=True)
    for _ in range(epochs):
        model.train()
        parts = torch.split(torch.randperm(len(rows.X)), batch_size) if resident else ()
        for x, y in ((rows.X[part], rows.y[part]) for part in parts) if resident else loader:
            optimizer.zero_grad()
            torch.autograd.backward(criterion(model(x), y))
            optimizer.step()
        model.eval()
        with torch.no_grad():
            loss = criterion(model(rows.Xv), rows.yv).item()
        yield loss


def network(params: Params, inputs: int, outputs: int) -> nn.Module:
    """Return layers with dropout, initialised by He's rule with a ReLU, by Glorot's with a tanh."""
    tanh = params.get("activation") == "tanh"
    layers: list[nn.Module] = []
    for _ in range(int(params["depth"])):
        activation = nn.Tanh() if tanh else nn.ReLU()
        layers += [
            nn.Linear(inputs, int(params["width"])),
            activation,
            nn.Dropout(float(params["dropout"])),
        ]
        inputs = int(params["width"])
    model = nn.Sequential(*layers, nn.Linear(inputs, outputs))
    begin = nn.init.xavier_normal_ if tanh else nn.init.kaiming_normal_
    for layer in model:
        if isinstance(layer, nn.Linear):
            begin(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def optimizing(params: Params, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that is named: Adam where none is."""
    lr, l2 = float(params["lr"]), float(params["l2"])
    match params.get("optimizer", "adam"):
        case "momentum":
            return torch.optim.SGD(
                model.parameters(), lr=lr, weight_decay=l2, momentum=float(params["momentum"])
            )
        case "rmsprop":
            return torch.optim.RMSprop(model.parameters(), lr=lr, weight_decay=l2)
        case _:
            return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=l2)
