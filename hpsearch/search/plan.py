"""The plan of a search: its strategy with its stages, its waves, and what comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hpsearch.config.schema import SearchKeys
from hpsearch.errors import Problem, SpecError
from hpsearch.objectives import OBJECTIVES, Objective
from hpsearch.search.loop import Search
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import (
    Context,
    Count,
    Limit,
    StagedOptions,
    Strategy,
    StrategyOptions,
)
from hpsearch.strategies.confirm import Confirmed, UntilConverged, converged
from hpsearch.strategies.halving import (
    MIN_EPOCHS,
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
_LITTLE = 0.01  # of the space, of which a person is told
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
        """What a person has picked; the objective's presets where else nothing would be run."""
        if self.picked or not self.options.has_all_points:
            return self.picked
        return tuple(self.objective.presets())

    @property
    def opening(self) -> Sequence[NewTrial]:
        """The trials that come before the strategy's own: the default, and picked ones.

        With halving the default competes as any other trial does.
        """
        if self.options.has_all_points:
            return []  # they are the strategy's own
        default = None if self.halves else self.default
        first = [NewTrial(default, "default", origin="default")] if default is not None else []
        picked = (NewTrial(params, "hand-picked", origin="picked") for params in self.picked)
        return [*first, *picked]

    @property
    def default(self) -> Params | None:
        """The params of the trial beside which others are seen; None where there is none."""
        return self.objective.default() if self.options.has_default else None

    @property
    def epochs(self) -> int:
        """The unit of the budget: one trial, or the epochs of one where trials may be pruned."""
        return self.objective.epochs({}) if self.halves else 1

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which trials may be dropped, and those of a whole training."""
        return rungs(self.epochs, self.staged.rungs if self.staged else 1)

    @cached_property
    def count(self) -> Count | None:
        """How many different trials there are; None where there is no end of them."""
        return self.options.count(self.objective.space, self.trials)

    def total(self, budget: int | None) -> int | None:
        """Return how many trials there will be, at most; None where only time tells."""
        if self.count is None or self.halves:
            return budget
        if budget is None:
            return self.count.trials
        strategy, _ = self.build(budget, knows_costs=False)
        if not isinstance(strategy, Confirmed) or strategy.trials is None:
            return min(budget, self.count.trials)
        return min(budget, self.count.trials + budget - strategy.trials)

    def remarks(self, budget: int | None) -> Iterator[str]:
        """Give what a person should know of the space before the first trial.

        Raises:
            SpecError: the constraints leave nothing, as far as was looked; or nothing was picked.
        """
        space, count = self._given_space, self.count
        if self.options.has_all_points:
            if not self.trials:
                message = f"there is nothing to run: '{self.strategy}' runs what was picked by hand"
                help = "trials: [{...}]  in the file, or --trials FILE"
                raise SpecError(Problem("E011", message, help=help))
            return
        if count is not None and count.trials == 0:
            rules = ", ".join(f"'{rule.text}'" for rule in space.constraints)
            message = f"the constraints leave no point to try: {rules}"
            help = "widen the ranges or relax a constraint"
            raise SpecError(Problem("E051", message, help=help))
        if self.options.has_default:
            space.check()
            if space.share < _LITTLE:
                share = f"about {100 * space.share:.2g} %" if space.share else "hardly anything"
                yield f"the constraints leave {share} of the space"
        elif count is not None and budget is not None and budget < count.trials:
            yield f"the grid has {count}, of which {budget:,} are tried, spread over it"

    def ending(self, history: History, budget: int | None, limit: Limit | None = None) -> str:
        """Return why a search has ended that has not used its budget up; else nothing."""
        if limit is not None and limit.left(history) <= 0:
            return "the time is over"
        if history.pending:
            return ""
        if budget is not None and history.epochs(self.epochs) >= budget * self.epochs:
            return ""
        if self.staged and self.staged.until_converged and converged(history):
            return "little more can be expected of other trials"
        if self.count and len(history.keys) >= self.count.trials:
            what = "trial" if self.options.has_all_points else "point"
            count = self.count.trials
            many = f"all {count:,} {what}s were tried"
            return many if count > 1 else f"the one {what} was tried"
        if limit is not None:
            return "no time is left for another trial"
        if self.halves:
            return "what is left of the budget is too little for another bracket"
        return "no other point was found that the constraints allow"

    def search(self, budget: int | None, limit: Limit | None = None) -> Search:
        """Return what the loop needs.

        Args:
            budget: the total of trials, or of whole trainings; None for all that there are.
            limit: the seconds that may be spent.
        """
        strategy, wave = self.build(budget, limit)
        return Search(
            objective=self.objective,
            strategy=strategy,
            space=self.space,
            opening=self.opening,
            budget=budget,
            wave=wave,
            seed=self.keys.seed,
            time_weight=self.keys.time_weight,
            has_cost=self.objective.describe().has_cost,
            lag=self.lag,
            epochs=self.epochs,
            retries=self.keys.max_retries,
            max_failures=self.keys.max_failures,
            limit=limit,
        )

    @cached_property
    def space(self) -> Space:
        """What the strategy is asked about.

        Brackets of a model begin before it knows anything: most of their trials are then near
        values that are good for most trainings.
        """
        if self.staged and self.halves and self.staged.has_default_priors:
            return with_default_priors(self._given_space, self.objective.typical_values())
        return self._given_space

    @cached_property
    def _given_space(self) -> Space:
        """The objective's space, with points that are known where constraints may leave little."""
        space = self.objective.space
        if not space.constraints:
            return space
        picked = (*self.picked, *([self.default] if self.default is not None else []))
        return replace(space, known=picked)

    def build(
        self, budget: int | None, limit: Limit | None = None, knows_costs: bool = True
    ) -> tuple[Strategy, int]:
        """Return the strategy with its stages, and how many trials it is asked for at a time.

        `knows_costs` is False where no data was read, and only the number of trials is of interest.
        """
        costs = self.objective.costs() if knows_costs else None
        context = Context(budget, limit, costs, self.trials, self._batched)
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

    @property
    def lag(self) -> int:
        """How many waves may be unfinished behind the last complete one when the next is chosen.

        What a strategy says of it is said of waves as large as it would have them, and a bracket
        waits for its last trial.
        """
        if self.keys.lag is not None:
            return self.keys.lag
        if self.keys.wave is not None or self.halves:
            return 0
        return self.options.wave_lag(Context(batched=self._batched))

    @property
    def _batched(self) -> bool:
        return self.objective.cohort_rule() is not None

    def _check_halving(self) -> None:
        if self.epochs == 1:
            message = "halving stops trainings on their way, and this has no epochs"
            help = "'epochs' says how long a whole training is; or leave halving out"
            raise SpecError(Problem("E034", message, help=help))
        if self.epochs < MIN_EPOCHS:
            message = f"{self.epochs} epochs are too few to drop trials on their way"
            raise SpecError(Problem("E034", message, help=f"halving takes {MIN_EPOCHS} or more"))

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
            return history.only(lambda trial: trial.run not in pruned), None
        level = visible_at_one_rung(history, self.rungs, enough)
        reached = (result.epochs for _, result in level.done if result.paused)
        return level, max(reached, default=None)


def idle_workers(search: Search, workers: int) -> Iterator[str]:
    """Give a line where there are more workers than trials that are ever asked for ahead."""
    most = search.wave * (search.lag + 1)
    if workers > most:
        trials = "1 trial is" if most == 1 else f"{most:,} trials are"
        yield (
            f"{workers:,} workers, but at most {trials} under way at a time: "
            "a larger search.wave or search.lag makes more"
        )


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
