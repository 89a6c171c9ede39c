"""What every strategy promises: points of the space, no state, and always an answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from random import Random

from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Real
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Context, Strategy, StrategyOptions, ranked
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, NewTrial, Result, Trial
from hpsearch.testing import Check, bound

MIXED = Space(
    {
        "optimizer": Choice(("sgd", "momentum", "adam")),
        "lr": Real(1e-4, 1e-1, log=True),
        "momentum": Real(0.5, 0.99),
        "width": Integer(8, 256, log=True),
        "norm": Choice((True, False)),
    },
    {"momentum": {"optimizer": ("momentum",)}},
    (Expression("width <= 200 or norm"),),
)
"""A space with numbers, choices, a condition and a constraint."""

FEW = Space({"a": Choice(("p", "q", "r")), "b": Integer(1, 3)})
"""A space of nine points."""

_PICKED = 40
_HEAVY = ("torch", "scipy", "sklearn")


def loss_of(trial: Trial) -> Done:
    """Return a result whose loss is smooth, and smallest in a corner of `MIXED`."""
    loss = sum((unit - 0.3) ** 2 for unit in MIXED.encode(trial.params))
    return Done(loss, 1.0 - loss, 1.0, 1e9, 100, 10, 7)


def points(space: Space) -> tuple[Params, ...]:
    """Return points that a person might have picked: all of a small space, else some at random."""
    if space.every is not None:
        return tuple(space.walk(space.every))
    return tuple(space.sample(Random(n)) for n in range(_PICKED))


def build(options: type[StrategyOptions], space: Space) -> Strategy:
    """Return the strategy with its defaults, for a space of which all points may be picked."""
    return options().build(Context(budget=_PICKED, trials=points(space)))


def play(
    strategy: Strategy,
    space: Space,
    trials: int,
    judge: Callable[[Trial], Result | None] = loss_of,
) -> History:
    """Return the history of so many trials that were asked for one by one.

    `judge` gives the result of each, or None for one that stays pending.
    """
    history = History()
    while len(history) < trials:
        number = len(history)
        new = strategy.ask(space, history, Random(f"0/{number}"))
        if not isinstance(new, NewTrial):
            break
        trial = Trial(number, new.params, new.reason, number, number, origin=new.origin)
        history = history.with_trials([trial])
        if (result := judge(trial)) is not None:
            history = history.with_results({number: result})
    return history


def it_is_built_with_defaults(options: type[StrategyOptions]) -> None:
    """The keys of its options may all be left out, and each has a description."""
    options()
    for name, field in options.model_fields.items():
        assert field.description, f"{name} has no description"


def its_options_import_nothing_heavy(options: type[StrategyOptions]) -> None:
    """The options can be read before torch, scipy and scikit-learn are imported."""
    names = ", ".join(map(repr, _HEAVY))
    script = f"import sys, {options.__module__}\nassert not {{{names}}} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def it_stays_in_the_space(options: type[StrategyOptions]) -> None:
    """All that it asks for are points of the space, conditions and constraints included."""
    history = play(build(options, MIXED), MIXED, 20)
    assert len(history) > 0
    assert all(trial.params in MIXED for trial in history.trials)


def it_gives_the_same_answer_to_the_same_question(options: type[StrategyOptions]) -> None:
    """The answer is a function of space, history and generator."""
    history = play(build(options, MIXED), MIXED, 12)
    once = build(options, MIXED).ask(MIXED, history, Random(7))
    copy = History(history.trials, history.results)
    assert build(options, MIXED).ask(MIXED, copy, Random(7)) == once


def it_keeps_no_state(options: type[StrategyOptions]) -> None:
    """What it was asked in between changes no answer."""
    strategy = build(options, MIXED)
    history = play(strategy, MIXED, 12)
    once = strategy.ask(MIXED, history, Random(7))
    play(strategy, MIXED, 9, judge=every_third_fails)
    assert strategy.ask(MIXED, history, Random(7)) == once


def it_leaves_the_history_alone(options: type[StrategyOptions]) -> None:
    """A question changes nothing."""
    history = play(build(options, MIXED), MIXED, 12)
    before = tuple(history.trials), dict(history.results)
    build(options, MIXED).ask(MIXED, history, Random(7))
    assert (history.trials, history.results) == before


def it_goes_on_while_trials_are_pending(options: type[StrategyOptions]) -> None:
    """Trials without a result do not stop it, and it asks for no point twice."""

    def judge(trial: Trial) -> Result | None:
        return None if trial.number % 4 == 3 else loss_of(trial)

    history = play(build(options, MIXED), MIXED, 20, judge)
    assert len(history.keys) == len(history) > 0


def every_third_fails(trial: Trial) -> Result:
    """Return a failure for every third trial."""
    return loss_of(trial) if trial.number % 3 else Failed("diverged", "it was the third")


def it_goes_on_where_trials_fail(options: type[StrategyOptions]) -> None:
    """Failures do not stop it, be they some or all."""
    some = play(build(options, MIXED), MIXED, 20, every_third_fails)
    every = play(build(options, MIXED), MIXED, 12, lambda trial: Failed("error", "it failed"))
    assert len(some) > 0
    assert len(every) > 0


def it_copes_with_losses_far_apart(options: type[StrategyOptions]) -> None:
    """Losses may be equal, tiny or huge."""

    def judge(trial: Trial) -> Result:
        return Done((1e-300, 1.0, 1e300)[trial.number % 3], 0.0, 1.0, 1e9, 1, 1, 1)

    assert len(play(build(options, MIXED), MIXED, 15, judge)) > 0


def it_ends_when_a_small_space_is_used_up(options: type[StrategyOptions]) -> None:
    """No point of a finite space is asked for twice, and then none is."""
    strategy = build(options, FEW)

    def judge(trial: Trial) -> Result:
        return Done(float(trial.number), 0.0, 1.0, 1e9, 1, 1, 1)

    history = play(strategy, FEW, 20, judge)
    assert len(history) == len(history.keys) <= 9
    assert strategy.ask(FEW, history, Random(0)) is None


def its_ranking_has_each_successful_trial_once(options: type[StrategyOptions]) -> None:
    """The ranking holds the trials that succeeded, and puts no clearly worse one first."""
    strategy = build(options, MIXED)
    history = play(strategy, MIXED, 16, every_third_fails)
    order = ranked(strategy, MIXED, history)
    succeeded = {trial.number for trial, _ in history.done}
    assert {trial.number for trial in order} <= succeeded
    assert len({trial.number for trial in order}) == len(order) > 0
    losses = sorted(result.loss for _, result in history.done)
    first = next(result.loss for trial, result in history.done if trial.number == order[0].number)
    assert first <= losses[len(losses) // 2]


_PROMISES = (
    it_is_built_with_defaults,
    its_options_import_nothing_heavy,
    it_stays_in_the_space,
    it_gives_the_same_answer_to_the_same_question,
    it_keeps_no_state,
    it_leaves_the_history_alone,
    it_goes_on_while_trials_are_pending,
    it_goes_on_where_trials_fail,
    it_copes_with_losses_far_apart,
    it_ends_when_a_small_space_is_used_up,
    its_ranking_has_each_successful_trial_once,
)


def checks(options: type[StrategyOptions]) -> list[Check[type[StrategyOptions]]]:
    """Return the checks of the strategy that these options build."""
    return bound(_PROMISES, options)
