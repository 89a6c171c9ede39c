"""The keys of `search:` and `runner:`: those of all, and those that a strategy or runner owns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpsearch.cli import cli
from hpsearch.config.schema import SearchKeys, own_options, runner_model, search_model
from hpsearch.config.spec import Override, Spec, parse
from hpsearch.errors import EXIT_USAGE, Problem, SpecError
from hpsearch.runners import RUNNERS
from hpsearch.runners.inline import InlineOptions
from hpsearch.strategies import STRATEGIES
from hpsearch.strategies.bayes_options import BayesOptions
from hpsearch.strategies.grid import GridOptions
from hpsearch.strategies.manual import ManualOptions
from hpsearch.strategies.random import RandomOptions

DATA = "data: {source: digits}\n"
KEYS = {
    "points": ("3", ["grid"]),
    "rounds": ("3", ["random"]),
    "guided": ("true", ["random"]),
    "surrogate": ("ann", ["bayes"]),
    "pareto": ("true", ["bayes"]),
    "halving": ("true", ["random", "bayes"]),
    "confirm": ("false", ["random", "bayes"]),
    "until_converged": ("true", ["random", "bayes"]),
}
"""The keys that not all strategies have: a value, and the strategies that have it."""
FOREIGN = [
    (key, name) for key, (_, owners) in KEYS.items() for name in STRATEGIES if name not in owners
]
OWN = [(key, name) for key, (_, owners) in KEYS.items() for name in owners]


def read(text: str, strategy: str | None, *flags: Override, is_stored: bool = False) -> Spec:
    """Return what a file means to a strategy."""
    return parse(text, "search.yaml", Path(), flags, strategy=strategy, is_stored=is_stored)


def problems_of(text: str, strategy: str | None, *flags: Override) -> list[Problem]:
    """Return what is wrong with a file that is read by a strategy."""
    with pytest.raises(SpecError) as caught:
        read(text, strategy, *flags)
    assert caught.value.exit_code == EXIT_USAGE
    return list(caught.value.problems)


class TestStrategies:
    def test_the_table_here_has_all_keys_that_strategies_own(self) -> None:
        owned = {name: set(STRATEGIES.load(name).model_fields) for name in STRATEGIES}
        assert set(KEYS) == set().union(*owned.values())
        for key, (_, owners) in KEYS.items():
            assert [name for name in STRATEGIES if key in owned[name]] == owners
        assert not set(KEYS) & set(SearchKeys.model_fields)

    @pytest.mark.parametrize(("key", "strategy"), OWN)
    def test_a_strategy_takes_its_own_keys(self, key: str, strategy: str) -> None:
        spec = read(f"{DATA}search: {{{key}: {KEYS[key][0]}}}\n", strategy)
        assert type(spec.options) is STRATEGIES.load(strategy)
        assert spec.options.model_fields_set == {key}
        assert getattr(spec.options, key) == getattr(spec.search, key)

    @pytest.mark.parametrize(("key", "strategy"), FOREIGN)
    def test_it_refuses_those_of_another_with_their_place(self, key: str, strategy: str) -> None:
        value, owners = KEYS[key]
        (problem,) = problems_of(f"{DATA}search:\n  seed: 1\n  {key}: {value}\n", strategy)
        assert problem.code == "E012"
        assert (
            problem.message == f"'{key}' is a key of {' and '.join(owners)}, and this is {strategy}"
        )
        assert problem.place
        assert (problem.place.line, problem.place.column) == (4, 3)
        assert problem.help == "leave it out of this search"

    @pytest.mark.parametrize(("key", "strategy"), FOREIGN)
    def test_so_it_does_where_a_flag_brings_them(self, key: str, strategy: str) -> None:
        flag = ("search", key), True, f"--set search.{key}=true"
        (problem,) = problems_of(DATA, strategy, flag)
        assert problem.place
        assert (problem.code, problem.place.file) == ("E012", flag[2])

    @pytest.mark.parametrize(("key", "strategy"), FOREIGN)
    def test_a_study_that_was_begun_with_them_is_read(self, key: str, strategy: str) -> None:
        text = f"{DATA}search: {{{key}: {KEYS[key][0]}}}\n"
        spec = read(text, strategy, is_stored=True)
        assert spec.options == STRATEGIES.load(strategy)()

    @pytest.mark.parametrize("key", KEYS)
    def test_where_no_strategy_is_named_all_are_allowed(self, key: str) -> None:
        spec = read(f"{DATA}search: {{{key}: {KEYS[key][0]}}}\n", None)
        assert spec.options is None
        assert key in spec.search.model_fields_set

    @pytest.mark.parametrize("key", ["gided", "pints", "halfing"])
    def test_a_key_of_none_is_unknown(self, key: str) -> None:
        for strategy in (None, *STRATEGIES):
            (problem,) = problems_of(f"{DATA}search: {{{key}: 1}}\n", strategy)
            assert problem.message == f"unknown key '{key}' in 'search'"

    def test_a_slip_is_taken_for_a_key_of_this_strategy_alone(self) -> None:
        (mine,) = problems_of(f"{DATA}search: {{pints: 3}}\n", "grid")
        (other,) = problems_of(f"{DATA}search: {{pints: 3}}\n", "bayes")
        assert (mine.hint, other.hint) == ("did you mean 'points'?", "")
        assert "points" not in other.help

    def test_a_wrong_value_of_a_foreign_key_is_one_mistake(self) -> None:
        (problem,) = problems_of(f"{DATA}search: {{points: many}}\n", "bayes")
        assert problem.message == "'points' is a key of grid, and this is bayes"

    @pytest.mark.parametrize(
        ("search", "strategy", "options"),
        [
            ("{}", "manual", ManualOptions()),
            ("{points: 7}", "grid", GridOptions(points=7)),
            ("{rounds: 2, confirm: true}", "random", RandomOptions(rounds=2, confirm=True)),
            ("{surrogate: ann}", "bayes", BayesOptions(surrogate="ann")),
        ],
    )
    def test_the_options_are_those_that_were_given(
        self, search: str, strategy: str, options: object
    ) -> None:
        assert read(f"{DATA}search: {search}\n", strategy).options == options

    def test_an_unknown_strategy_is_refused(self) -> None:
        with pytest.raises(SpecError, match="did you mean 'bayes'"):
            own_options(search_model(None)(), "bayse")


class TestCommandLine:
    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command line; return the exit code, and what it wrote to stderr."""
        ran = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
        return ran.return_value, ran.stderr

    def test_set_is_refused_with_its_place_and_2(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert self.run("bayes", "--set", "search.points=3") == (
            EXIT_USAGE,
            "error[E012]: 'points' is a key of grid, and this is bayes\n"
            "  --> --set search.points=3\n"
            "   = help: leave it out of this search\n",
        )
        assert not list(tmp_path.iterdir())

    def test_the_file_is_refused_with_its_place_and_2(self, tmp_path: Path) -> None:
        path = tmp_path / "search.yaml"
        path.write_text(f"{DATA}search: {{budget: 5, rounds: 3}}\n")
        code, said = self.run("grid", str(path))
        assert code == EXIT_USAGE
        assert "error[E012]: 'rounds' is a key of random, and this is grid" in said
        assert f"{path}:2:21" in said

    def test_variables_of_flags_that_a_command_does_not_have_are_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name, value in {"POINTS": "3", "ROUNDS": "2", "SURROGATE": "ann"}.items():
            monkeypatch.setenv(f"HPSEARCH_{name}", value)
        for strategy in STRATEGIES:
            code, said = self.run(strategy, "--budget", "2", "--set", "data.source=nowhere.csv")
            assert code == EXIT_USAGE
            assert re.findall(r"error\[(\w+)\]", said) == ["E070"], said

    def test_the_runner_may_come_from_a_flag(self, tmp_path: Path) -> None:
        path = tmp_path / "search.yaml"
        path.write_text(f"{DATA}runner: {{name: local}}\nsearch: {{lag: -1}}\n")
        code, said = self.run("grid", str(path), "--runner", "inline")
        assert code == EXIT_USAGE
        assert re.findall(r"error\[\w+\]: (\S+)", said) == ["'search.lag'"]


class TestRunner:
    @pytest.mark.parametrize("key", sorted(InlineOptions.ignored))
    def test_a_key_that_has_no_effect_on_it_is_a_mistake(self, key: str) -> None:
        value = {"memory": "2GB", "trial_timeout": "1m"}[key]
        for text, flags in [
            (f"runner: {{name: inline}}\nsearch: {{{key}: {value}}}\n", ()),
            ("", [(("search", key), value, "a flag"), (("runner", "name"), "inline", "--runner")]),
        ]:
            with pytest.raises(SpecError, match=f"'{key}' has no effect on the runner 'inline'"):
                read(DATA + text, "random", *flags)

    def test_it_is_local_where_nobody_says_another(self) -> None:
        assert read(DATA, "random").runner.name == "local"

    @pytest.mark.parametrize("name", RUNNERS)
    def test_each_in_the_table_can_be_named(self, name: str) -> None:
        runner = read(f"{DATA}runner: {{name: {name}}}\n", "random").runner
        assert runner.name == name
        own = runner.part(RUNNERS.load(name))
        assert type(own) is RUNNERS.load(name)

    @pytest.mark.parametrize("name", RUNNERS)
    def test_its_keys_are_its_own_and_its_name(self, name: str) -> None:
        own = set(RUNNERS.load(name).model_fields)
        assert set(runner_model(name).model_fields) == {"name", *own}

    @pytest.mark.parametrize(
        ("text", "code", "place", "said"),
        [
            ("runner: {name: lokal}", "E020", (2, 16), "'runner.name' is the text 'lokal'"),
            ("runner: {name: [local]}", "E020", (2, 16), "'runner.name' is a list"),
            ("runner: {name: }", "E020", (2, 16), "'runner.name' is empty"),
            ("runner: {name: local, cpus: 2}", "E012", (2, 23), "unknown key 'cpus' in 'runner'"),
            ("runner: {cpus: 2}", "E012", (2, 10), "unknown key 'cpus' in 'runner'"),
            ("runner: inline", "E020", (2, 9), "'runner' is the text 'inline'"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place(
        self, text: str, code: str, place: tuple[int, int], said: str
    ) -> None:
        (problem,) = problems_of(f"{DATA}{text}\n", "random")
        assert problem.place
        assert (problem.code, (problem.place.line, problem.place.column)) == (code, place)
        assert problem.message.startswith(said)

    def test_a_flag_stands_over_the_file(self) -> None:
        flag = ("runner", "name"), "inline", "--runner inline"
        assert read(f"{DATA}runner: {{name: local}}\n", "random", flag).runner.name == "inline"

    def test_a_flag_for_another_runner_leaves_out_the_keys_of_the_one_before(self) -> None:
        text, flag = f"{DATA}runner: {{name: ray, cpus: 2}}\n", "--address 10.0.0.5:1"
        address = ("runner", "address"), "10.0.0.5:1", flag
        local, ray = ((("runner", "name"), name, "--runner") for name in ("local", "ray"))
        assert read(text, "random", address, local).runner.model_dump() == {"name": "local"}
        kept = read(text, "random", ray, address).runner
        assert (kept.model_dump()["cpus"], kept.model_dump()["address"]) == (2, "10.0.0.5:1")
        with pytest.raises(SpecError, match="unknown key 'address'"):
            read(text, "random", local, address)


class TestLag:
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_every_strategy_has_one_and_it_is_none_at_first(self, strategy: str) -> None:
        assert read(DATA, strategy).search.lag is None
        assert read(f"{DATA}search: {{lag: 1}}\n", strategy).search.lag == 1
