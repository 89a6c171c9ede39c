"""The plan of a search: its strategy with its stages, its waves, and what comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hpsearch.config.schema import SearchKeys
from hpsearch.errors import Problem, SpecError
from hpsearch.objectives import OBJECTIVES, Objective
from hpsearch.search.loop import Search
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import (
    Context,
    Limit,
    StagedOptions,
    Strategy,
    StrategyOptions,
)
from hpsearch.strategies.confirm import Confirmed, UntilConverged
from hpsearch.strategies.halving import (
    Halving,
    bracket,
    brackets,
    rungs,
    visible_at_one_rung,
)
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.trial import Done, NewTrial

_CONFIRMED = 40  # trials from which on the last of them measure the best again
_TRUSTED = 0.75  # how far default priors are: they are right of most trainings


@dataclass(frozen=True)
class Plan:
    """How an objective is searched.

    Attributes:
        strategy: the strategy's name.
        options: the keys that the strategy has of its own.
        keys: the keys that every strategy has.
        objective: what is trained and judged.
        picked: the settings that a person has picked.
    """

    strategy: str
    options: StrategyOptions
    keys: SearchKeys
    objective: Objective
    picked: tuple[Params, ...] = ()

    @classmethod
    def of_study(cls, meta: StudyMeta) -> Plan:
        """Return the plan of a study, to look at its trials."""
        found = OBJECTIVES.load(meta.objective)(meta)
        return cls(meta.strategy, found.options, found.keys, found.objective, found.picked)

    @property
    def staged(self) -> StagedOptions | None:
        """The options of a strategy whose trials can be halved and confirmed; None of others."""
        return self.options if isinstance(self.options, StagedOptions) else None

    @property
    def halves(self) -> bool:
        """Whether trials may be dropped on their way."""
        return self.staged is not None and self.staged.halving

    @property
    def trials(self) -> tuple[Params, ...]:
        """What a manual search runs: what a person has picked, or the objective's presets."""
        return self.picked or tuple(self.objective.presets())

    @property
    def opening(self) -> Sequence[NewTrial]:
        """The trials that come before the strategy's own: the default, and picked ones.

        With halving the default competes as any other trial does.
        """
        if self.options.has_all_points:
            return []
        default = None if self.halves else self.default
        first = [NewTrial(default, "default", origin="default")] if default is not None else []
        picked = (NewTrial(params, "hand-picked", origin="picked") for params in self.picked)
        return [*first, *picked]

    @property
    def default(self) -> Params | None:
        """The params of the trial beside which others are seen; None where there is none."""
        return None if self.options.has_all_points else self.objective.default()

    @property
    def epochs(self) -> int:
        """The unit of the budget: one trial, or the epochs of one where trials may be pruned."""
        return self.objective.epochs({}) if self.halves else 1

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which trials may be dropped, and those of a whole training."""
        return rungs(self.epochs, self.staged.rungs if self.staged else 1)

    def total(self, budget: int | None) -> int | None:
        """Return how many trials there will be; None where only time tells."""
        count = self.options.count(self.objective.space, self.trials)
        if count is None or budget is None:
            return budget if count is None else count
        return min(budget, count)

    def search(
        self, budget: int | None, limit: Limit | None = None, by_clock: bool = True
    ) -> Search:
        """Return what the loop needs.

        Args:
            budget: the total of trials, or of whole trainings; None for all that there are.
            limit: the seconds that may be spent.
            by_clock: whether a clock ends the search; else the limit's own count of seconds does.
        """
        strategy, wave = self.build(budget, limit)
        return Search(
            objective=self.objective,
            strategy=strategy,
            space=self._space(),
            opening=self.opening,
            budget=budget,
            wave=wave,
            seed=self.keys.seed,
            time_weight=self.keys.time_weight,
            price="seconds" if self.objective.costs() is None else "cost",
            lag=self.keys.lag,
            epochs=self.epochs,
            retries=self.keys.max_retries,
            max_failures=self.keys.max_failures,
            limit=None if by_clock else limit,
        )

    def _space(self) -> Space:
        """Return what the strategy is asked about.

        Brackets of a model begin before it knows anything: most of their trials are then near
        values that are good for most trainings.
        """
        if self.staged and self.halves and self.staged.has_default_priors:
            return with_default_priors(self.objective.space, self.objective.typical_values())
        return self.objective.space

    def build(
        self, budget: int | None, limit: Limit | None = None, knows_costs: bool = True
    ) -> tuple[Strategy, int]:
        """Return the strategy with its stages, and how many trials it is asked for at a time.

        `knows_costs` is False where no data was read, and only the number of trials is of interest.
        """
        costs = self.objective.costs() if knows_costs else None
        context = Context(budget, limit, costs, self.trials)
        staged = self.staged
        strategy = _unstaged(self.options, context)
        if staged is None:
            return strategy, self.keys.wave or self.options.wave_size(context)
        confirmed, own = None, budget
        if _confirms(staged, budget, limit):
            confirmed = Confirmed.within(strategy, budget, limit, self.default is not None)
            own = confirmed.trials
            strategy = _unstaged(staged, replace(context, budget=own))
            confirmed = replace(confirmed, strategy=strategy)
        wave = staged.wave_size(replace(context, budget=own))
        if self.halves:
            self._check_halving()
            rule = self.objective.cohort_rule() if knows_costs else None
            whole = (confirmed and confirmed.trials) or budget or 0
            halving = Halving(strategy, self.rungs, whole, rule, self.default)
            # how much there is to search, halving knows itself
            strategy, wave = halving, staged.default_wave
            confirmed = confirmed and replace(confirmed, strategy=halving, trials=None)
        return confirmed or strategy, self.keys.wave or wave

    def _check_halving(self) -> None:
        if self.epochs <= 1:
            message = "halving drops trainings on their way, and this has no epochs"
            raise SpecError(Problem("E034", message, help="leave search: halving out"))

    def describe_brackets(self, budget: int) -> str:
        """Return in a line what a budget is enough for, where trials may be dropped."""
        strategy, _ = self.build(budget, knows_costs=False)
        halving = strategy.strategy if isinstance(strategy, Confirmed) else strategy
        assert isinstance(halving, Halving)
        epochs = (halving.budget - len(self.opening)) * self.epochs
        found = Counter(bracket(one) for one in brackets(halving.rungs, epochs))
        texts = [
            f"{count} x ({', '.join(f'{trials} to epoch {rung}' for trials, rung in one)})"
            for one, count in found.items()
        ]
        trials = sum(count * one[0][0] for one, count in found.items()) + len(self.opening)
        whole = "1 whole training" if budget == 1 else f"{budget:,} whole trainings"
        count = "1 trial" if trials == 1 else f"{trials:,} trials"
        return f"halving: a budget of {whole} is {count}: {', '.join(texts)}"

    def comparable(self, history: History) -> tuple[History, int | None]:
        """Return the trials whose losses are of equally many epochs, and how many, if not all.

        Trials that were pruned are left out, unless too few others are there for a model: then all
        count with what they had come to at the last rung that enough of them have reached.
        """
        pruned = {n for n, one in history.ended.items() if isinstance(one, Done) and one.paused}
        enough = len(self.objective.space.parameters) + 1
        if not pruned or sum(not result.paused for _, result in history.done) >= enough:
            kept = tuple(trial for trial in history.trials if trial.run not in pruned)
            return History(kept, history.results), None
        level = visible_at_one_rung(history, self.rungs, enough)
        reached = (result.epochs for _, result in level.done if result.paused)
        return level, max(reached, default=None)


def _unstaged(options: StrategyOptions, context: Context) -> Strategy:
    """Return the strategy before it is halved or confirmed."""
    strategy = options.build(context)
    ends = isinstance(options, StagedOptions) and options.until_converged
    return UntilConverged(strategy) if ends else strategy


def _confirms(options: StagedOptions, budget: int | None, limit: Limit | None) -> bool:
    """Return whether the best trials are run again in the end."""
    if options.confirm is not None:
        return options.confirm
    return limit is not None if budget is None else budget >= _CONFIRMED


def with_default_priors(space: Space, typical: Mapping[str, Value | DependentValue]) -> Space:
    """Return the space with priors at typical values, where a person has none."""
    priors: dict[str, Value | DependentValue] = {}
    for name, good in typical.items():
        if not (parameter := space.parameters.get(name)):
            continue
        if isinstance(good, DependentValue):
            others = space.parameters[good.name].values() or ()
            table = {value: parameter.nearest(good.table[value]) for value in others}
            priors[name] = DependentValue(good.name, table)
        else:
            priors[name] = parameter.nearest(good)
    return replace(space, priors={**priors, **space.priors}, trusted=_TRUSTED)
