"""Search the settings of a training that reports its epochs, most of which are stopped early.

    python examples/halving_function.py

prints how many calls have ended at each epoch, and the best settings. The budget is that of ten
whole trainings:

    24 calls to epoch 3, 12 to epoch 9, 6 to epoch 27
    best: lr 0.97, momentum 0.38, loss 0.0297
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

import hpsearch
from hpsearch.objectives.running_trial import RunningTrial
from hpsearch.space.space import Params

SPACE = {
    "lr": {"min": 1e-3, "max": 1.0, "log": True},
    "momentum": {"min": 0.0, "max": 0.99},
}
EPOCHS = 27


def train(params: Params, trial: RunningTrial) -> None:
    """Fit a line by gradient descent with momentum; go on where an earlier call has stopped."""
    rng = np.random.default_rng(trial.seed)
    x = rng.normal(size=(200, 5)) * np.array([1.0, 0.8, 0.6, 0.4, 0.2])
    y = x @ np.arange(5.0) + rng.normal(0.0, 0.1, len(x))
    saved = trial.folder / "state.json"
    first, state = 1, np.zeros((2, 5))
    if saved.exists():
        before = json.loads(saved.read_text())
        first, state = before["epoch"] + 1, np.array(before["state"])
    weights, velocity = state
    for epoch in range(first, trial.epochs + 1):
        gradient = x.T @ (x @ weights - y) / len(x)
        velocity = float(params["momentum"]) * velocity - float(params["lr"]) * gradient
        weights = weights + velocity
        loss = float(np.mean((x @ weights - y) ** 2))
        if not trial.report(epoch, loss):
            break
    saved.write_text(json.dumps({"epoch": epoch, "state": [weights.tolist(), velocity.tolist()]}))


def main() -> None:
    """Search, and print what was done."""
    found = hpsearch.minimize(train, SPACE, budget=10, epochs=EPOCHS, halving=True)
    ended = sorted(Counter(one.epochs for one in found.trials).items())
    (first, calls), *others = ended
    more = "".join(f", {count} to epoch {epoch}" for epoch, count in others)
    print(f"{calls} calls to epoch {first}{more}")
    assert found.best is not None
    lr, momentum = found.best.params["lr"], found.best.params["momentum"]
    print(f"best: lr {lr:.2g}, momentum {momentum:.2g}, loss {found.best.loss:.4f}")


if __name__ == "__main__":
    main()
