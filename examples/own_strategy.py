"""Search with a strategy of your own, which is no part of the package.

    python examples/own_strategy.py

prints the calls, of 60, in which simulated annealing has found something better:

    call 0: loss 191.3862
    call 2: loss 62.0546
    call 10: loss 2.9573
    call 11: loss 2.6317
    call 24: loss 2.4135
    call 29: loss 0.4633

CONTRIBUTING.md shows how a strategy becomes a part of the package, with a command of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from hpsearch.config.spec import free_space
from hpsearch.objectives.function import Function
from hpsearch.runners.inline import Inline
from hpsearch.search.loop import CohortFinished, Memory, Search, Stop, run
from hpsearch.space.space import Params, Space, point_key
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Done, NewTrial, Trial

SPACE = {
    "x": {"min": -2.0, "max": 2.0},
    "y": {"min": -1.0, "max": 3.0},
}
CALLS = 60


def loss(params: Params) -> float:
    """Return Rosenbrock's function of x and y, which is 0 at (1, 1)."""
    x, y = float(params["x"]), float(params["y"])
    return (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2


@dataclass(frozen=True, slots=True)
class Annealing:
    """Simulated annealing (Kirkpatrick, Gelatt & Vecchi 1983), as a function of the history.

    A strategy keeps no state. What the walk has accepted so far is found again from the results,
    with random numbers that depend on the number of the trial alone.

    Attributes:
        start: the temperature at first.
        cooling: what the temperature is multiplied by after each trial.
        std: the standard deviation of a step, in the unit cube.
    """

    start: float = 10.0
    cooling: float = 0.9
    std: float = 0.15

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial:
        """Return a point near the one that the walk is at."""
        at = self._accepted(history.trials, history)
        if at is None:
            return NewTrial(space.sample(rng), "the start", origin="random")
        generator = np.random.default_rng(rng.getrandbits(64))
        place = np.array([space.encode(at.params)])
        while True:
            (row,) = space.near(place, self.std, generator).tolist()
            params = space.decode(row)
            if space.allows(params) and point_key(params) not in history.keys:
                return NewTrial(params, f"near trial {at.number}")

    def _accepted(self, trials: Sequence[Trial], history: History) -> Trial | None:
        """Return the trial that the walk is at after these."""
        at, its_loss = None, math.inf
        for trial in trials:
            result = history.results.get(trial.number)
            if not isinstance(result, Done):
                continue
            temperature = self.start * self.cooling**trial.number
            worse = max(0.0, result.loss - its_loss)
            if Random(trial.number).random() < math.exp(-worse / temperature):
                at, its_loss = trial, result.loss
        return at


def main() -> None:
    """Search, and print each improvement."""
    space = free_space(SPACE)
    search = Search(
        objective=Function(loss, space),
        strategy=Annealing(),
        space=space,
        opening=(),
        budget=CALLS,
        wave=1,
        seed=0,
    )
    best = math.inf
    with TemporaryDirectory() as folder, Inline(Artefacts(Path(folder))) as runner:
        for event in run(search, Memory(), runner, Stop()):
            if isinstance(event, CohortFinished):
                for number, result in event.results.items():
                    if isinstance(result, Done) and result.loss < best:
                        best = result.loss
                        print(f"call {number}: loss {best:.4f}")


if __name__ == "__main__":
    main()
