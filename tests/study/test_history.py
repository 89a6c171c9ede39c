"""A history that grows is the history that would be built from scratch."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Result, Trial
from tests.helpers.effort import calls_at_most
from tests.helpers.histories import CUBE, done, sampled

_READ = (
    *("trials", "results", "done", "completed", "contenders", "pending", "expected_improvements"),
    *("next_wave", "next_cohort", "next_seed_group", "failed", "is_noise_free"),
)
_MAPPED = ("runs", "segments", "ended")
_RUNG = 3


def facts(history: History) -> dict[str, object]:
    """Return all that a history says; what is a set or a mapping without an order of its own."""
    said = {name: getattr(history, name) for name in _READ}
    said |= {name: dict(getattr(history, name)) for name in _MAPPED}
    return said | {"keys": set(history.keys), "epochs": [history.epochs(n) for n in (1, 9)]}


def anew(history: History) -> History:
    """Return the same history, of which nothing has been summed up."""
    return History(tuple(history.trials), dict(history.results))


def next_trial(history: History, rng: Random) -> Trial:
    """Return a new trial, a repetition, or the second segment of a training that has paused."""
    number, wave = len(history), max(0, history.next_wave - 1) + (rng.random() < 0.5)
    params = CUBE.sample(Random(rng.randrange(4)))  # so that points come again
    firsts = [trial for trial in history.trials if trial.parent is None]
    paused = [
        one
        for one in firsts
        if one.until_epoch
        and len(history.segments[one.number]) == 1
        and isinstance(history.ended.get(one.number), Done)
    ]
    kind = rng.random()
    if paused and kind < 0.3:
        parent = rng.choice(paused).number
        return Trial(number, params, "", wave, number, parent=parent, start_epoch=_RUNG)
    if firsts and kind < 0.5:
        parent = rng.choice(firsts).number
        replicate = len(history.runs[parent])
        return Trial(number, params, "", wave, number, parent=parent, replicate=replicate)
    expected = rng.choice([None, rng.random()])
    until, group = rng.choice([None, _RUNG]), rng.randrange(9)
    return Trial(
        number,
        params,
        "",
        wave,
        number,
        expected_improvement=expected,
        until_epoch=until,
        seed_group=group,
    )


def some_result(rng: Random) -> Result:
    if rng.random() < 0.2:
        return Failed(rng.choice(["error", "diverged"]), "why", rng.random())
    return done(rng.choice([0.1, 0.2, 0.3]), flops=rng.choice([1e9, 2e9]))  # there are equals


def grown(seed: int, steps: int) -> list[History]:
    """Return the histories of a study, one after the other, and branches off them."""
    rng, found = Random(seed), [History()]
    for _ in range(steps):
        history = found[-1]
        if history.pending and rng.random() < 0.5:
            some = rng.sample(history.pending, rng.randint(1, len(history.pending)))
            history = history.with_results({one.number: some_result(rng) for one in some})
        else:
            for _ in range(rng.randint(0, 3)):
                history = history.with_trials([next_trial(history, rng)])
        branch = history.up_to_wave(rng.randint(-1, history.next_wave))
        found += [branch.with_trials([next_trial(branch, rng)]), branch, history]
    return found


class TestGrowing:
    @given(seed=st.integers(0, 2**32), steps=st.integers(0, 20))
    @settings(max_examples=60, deadline=None)
    def test_a_history_that_grows_says_what_one_says_that_is_built_at_once(
        self, seed: int, steps: int
    ) -> None:
        for history in grown(seed, steps):
            assert facts(history) == facts(anew(history))

    @given(seed=st.integers(0, 2**32))
    @settings(max_examples=30, deadline=None)
    def test_who_holds_a_history_sees_no_change_of_it(self, seed: int) -> None:
        rng, history = Random(seed), History()
        before = []
        for _ in range(20):
            history = history.with_trials([next_trial(history, rng) for _ in range(1)])
            before.append((history, facts(anew(history))))
            ended = {one.number: some_result(rng) for one in history.pending if rng.random() < 0.5}
            history = history.with_results(ended)
            before.append((history, facts(anew(history))))
        assert all(facts(one) == said for one, said in before)

    def test_up_to_a_wave_later_trials_are_pending_and_all_results_of_others_are_there(
        self,
    ) -> None:
        history = sampled(CUBE, 9)  # one trial a wave
        known = history.up_to_wave(5)
        assert [trial.number for trial in known.pending] == [6, 7, 8]
        assert [*known.results] == [0, 1, 2, 3, 4, 5]
        assert known.done == tuple(pair for pair in history.done if pair[0].number < 6)
        assert history.up_to_wave(8) is history

    def test_a_result_and_a_trial_more_take_as_much_as_in_a_short_history(self) -> None:
        long = sampled(CUBE, 20_000)
        assert len(long.done) == len(long.keys) == 20_000  # found once, as they are asked for
        trial = Trial(20_000, {"x": 0.5}, "", 20_000, 20_000)
        with calls_at_most(1_000):
            longer = long.with_trials([trial]).with_results({20_000: done(-1.0)})
            assert longer.done[:1] == ((trial, done(-1.0)),)
            assert len(longer.up_to_wave(19_999).done) == 20_000
            assert longer.next_wave == longer.epochs(1) == 20_001
