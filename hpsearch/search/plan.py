"""A spec with the strategy that searches it: what comes first, in what waves, on what data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpsearch.config.schema import SearchKeys
from hpsearch.config.searched import believed
from hpsearch.config.spec import Override, Spec, parse
from hpsearch.data import Dataset
from hpsearch.engine.structure.cohorts import Bill, bill
from hpsearch.errors import Problem, SpecError
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import STRATEGIES, Limit, Price, Sharing, Strategy
from hpsearch.strategies.confirm import Confirmed, UntilConverged
from hpsearch.strategies.halving import Halving, bracket, brackets, going, rungs, seen
from hpsearch.study.history import History
from hpsearch.study.store import Meta
from hpsearch.study.trial import Done, New

_ROUNDS = 5  # of a guided random search that does not say how many
_CONFIRMED = 40  # trials from which on the last of them measure the best again
_RUNGS = {
    "random": 4,
    "bayes": 3,
}  # of brackets: near what is usual fewer trials are tried, for longer
_WAVES = {"bayes": 4}
_WAVE = 64
_TRIED = 5  # values of a range: whether they make other arrays

# What a manual search without trials runs.
_PRESETS: Sequence[Params] = (
    # Rumelhart, Hinton & Williams 1986: gradient descent with momentum on tanh units
    {
        "width": 64,
        "depth": 1,
        "activation": "tanh",
        "optimizer": "momentum",
        "lr": 0.05,
        "momentum": 0.9,
    },
    # Glorot & Bengio 2010: a deeper tanh net with their initialisation, plain gradient descent
    {
        "width": 128,
        "depth": 4,
        "activation": "tanh",
        "init": "fan_uniform",
        "optimizer": "sgd",
        "lr": 0.1,
    },
    # Srivastava et al. 2014: dropout of a half on wide ReLU layers
    {
        "width": 256,
        "depth": 2,
        "activation": "relu",
        "dropout": 0.5,
        "optimizer": "momentum",
        "lr": 0.1,
    },
    # Kingma & Ba 2015: Adam at its defaults
    {"width": 128, "depth": 2, "activation": "relu", "optimizer": "adam", "lr": 0.001},
)


@dataclass(frozen=True)
class Plan:
    """A spec and the name of the strategy that searches it."""

    strategy: str
    spec: Spec

    @classmethod
    def of(cls, meta: Meta, *more: Override) -> Plan:
        """A study's, read again from the config that it keeps; `more` flags stand over its own."""
        kept = [(tuple(path), value, source) for path, value, source in json.loads(meta.overrides)]
        return cls(
            meta.strategy,
            parse(meta.config, meta.file, Path(meta.folder), [*kept, *more], meta.rows),
        )

    @property
    def trials(self) -> Sequence[Params]:
        """What a manual search runs: the hand-picked trials, or presets from the literature."""
        if self.spec.trials:
            return self.spec.trials
        fixed = self.spec.fixed
        if fixed.get("model", "mlp") != "mlp":
            return ({},)
        return [
            {name: value for name, value in preset.items() if name not in fixed}
            for preset in _PRESETS
        ]

    def space(self, steps: int) -> Space:
        """What is searched, where a whole training takes so many steps.

        Brackets of bayes begin before a model knows anything: most of their trials are near what is usual then.
        """
        guessed = self.strategy == "bayes" and self.spec.search.halving
        return believed(self.spec.space, self.spec.fixed, steps) if guessed else self.spec.space

    @property
    def opening(self) -> Sequence[New]:
        """The trials that come before the strategy's own: the default, and what a person has picked."""
        if self._given:
            return []
        default = (
            None if self.spec.search.halving else self.default
        )  # there it competes as any other
        first = [New(default, "default")] if default is not None else []
        return [*first, *(New(params, "hand-picked") for params in self.spec.trials)]

    @property
    def default(self) -> Params | None:
        """The settings of the trial beside which the others are seen; None where there is none."""
        return None if self._given else self.spec.default()

    @property
    def _given(self) -> bool:
        """Whether all points are given, and nothing is trained beside them."""
        return self.strategy in ("manual", "grid")

    def build(
        self,
        budget: int | None,
        price: Price | None = None,
        limit: Limit | None = None,
        sharing: Sharing | None = None,
    ) -> tuple[Strategy, int]:
        """The strategy, and how many trials it is asked for at a time; the `limit` is that of time."""
        keys, trials = self.spec.search, tuple(self.trials)
        return build(
            self.strategy, keys, budget, limit, price, self.default, trials, self.epochs, sharing
        )

    @property
    def epochs(self) -> int:
        """In what a budget counts: the epochs of a whole training where trials may be dropped before, else 1."""
        return int(self.spec.settings({})["epochs"]) if self.spec.search.halving else 1

    def halved(self, budget: int) -> str:
        """What a budget is enough for, where trials may be dropped."""
        strategy, _ = self.build(budget)
        halving = strategy.strategy if isinstance(strategy, Confirmed) else strategy
        assert isinstance(halving, Halving)
        epochs = (halving.budget - len(self.opening)) * self.epochs
        found = Counter(bracket(one) for one in brackets(halving.rungs, epochs))
        texts = [
            f"{count} x ({', '.join(f'{trials} to epoch {rung}' for trials, rung in one)})"
            for one, count in found.items()
        ]
        trials = sum(count * one[0][0] for one, count in found.items()) + len(self.opening)
        return f"halving: a budget of {budget} whole trainings is {trials:,} trials: {', '.join(texts)}"

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which trials may be dropped, and those of a whole training."""
        return rungs(self.epochs, _RUNGS[self.strategy])

    def total(self, budget: int | None) -> int | None:
        """How many trials there will be; None where only time tells."""
        if self.strategy != "grid":
            return budget
        return self.points if budget is None else min(budget, self.points)

    @property
    def points(self) -> int:
        """How many there are in the grid."""
        return self.spec.space.count(self.spec.space.ticks(self.spec.search.points))

    def going(self, history: History) -> Mapping[int, int]:
        """The trials that may go on, and after which epoch."""
        return going(history, self.rungs) if self.spec.search.halving else {}

    def comparable(self, history: History) -> tuple[History, int | None]:
        """The trials whose losses are of equally many epochs, and how many, where these are not whole trainings.

        Those that were dropped on their way are left out, unless too few others are there for a model: then all count
        with what they had come to at the last rung that enough of them have reached.
        """
        dropped = {
            number
            for number, result in history.ended.items()
            if isinstance(result, Done) and result.paused
        }
        enough = len(self.spec.space.parameters) + 1
        if not dropped or sum(not result.paused for _, result in history.done) >= enough:
            kept = tuple(trial for trial in history.trials if trial.run not in dropped)
            return History(kept, history.results), None
        level = seen(history, self.rungs, enough)
        return level, max(
            (result.epochs for _, result in level.done if result.paused), default=None
        )

    def objective(self, loss: float, metric: float) -> float:
        """What is optimised, of a loss and a metric."""
        return loss if self.spec.search.metric == "loss" else 1.0 - metric

    def check(self, data: Dataset) -> None:
        """See that the data suits the metric and the models.

        Raises:
            SpecError: it does not.
        """
        wanted = {"accuracy": "classification", "r2": "regression"}.get(
            self.spec.search.metric, data.task
        )
        if wanted != data.task:
            message = (
                f"the metric {self.spec.search.metric} is for {wanted}, and this is {data.task}"
            )
            raise SpecError(Problem("E077", message, help="leave search: metric out, or take loss"))
        if "resnet" in self._possible("model") and len(data.shape) != 3:
            raise SpecError(
                Problem(
                    "E078", "a resnet takes images, and this data is a table", help="model: mlp"
                )
            )
        if "laplace" in self._possible("bayesian") and data.task == "regression":
            message = (
                "laplace does not change what a regression answers, so it cannot be told from none"
            )
            raise SpecError(Problem("E079", message, help="bayesian: variational or mc_dropout"))

    def _possible(self, name: str) -> set[Value | None]:
        """The values that a setting with choices may take in some trial."""
        searched = self.spec.space.parameters.get(name)
        picked = (
            (searched.values() or ()) if searched else (params.get(name) for params in self.trials)
        )
        return {self.spec.settings({})[name], *picked}


def build(
    name: str,
    keys: SearchKeys,
    budget: int | None,
    limit: Limit | None,
    price: Price | None,
    default: Params | None,
    trials: Sequence[Params] = (),
    epochs: int = 0,
    sharing: Sharing | None = None,
) -> tuple[Strategy, int]:
    """A strategy as `search:` describes it, and how many trials it is asked for at a time.

    `limit` is that of time, `price` what is known of trainings before they run; `default` are the settings of a trial
    beside which others are seen; `trials` are a manual search's; a training has at most so many `epochs`; `sharing`
    says which trainings share an array.
    """
    rounds = _ROUNDS if keys.guided and keys.rounds == 1 else keys.rounds
    guided = rounds > 1 if keys.guided is None else keys.guided

    def asking(number: int | None) -> Strategy:
        """The strategy where so many trials are its own."""
        options: Mapping[str, Mapping[str, object]] = {
            "manual": {"trials": tuple(trials)},
            "grid": {"points": keys.points},
            "random": {"round": _per_round(number, rounds), "guided": guided},
            "bayes": {
                "surrogate": keys.surrogate,
                "price": price,
                "limit": limit,
                "trials": number,
                "pareto": keys.pareto,
            },
        }
        strategy: Strategy = STRATEGIES.load(name)(**options[name])
        return UntilConverged(strategy) if keys.until_converged else strategy

    strategy, confirmed, own = asking(budget), None, budget
    if _confirms(name, keys, budget, limit):
        confirmed = Confirmed.within(strategy, budget, limit, default is not None)
        own = confirmed.trials
        confirmed = replace(confirmed, strategy=asking(own))
    per_round = _per_round(own, rounds) if name == "random" else None
    fills = name == "bayes" and limit is not None and price is not None
    wave = ceil(per_round) if per_round else _WAVE if fills else _WAVES.get(name, _WAVE)
    if keys.halving:
        _check_halving(name, epochs)
        whole = (confirmed and confirmed.trials) or budget or 0
        halving = Halving(strategy, rungs(epochs, _RUNGS[name]), whole, sharing, default)
        # how much there is to search, it knows itself
        strategy, wave = (
            replace(confirmed, strategy=halving, trials=None) if confirmed else halving,
            _WAVE,
        )
    elif confirmed:
        strategy = confirmed
    return strategy, keys.wave or wave


def _per_round(trials: int | None, rounds: int) -> Fraction | None:
    """How many of the trials each round has in the mean; None where there is one round."""
    if rounds == 1:
        return None
    return Fraction(_WAVE) if trials is None else Fraction(max(trials, rounds), rounds)


def _check_halving(name: str, epochs: int) -> None:
    if name not in ("random", "bayes"):
        message = f"halving drops trials that random and bayes ask for, and this is {name}"
        raise SpecError(Problem("E034", message, help="leave search: halving out"))
    if not epochs:
        raise SpecError(
            Problem(
                "E034", "halving drops trainings, and a function has none", help="leave halving out"
            )
        )


def _confirms(name: str, keys: SearchKeys, budget: int | None, limit: Limit | None) -> bool:
    """Whether the best trials are run again in the end."""
    if keys.confirm is not None:
        return keys.confirm
    enough = limit is not None if budget is None else budget >= _CONFIRMED
    return enough and name in ("random", "bayes")


Bills = Callable[[Params], Bill]


def bills(spec: Spec, data: Dataset, device: str) -> Bills:
    """What each training of a study would add to a wave."""
    runs = spec.search.seeds * len(data.folds)
    found: dict[object, Bill] = {}

    def of(params: Params) -> Bill:
        # whole numbers and choices make shapes and steps, fractions such as a rate change nothing
        name = point_key(
            {name: value for name, value in params.items() if not isinstance(value, float)}
        )
        if name not in found:
            found[name] = bill(spec.settings(params), data, device, runs)
        return found[name]

    return of


def prices(bills: Bills) -> Price:
    """What trainings of a study cost, known before they run."""

    def price(params: Sequence[Params], company: Sequence[Params]) -> NDArray[np.float64]:
        present = Counter(bills(one).key for one in company)
        return np.array([bills(one).seconds(present) for one in params])

    return price


def sharing(bills: Bills, space: Space) -> Sharing:
    """Which trainings of a study share an array."""

    def shares(params: Params) -> tuple[Params, int]:
        mine = bills(params)

        def changes(name: str) -> bool:
            """Whether with another value of this name it would be in another array."""
            others = space.parameters[name].grid(_TRIED)
            return any(bills({**params, name: other}).key != mine.key for other in others)

        return {name: value for name, value in params.items() if changes(name)}, mine.room

    return shares
