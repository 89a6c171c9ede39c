"""A YAML as a search: what is understood, and how every mistake is answered, with its place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import hpsearch
from hpsearch.cli import cli
from hpsearch.commands.flags import SearchFlags, overrides
from hpsearch.config.schema import seconds
from hpsearch.config.spec import NetworkSpec, networks_of, parse
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.errors import EXIT_OK, EXIT_USAGE, Place, Problem, SpecError
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Parameter, Real, Value, listed
from hpsearch.space.space import Params, Space
from tests.helpers.effort import calls_at_most

DATA = "data: {source: digits}\n"
GOLDEN = Path(__file__).parent.parent / "golden"


def read(text: str | bytes, strategy: str | None = None, **flags: Any) -> NetworkSpec:
    """Return what a file means beside some flags of the command line."""
    given = SearchFlags.of({"config": None, "settings": flags.pop("set", ()), **flags})
    said = overrides(given, strategy)
    return networks_of(parse(text, "search.yaml", Path("/data"), said, strategy=strategy))


def problems_of(text: str | bytes, strategy: str | None = None, **flags: Any) -> list[Problem]:
    """Return what is wrong with a file beside some flags of the command line."""
    with pytest.raises(SpecError) as caught:
        read(text, strategy, **flags)
    assert caught.value.exit_code == EXIT_USAGE
    return list(caught.value.problems)


def at(problem: Problem) -> str:
    assert problem.place
    return (
        f"{problem.place.line}:{problem.place.column}" if problem.place.line else problem.place.file
    )


class Case(NamedTuple):
    """A wrong text and its answer: code, place, and pieces of what was found and would be right."""

    text: str
    code: str
    place: str
    found: str
    right: str


def cases() -> Iterator[tuple[str, Case]]:
    """Give the cases of the file, and those that cannot well be written down there."""
    for case in (GOLDEN / "mistakes.txt").read_text(encoding="utf-8").split("\n\n## ")[1:]:
        name, rest = case.split("\n", 1)
        text, answer = rest.rsplit("\n=> ", 1)
        kind, *pieces = (piece.strip() for piece in answer.split(" |"))
        code, place = kind.split()
        yield name, Case(f"{text}\n", code, place, *pieces)
    yield (
        "an empty file",
        Case("", "E005", "1:1", "this file is empty", "it begins with  data: {source: digits}"),
    )
    yield (
        "a tab",
        Case(
            "data:\n\tsource: digits",
            "E001",
            "2:1",
            "a tab stands where the indentation",
            "with spaces",
        ),
    )
    yield (
        "not UTF-8",
        Case(f"{DATA}name: caf\udce9", "E001", "2:10", "not UTF-8", "save the file as UTF-8"),
    )
    yield (
        "too large",
        Case(f"{DATA}# {'x' * 256 * 1024}", "E004", "1:1", "larger than 256 kB", "a page or two"),
    )
    digits = f"{DATA}train: {{width: {'9' * 5000}}}"
    yield (
        "five thousand digits",
        Case(digits, "E022", "2:16", "(5,000 characters)", "a whole number from 1"),
    )


CASES = dict(cases())


def test_there_are_many_kinds_of_mistakes() -> None:
    assert len(CASES) > 140


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_answered_with_its_place_with_what_was_found_and_what_would_be_right(
    case: str,
) -> None:
    text, code, place, found, right = CASES[case]
    (problem,) = problems_of(text)
    assert (problem.code, at(problem)) == (code, place)
    assert found in problem.message
    printed = str(problem)
    assert f"  --> search.yaml:{place}\n" in printed + "\n"
    assert right in printed
    assert "\n\n" not in printed
    # nothing of the library's own words, and no more than one suggestion
    assert not re.search(
        r"pydantic|input|valid |extra|type=|None|NoneType|Error|object at", printed
    )
    assert printed.count("did you mean") <= 1


@pytest.mark.parametrize("case", CASES)
def test_the_underline_is_under_the_mistake(case: str) -> None:
    (problem,) = problems_of(CASES[case].text)
    lines = str(problem).splitlines()
    source = next((i for i, line in enumerate(lines) if re.match(r"\d+ \| ", line)), None)
    assert problem.place
    if source is None:  # of nothing, and of what is not text, no line is shown
        assert not problem.place.text
        return
    column = len(f"{problem.place.line} | ") + problem.place.column - 1
    assert lines[source + 1][column] == "^"
    assert lines[source + 1][:column].strip() == "|"
    assert len(lines[source + 1].rpartition("^")[0]) <= 140
    assert lines[source + 1].rstrip() == lines[source + 1]


MANY = """\
searh: {budget: 3}
data: {source: digits, split: {validation: 2}}
train: {depht: 3, width: 3.0}
parameters:
  lr: {low: 1, high: 2}
  widht: {min: 1, max: 2}
  dropout: {min: 0.9, max: 0.1}
  dropout: {min: 0.1, max: 0.2}
  optimizer: {values: [adm, sgd, sgd]}
  batch_size: {min: 8, max: 64, when: {lr: 1, modle: mlp}}
  momentum: {min: 0.1, max: 0.9}
constraints: [batch_size < deep, lr < 1, optimizer = 'sgd', [3]]
trials: [{lr: 3, batch_size: 9999, dept: 1}, 3]
search: {time: soon, budget: , buget: 4}
"""


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order() -> None:
    assert [(at(problem), problem.code) for problem in problems_of(MANY)] == [
        ("1:1", "E012"),
        ("2:44", "E020"),
        ("3:9", "E012"),
        ("3:26", "E022"),
        ("5:8", "E012"),
        ("6:3", "E012"),
        ("7:18", "E021"),
        ("8:3", "E002"),
        ("9:24", "E022"),
        ("9:34", "E033"),
        ("10:47", "E042"),
        ("12:28", "E050"),
        ("12:52", "E050"),
        ("12:61", "E020"),
        ("13:30", "E060"),
        ("13:36", "E012"),
        ("13:46", "E020"),
        ("14:16", "E020"),
        ("14:30", "E020"),
        ("14:32", "E012"),
    ]


def test_one_mistake_is_not_told_twice_by_what_follows_from_it() -> None:
    text = f"""{DATA}
parameters:
  optimizer: {{values: [momentum, adma]}}
  momentum: {{min: 0.1, max: 0.9, when: {{optimizer: momentum}}}}
  lr: {{min: 0.1}}
  width: {{min: 1, max: 2, when: {{lr: 0.1}}}}
constraints: [lr < 0.1, optimizer == 'adam']
trials: [{{optimizer: adam, lr: 1}}]
"""
    assert [(problem.code, at(problem)) for problem in problems_of(text)] == [
        ("E022", "4:34"),
        ("E013", "6:3"),
    ]


def test_a_dedent_too_many_is_answered_on_both_sides() -> None:
    problems = problems_of("data:\nsource: digits\n")
    assert [(at(problem), problem.hint) for problem in problems] == [
        ("1:6", "indent what belongs to it, or leave it out"),
        ("2:1", "'source' belongs under 'data:'"),
    ]


@pytest.mark.parametrize("section", ["parameters: []", "parameters:"])
def test_what_a_lost_section_would_have_said_is_not_missed(section: str) -> None:
    text = f"{DATA}{section}\nconstraints: [width < 3]\ntrials: [{{width: 3}}]\n"
    assert [problem.code for problem in problems_of(text)] == ["E020"]


def test_the_first_fifty_of_many_mistakes_are_told() -> None:
    keys = ", ".join(f"key{i}: 1" for i in range(9_000))
    with calls_at_most(2_000_000):
        found = problems_of(f"{DATA}search: {{{keys}}}")
    assert len(found) == 50
    assert len(problems_of(DATA + "train: {lr: 1}\n" * 99)) == 50
    keys = ", ".join(f"key{i}: {{}}" for i in range(999))
    assert len(problems_of(f"{DATA}parameters: {{{keys}}}")) == 50


def test_a_long_line_is_shown_around_the_mistake() -> None:
    (problem,) = problems_of(
        f"{DATA}search: {{metric: loss, {' ' * 90} buget: 3, seed: {' ' * 90} 1}}"
    )
    lines = str(problem).splitlines()
    assert lines[1] == "  --> search.yaml:2:115"
    assert len(lines[3]) <= 130
    assert lines[3][lines[4].index("^") :].startswith("buget: 3")


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    (problem,) = problems_of(DATA + 'name: "\\e[31m\\a"\n')
    assert "\\x1b[31m\\x07" in str(problem)
    assert "\x1b" not in str(problem)


def test_a_line_with_a_tab_is_underlined_in_the_right_place() -> None:
    (problem,) = problems_of("data: {source: digits,\tscales: unit}")
    _, _, _, shown, underline, _ = str(problem).splitlines()
    assert shown[underline.index("^") :].startswith("scales")


# What a wrong flag is answered with


@pytest.mark.parametrize(
    ("flags", "code", "place", "found", "right"),
    [
        ({"set": ("lr",)}, "E010", "--set lr", "'lr' is not KEY=VALUE", "such as  --set lr=0.01"),
        ({"set": ("=3",)}, "E010", "--set =3", "'=3' is not KEY=VALUE", "--set search.wave=8"),
        (
            {"set": ("search.=3",)},
            "E010",
            "--set search.=3",
            "is not KEY=VALUE",
            "--set search.wave=8",
        ),
        ({"set": ("lr=[1",)}, "E010", "--set lr=[1", "a '[' is not closed", ""),
        (
            {"set": ("data.split={test: 0, test: 0}",)},
            "E010",
            "--set data.split={test: 0, test: 0}",
            "'test' stands here twice",
            "",
        ),
        ({"set": ("lr=&x 1",)}, "E022", "--set lr=&x 1", "the text '&x 1'", "a number above 0"),
        (
            {"set": ("widht=3",)},
            "E012",
            "--set widht=3",
            "unknown setting 'widht'",
            "did you mean 'width'?",
        ),
        (
            {"set": ("saerch.budget=3",)},
            "E012",
            "--set saerch.budget=3",
            "unknown key 'saerch'",
            "did you mean 'search'?",
        ),
        (
            {"set": ("search.buget=3",)},
            "E012",
            "--set search.buget=3",
            "'buget' in 'search'",
            "did you mean 'budget'?",
        ),
        (
            {"set": ("lr=fast",)},
            "E022",
            "--set lr=fast",
            "'train.lr' is the text 'fast'",
            "a number above 0",
        ),
        ({"set": ("lr=",)}, "E022", "--set lr=", "'train.lr' is empty", "a number above 0"),
        (
            {"set": ("lr={min: 1, max: 2}",)},
            "E022",
            "--set lr={min: 1, max: 2}",
            "is a mapping",
            "under 'parameters:'",
        ),
        ({"set": ("search=3",)}, "E020", "--set search=3", "'search' is 3", "such as {budget: 50}"),
        (
            {"set": ("trials.0.lr=3",)},
            "E010",
            "--set trials.0.lr=3",
            "'trials' holds no keys that --set could set",
            "",
        ),
        (
            {"set": ("parameters.lr.min=0.5",)},
            "E021",
            "--set parameters.lr.min=0.5",
            "min 0.5 above max 0.1",
            "swap them",
        ),
        (
            {"time": "10 minutes"},
            "E020",
            "--time 10 minutes",
            "the text '10 minutes'",
            "such as 10m",
        ),
        ({"time_weight": float("nan")}, "E020", "--time-weight nan", "is .nan", "0 or more"),
        (
            {"budget": 10**10},
            "E020",
            "--budget 10000000000",
            "'search.budget' is 10000000000",
            "a whole number of trials",
        ),
        (
            {"epochs": 10**9},
            "E022",
            "--epochs 1000000000",
            "'train.epochs' is 1000000000",
            "a whole number from 1",
        ),
        (
            {"trials": "none.csv"},
            "E011",
            "--trials none.csv",
            "none.csv cannot be read: No such file",
            "",
        ),
    ],
)
def test_a_wrong_flag_is_answered_with_the_flag_as_its_place(
    flags: dict[str, Any], code: str, place: str, found: str, right: str
) -> None:
    text = f"{DATA}parameters: {{lr: {{min: 1e-4, max: 0.1}}}}\ntrials: [{{}}]\n"
    (problem,) = problems_of(text, **flags)
    assert (problem.code, at(problem)) == (code, place)
    assert found in problem.message
    assert right in str(problem)
    assert f"  --> {place}\n" in str(problem) + "\n"


def test_the_mistakes_of_all_flags_are_told_at_once_and_before_those_of_the_file() -> None:
    assert [at(one) for one in problems_of(DATA, set=("a", "b", "lr=1"))] == ["--set a", "--set b"]
    found = problems_of(DATA + "train: {width: a}", set=("widht=1", "lr=fast"))
    assert [at(one) for one in found] == ["--set widht=1", "--set lr=fast", "2:16"]


@pytest.mark.parametrize(
    ("name", "text", "place", "found"),
    [
        ("t.csv", "lr,lr\n1,2\n", "t.csv:1:1", "the first row must name each column, none twice"),
        ("t.csv", "lr,\n1,2\n", "t.csv:1:1", "the first row must name each column"),
        ("t.csv", "", "--trials t.csv", "holds no trials"),
        (
            "t.csv",
            "lr,width\n0.1,3\n\n0.1,3,4\n",
            "t.csv:4:1",
            "this row has 3 cells, and there are 2 columns",
        ),
        ("t.csv", 'lr\n"0.1\n', "--trials t.csv", "cannot be read"),
        ("t.csv", b"lr\n\xe9\n", "--trials t.csv", "it is not UTF-8 text"),
        ("t.csv", "lr\nfast\n", "--trials t.csv", "'trials[0].lr' is the text 'fast'"),
        ("t.json", "[{]", "--trials t.json", "cannot be read: Expecting property name"),
        ("t.json", "[" * 100_000, "--trials t.json", "nested too deep"),
        ("t.json", "9" * 5000, "--trials t.json", "holds no trials"),
        ("t.json", f'[{{"lr": {10**400}}}]', "--trials t.json", "(401 characters)', which is not"),
        ("t.json", f'[{{"width": {10**400}}}]', "--trials t.json", "(401 characters)', which is"),
        ("t.json", '[{"lr": NaN}]', "--trials t.json", "is .nan, which is not a finite number"),
        ("t.json", '[{"lr": -Infinity}]', "--trials t.json", "is -.inf, which is not"),
        ("t.json", '[{"lr": 1e400}]', "--trials t.json", "is .inf, which is not"),
        ("t.csv", f"lr\n{10**400}\n", "--trials t.csv", "(401 characters)', which is not"),
        ("t.csv", "lr;width\n0,1;32\n", "t.csv:1:1", "by commas, and here by ';'"),
        ("t.csv", "lr\twidth\n0.1\t32\n", "t.csv:1:1", "by commas, and here by tabs"),
        ("t.csv", "lr\n" + "0.1\n" * 100_001, "--trials t.csv", "more than 100,000 trials"),
        ("t.csv", "lr\n" + " " * 2**24, "--trials t.csv", "larger than 16 MiB"),
        ("t.json", " " * 2**24 + "[]", "--trials t.json", "larger than 16 MiB"),
        ("t.json", "3", "--trials t.json", "holds no trials"),
        ("t.json", '{"trial": []}', "--trials t.json", "holds no trials"),
        ("t.json", b"\xe9", "--trials t.json", "it is not UTF-8 text"),
        ("t.yaml", "- {lr: 1\n", "t.yaml:1:3", "a '{' is not closed"),
        ("t.yaml", "- {lr: 1, lr: 2}\n", "t.yaml:1:11", "the key 'lr' stands here twice"),
        ("t.yaml", "", "--trials t.yaml", "holds no trials"),
    ],
)
def test_a_wrong_file_of_trials_is_answered_with_its_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str | bytes,
    place: str,
    found: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    (problem,) = problems_of(DATA, trials=name)
    assert problem.place
    assert at(problem) == place or f"{problem.place.file}:{at(problem)}" == place
    assert found in problem.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "\ufefflr, width,optimizer\r\n0.1,64,\r\n1e-3,, momentum\r\n"),
        ("t.json", '[{"lr": 0.1, "width": 64}, {"lr": 1e-3, "optimizer": "momentum"}]'),
        ("t.yaml", "trials:\n- {lr: 0.1, width: 64}\n- {lr: 1e-3, optimizer: momentum}\n"),
    ],
)
def test_trials_come_from_a_table_json_or_yaml(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    spec = read(f"{DATA}trials: [{{lr: 5}}]\n", trials=str(tmp_path / name))
    assert spec.trials == ({"lr": 0.1, "width": 64}, {"lr": 0.001, "optimizer": "momentum"})


# What is understood


def test_a_prior_is_a_value_of_its_parameter() -> None:
    spec = read(
        """\
data: {source: digits}
parameters:
  lr: {min: 1e-4, max: 10, log: true, prior: 1}
  width: {min: 16, max: 64, prior: 32}
  depth: {values: [1, 2, 3]}
  norm: {values: [none, batch], prior: batch}
"""
    )
    assert spec.space.priors == {"lr": 1.0, "width": 32, "norm": "batch"}
    assert isinstance(spec.space.priors["lr"], float)


def test_a_search_space_is_understood() -> None:
    spec = read(
        """\
name: mine
data: {source: some/table.csv, target: y, split: {validation: 0.3, test: 0}}
train: {epochs: 5, l2: 1}
parameters:
  momentum: {min: 0.5, max: 0.9, step: 0.1, when: {lr: 0.1}}
  lr: {values: [0.1, 1]}
  width: {min: 16, max: 64, log: true, points: 3}
  optimizer: {values: [sgd, momentum, nesterov]}
  depth: {value: 3}
constraints: ["width * depth <= 200"]
trials: [{lr: 1, optimizer: sgd}]
search: {budget: 7, time: 1.5h}
"""
    )
    assert spec.name == "mine"
    assert (spec.data.source, spec.data.target, spec.data.validation, spec.data.test) == (
        "some/table.csv",
        "y",
        0.3,
        0.0,
    )
    assert spec.data.folder == Path("/data")
    assert spec.fixed == {"epochs": 5, "l2": 1.0, "depth": 3}
    assert isinstance(spec.fixed["l2"], float)
    assert spec.space == Space(
        {
            "lr": Choice((0.1, 1.0)),
            "width": Integer(16, 64, log=True, points=3),
            "optimizer": Choice(("sgd", "momentum", "nesterov")),
            "momentum": Real(0.5, 0.9, step=0.1),
        },
        {"momentum": {"optimizer": ("momentum", "nesterov"), "lr": (0.1,)}},
        (Expression("width * depth <= 200"),),
        spec.fixed,
    )
    assert list(spec.space.parameters) == [
        "lr",
        "width",
        "optimizer",
        "momentum",
    ]  # parents first, else as written
    assert spec.trials == ({"lr": 1.0, "width": 64, "optimizer": "sgd"},)
    assert (spec.search.budget, spec.search.time) == (7, 5400.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (DATA, "digits"),
        ("data: {source: some/my table.csv}", "my-table"),
        ("data: {source: ../../}", "search"),
        ("data: {source: .hidden}", "hidden"),
        (f"data: {{source: {'x' * 99}}}", "x" * 64),
        ("{name: a.b-c_1, data: {source: digits}}", "a.b-c_1"),
    ],
)
def test_a_search_is_named_after_its_data(text: str, name: str) -> None:
    assert read(text).name == name


@pytest.mark.parametrize(
    ("text", "found"),
    [("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172_800), (45, 45), (0.5, 0.5)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: object, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "10",
        "h",
        "-1s",
        "0s",
        "1w",
        "",
        " 5m",
        True,
        -1,
        0,
        float("inf"),
        float("nan"),
        "9" * 400 + "d",
        10**400,
        1e300,
    ],
)
def test_what_is_no_duration_is_none(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|positive"):
        seconds(text)


NUMERIC_KEYS = [
    *("search.budget", "search.time", "search.seed", "search.seeds", "search.wave", "search.lag"),
    *("search.time_weight", "search.trial_timeout", "search.memory", "search.max_retries"),
    *("search.max_failures", "search.grace", "search.rounds", "data.split.validation"),
    *("data.split.test", "data.split.folds", "data.split_seed", "lr", "width", "dropout"),
    *("parameters.l1.min", "parameters.l1.max", "parameters.l1.prior", "parameters.l1.step"),
    *("parameters.l2.values", "parameters.l2.value"),
]


@pytest.mark.group("options that are no numbers")
@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999", "9" * 400])
@pytest.mark.parametrize("key", NUMERIC_KEYS)
def test_what_is_no_finite_number_is_refused_wherever_one_belongs(key: str, value: str) -> None:
    flag = f"{key}=[{value}]" if key.endswith("values") else f"{key}={value}"
    entry = "" if ".l2." in key else "  l1: {min: 0, max: 0.1}\n"
    text = f"{DATA}parameters:\n{entry}  lr: {{values: [0.1, 1]}}\n"
    for problem in problems_of(text, "random", set=(flag,)):
        assert at(problem) == f"--set {flag}"


def test_the_default_point_has_default_settings_or_the_nearest() -> None:
    space = (
        "optimizer: {values: [momentum, nesterov]}, momentum: {min: 0, max: 0.5}, "
        "width: {min: 100, max: 200}"
    )
    assert read(f"{DATA}parameters: {{{space}}}").default() == {
        "optimizer": "momentum",
        "momentum": 0.5,
        "width": 100,
    }


def test_there_is_no_default_point_where_a_constraint_forbids_it() -> None:
    assert (
        read(
            f"{DATA}parameters: {{width: {{min: 1, max: 200}}}}\nconstraints: [width < 9]"
        ).default()
        is None
    )


@pytest.mark.parametrize(
    ("trial", "point"),
    [
        ("{optimizer: momentum}", {"optimizer": "momentum", "beta2": None, "momentum": 0.9}),
        ("{optimizer: sgd}", {"optimizer": "sgd", "beta2": None, "momentum": None}),
        ("{beta2: 0.5}", {"optimizer": "adam", "beta2": 0.5, "momentum": None}),
        ("{}", {"optimizer": "adam", "beta2": 0.9, "momentum": None}),
    ],
)
def test_a_trial_takes_the_default_of_what_it_leaves_out(
    trial: str, point: dict[str, Value | None]
) -> None:
    space = (
        "optimizer: {values: [sgd, momentum, adam]}, beta2: {min: 0.1, max: 0.9}, "
        "momentum: {min: 0.1, max: 0.95}"
    )
    spec = read(f"{DATA}parameters: {{{space}}}\ntrials: [{trial}]")
    assert spec.trials == ({name: value for name, value in point.items() if value is not None},)
    assert spec.trials[0] in spec.space


def test_a_file_that_searches_nothing_has_trials_of_any_settings() -> None:
    trials = "[{lr: 1, width: 3}, {optimizer: momentum, momentum: 0.5}]"
    spec = read(f"{DATA}train: {{lr: 0.1}}\ntrials: {trials}")
    assert spec.trials == ({"lr": 1.0, "width": 3}, {"optimizer": "momentum", "momentum": 0.5})
    assert spec.settings(spec.trials[0])["lr"] == 1.0


def test_a_negative_zero_is_zero() -> None:
    spec = read(f"{DATA}train: {{l2: -0.0}}\nparameters: {{dropout: {{min: -0.0, max: 0.5}}}}")
    assert str(spec.fixed["l2"]) == "0.0"
    assert str(spec.space.parameters["dropout"].decode([0.0])) == "0.0"


def test_numbers_are_read_as_yaml_1_2_says() -> None:
    whole = "width: 0x1F, depth: 010, batch_size: 0o10"
    spec = read(f"{DATA}train: {{{whole}, lr: 1e-4, l2: +.5, dropout: .5, init_scale: 1E5}}")
    assert spec.fixed == {
        "width": 31,
        "depth": 10,
        "batch_size": 8,
        "lr": 1e-4,
        "l2": 0.5,
        "dropout": 0.5,
        "init_scale": 1e5,
    }


# What flags stand over


SPACE = f"""\
{DATA}train: {{epochs: 30, depth: 2}}
parameters:
  optimizer: {{values: [momentum, adam]}}
  momentum: {{min: 0.5, max: 0.9, when: {{optimizer: momentum}}}}
  width: {{min: 16, max: 64, when: {{optimizer: [adam, momentum]}}}}
  lr: {{values: [0.1, 0.2], when: {{optimizer: adam}}}}
trials: [{{optimizer: momentum, momentum: 0.7, width: 32}}]
"""


def test_a_flag_fixes_what_the_file_searches_or_fixes() -> None:
    spec = read(SPACE, set=("lr=0.5", "depth=3"), epochs=4)
    assert spec.fixed == {"lr": 0.5, "depth": 3, "epochs": 4}
    assert list(spec.space.parameters) == ["optimizer", "momentum", "width"]


def test_what_a_flag_leaves_without_a_meaning_falls_away() -> None:
    spec = read(SPACE, set=("optimizer=adam",))
    assert list(spec.space.parameters) == ["width", "lr"]
    assert spec.space.conditions == {}
    assert spec.trials == ({"width": 32, "lr": 0.1},)
    spec = read(SPACE, set=("optimizer=momentum",))
    assert list(spec.space.parameters) == ["momentum", "width"]


def test_flags_that_leave_one_another_no_meaning_are_a_mistake() -> None:
    (problem,) = problems_of(SPACE, set=("momentum=0.5", "optimizer=adam"))
    assert (problem.code, at(problem)) == ("E041", "--set momentum=0.5")
    assert (
        read(SPACE.replace("depth: 2", "momentum: 0.9"), set=("optimizer=adam",)).fixed["optimizer"]
        == "adam"
    )


def test_a_flag_is_left_as_it_was_given() -> None:
    flags = [
        (("trials",), [{"width": 3, "lr": 1}], "--trials t.csv"),
        (("train", "lr"), 0.5, "--set lr=0.5"),
    ]
    assert networks_of(parse(DATA, "f", Path(), flags)).trials == ({"width": 3},)
    assert flags[0][1] == [{"width": 3, "lr": 1}]


def test_a_smoke_run_is_short_whatever_file_and_flags_say() -> None:
    text = (
        f"{DATA}parameters: {{epochs: {{values: [10, 20]}}}}\ntrials: [{{epochs: 20}}]\n"
        "search: {budget: 9}\n"
    )
    spec = read(text, smoke=True, epochs=7, budget=50)
    assert spec.fixed == {"epochs": 1}
    assert spec.search.budget == 3
    assert spec.trials == ({},)


def test_any_key_can_be_set() -> None:
    spec = read(
        SPACE,
        set=(
            "search.wave=8",
            "data.split={validation: 0.3}",
            "parameters.width.max=128",
            "name='x'",
        ),
    )
    assert spec.search.wave == 8
    assert spec.data.validation == 0.3
    assert spec.space.parameters["width"] == Integer(16, 128)
    assert spec.name == "x"


def test_a_whole_section_can_be_set() -> None:
    spec = read(SPACE, set=("train={epochs: 3}",))
    assert spec.fixed == {"epochs": 3}
    assert len(spec.space.parameters) == 4


def test_later_flags_stand_over_earlier_ones() -> None:
    spec = read(SPACE, set=("lr=0.5", "lr=0.6", "search.budget=3"), budget=4)
    assert (spec.fixed["lr"], spec.search.budget) == (0.6, 4)


# On the command line


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), standalone_mode=False)


@pytest.mark.parametrize("command", ["manual", "grid", "random", "bayes"])
def test_the_command_line_prints_mistakes_on_stderr_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("search.yaml").write_text(
        f"{DATA}search: {{buget: 3}}\ntrain: {{lr: fast}}\n", encoding="utf-8"
    )
    result = run(command, "search.yaml")
    assert result.return_value == EXIT_USAGE
    assert result.stdout == ""
    assert re.findall(r"error\[(\w+)\].*\n  --> (.*)\n", result.stderr) == [
        ("E012", "search.yaml:2:10"),
        ("E022", "search.yaml:3:13"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["search.yaml"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("parameters:\n  epochs: {values: [10, 20]}\nsearch: {halving: true}\n", 3),
        ("search: {halving: true, rounds: 3}\n", 2),
        ("search: {halving: true, guided: true}\n", 2),
    ],
)
def test_what_does_not_go_with_halving_is_refused_with_its_place(text: str, line: int) -> None:
    (problem,) = problems_of(DATA + text, "random")
    assert problem.code == "E034"
    assert problem.place
    assert problem.place.line == line


def test_the_command_line_gives_the_same_mistakes_as_data(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(f"{DATA}search: {{buget: 3}}\n", encoding="utf-8")
    result = run("random", str(path), "--json", "--set", "lr=fast")
    assert result.return_value == EXIT_USAGE
    found = json.loads(result.stderr)
    assert found["exit"] == EXIT_USAGE
    assert [(one["code"], one["file"], one["line"]) for one in found["errors"]] == [
        ("E022", "--set lr=fast", 0),
        ("E012", str(path), 2),
    ]
    assert found["errors"][1] == {
        "code": "E012",
        "message": "unknown key 'buget' in 'search'",
        "file": str(path),
        "line": 2,
        "column": 10,
        "hint": "did you mean 'budget'?",
        "help": found["errors"][1]["help"],
    }


@pytest.mark.parametrize(
    ("content", "flags", "said"),
    [
        (
            b"data: {source: digits}\nparameters: {lr: {low: 1e-4, high: 1e-1}}\n",
            [],
            "error[E012]: unknown key 'low'",
        ),
        (b"data: caf\xe9\n", [], "error[E001]: this is not UTF-8 text"),
        (
            b"data: {source: digits}\n",
            ["--set", "lr=fast"],
            "error[E022]: 'train.lr' is the text 'fast'",
        ),
    ],
)
def test_the_program_ends_with_2_and_no_traceback(
    tmp_path: Path, content: bytes, flags: list[str], said: str
) -> None:
    (tmp_path / "search.yaml").write_bytes(content)
    command = [sys.executable, "-m", "hpsearch", "random", "search.yaml", *flags]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(hpsearch.__file__).parents[1])},
    )
    assert done.returncode == EXIT_USAGE
    assert done.stdout == ""
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["search.yaml"]


def test_the_text_may_come_from_stdin() -> None:
    result = CliRunner().invoke(cli, ["random", "-"], input="data: 3\n", standalone_mode=False)
    assert result.return_value == EXIT_USAGE
    assert "<stdin>:1:7" in result.stderr


# The full text of an answer of each kind

ANSWERS: dict[str, str] = {
    "E001": "data: {source: digits\nsearch: {budget: 50}\n",
    "E002": f"{DATA}search:\n  budget: 3\n  budget: 4\n",
    "E003": "data: &mine {source: digits}\n",
    "E004": f"{DATA}train: {'[' * 25}{']' * 25}\n",
    "E005": "- digits\n",
    "E012": f"{DATA}parameters:\n  lr:\n    min: 1e-4\n    max: 1e-1\n"
    "    distrbution: log_uniform_values\n",
    "E013": f"{DATA}parameters:\n  lr: {{min: 1e-4}}\n",
    "E020": f"{DATA}search:\n  time: 10 minutes\n",
    "E021": f"{DATA}parameters:\n  lr: {{min: 1e-1, max: 1e-4, log: true}}\n",
    "E022": f"{DATA}train:\n  dropout: 1.5\n",
    "E023": f"{DATA}parameters:\n  width: {{values: [16, 32], max: 64}}\n",
    "E024": f"{DATA}parameters:\n  skip: {{min: 1, max: 2}}\n",
    "E031": f"{DATA}parameters:\n  dropout: {{min: 0, max: 0.5, log: true}}\n",
    "E032": f"{DATA}parameters:\n  width: {{min: 16, max: 100, step: 16}}\n",
    "E033": f"{DATA}parameters:\n  optimizer: {{values: [adam, sgd, adam]}}\n",
    "E034": f"{DATA}train: {{epochs: 2}}\nsearch: {{halving: true}}\n",
    "E041": f"{DATA}train: {{optimizer: adam}}\nparameters:\n  momentum: {{min: 0.5, max: 0.9}}\n",
    "E042": f"{DATA}parameters:\n  depth: {{values: [1, 2]}}\n"
    "  width: {min: 16, max: 64, when: {depht: 2}}\n",
    "E044": f"{DATA}train: {{model: rnn, norm: batch}}\n",
    "E043": f"{DATA}train: {{lr: 0.1}}\nparameters:\n  lr: {{min: 1e-4, max: 1e-1, log: true}}\n",
    "E050": f"{DATA}parameters:\n  width: {{min: 16, max: 64}}\nconstraints: [width ** 2 < 512]\n",
    "E060": f"{DATA}parameters:\n  width: {{min: 16, max: 64}}\nconstraints: [width < 50]\n"
    "trials:\n- {width: 60}\n",
    "E085": "command: [train, '{args}']\nmetrics: {loss: 'loss=(.*'}\n",
    "E076": "data:\n  source: digits\n  split: {validation: 0.5, test: 0.5}\n",
}
FLAGS: dict[str, dict[str, Any]] = {
    "E010": {"set": ("lr:0.1",)},
    "E011": {"trials": "no-such-trials.csv"},
}
OWNERS = (
    *("config/document", "config/schema", "config/diagnostics", "config/other_tools"),
    *("config/spec", "config/searched", "config/conditions"),
    *("config/data_spec", "config/free", "config/trainer"),
    *("space/space", "space/expression", "commands/flags", "commands/picks"),
)


def answer(code: str) -> str:
    if code == "E051":
        space = Space({"width": Integer(16, 64)}, constraints=(Expression("width > 64"),))
        with pytest.raises(SpecError) as caught:
            space.sample(Random(0))
        return str(caught.value)
    if code == "E086":
        with pytest.raises(SpecError) as caught:
            networks_of(parse("objective: train:loss\n", "mine.yaml", Path()), "diagnose")
        return str(caught.value)
    strategy = "random" if code == "E034" else None
    (problem,) = problems_of(ANSWERS.get(code, DATA), strategy, **FLAGS.get(code, {}))
    assert problem.code == code
    return str(problem)


@pytest.mark.parametrize("code", [*ANSWERS, *FLAGS, "E051", "E086"])
def test_the_answer_reads_as_it_was_approved(code: str) -> None:
    """With HPSEARCH_REWRITE_GOLDEN=1 the files are written anew, to be read in the diff."""
    path, said = GOLDEN / "errors" / f"{code}.txt", answer(code) + "\n"
    if os.environ.get("HPSEARCH_REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(said, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == said


def test_every_code_of_the_input_has_an_approved_answer() -> None:
    package = Path(hpsearch.__file__).parent
    source = "".join((package / f"{name}.py").read_text(encoding="utf-8") for name in OWNERS)
    codes = set(re.findall(r'"(E\d{3})"', source))
    assert codes == {*ANSWERS, *FLAGS, "E051", "E086"}
    assert codes == {path.stem for path in GOLDEN.glob("errors/*.txt")}


def test_a_problem_without_a_place_is_printed_all_the_same() -> None:
    assert (
        str(Problem("E999", "what", hint="this", help="that"))
        == "error[E999]: what\n   = hint: this\n   = help: that"
    )
    assert Problem("E999", "what").record() == {
        "code": "E999",
        "message": "what",
        "hint": "",
        "help": "",
    }


def test_a_place_without_its_line_has_its_hint_below() -> None:
    problem = Problem("E999", "what", Place("f", 3, 4), "this")
    assert str(problem) == "error[E999]: what\n  --> f:3:4\n   = hint: this"


# Properties


@st.composite
def entries(draw: st.DrawFn, name: str) -> tuple[dict[str, object], Parameter | Value]:
    """An entry of `parameters:` for a setting, and what it means."""
    domain = SETTINGS[name].domain
    if not domain.ordered:
        values = draw(st.lists(st.sampled_from(domain.grid(1)), min_size=1, unique=True))
        return {"values": values}, listed(tuple(values))
    whole = isinstance(domain, Integer)
    number = (
        st.integers(1, 1000)
        if whole
        else st.sampled_from([1e-5, 0.001, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9])
    )
    low, high = sorted((draw(number), draw(number)))
    points = draw(st.none() | st.integers(1, 9))
    own: dict[str, object] = {} if points is None else {"points": points}
    match draw(st.sampled_from(["range", "log", "step", "values", "value"])):
        case "range":
            return {"min": low, "max": high, **own}, domain.narrowed(low, high, False, None, points)
        case "log":
            return {"min": low, "max": high, "log": True, **own}, domain.narrowed(
                low, high, True, None, points
            )
        case "step":
            step: float = 7 if whole else 0.125
            low, high = (low, low + 7 * draw(st.integers(0, 9))) if whole else (0.125, 0.875)
            return {"min": low, "max": high, "step": step, **own}, domain.narrowed(
                low, high, False, step, points
            )
        case "values":
            values = draw(st.lists(number, min_size=1, max_size=5, unique=True))
            return {"values": values}, listed(tuple(values))
    return {"value": low}, low


@st.composite
def files(draw: st.DrawFn) -> tuple[dict[str, object], Params, Space]:
    """A valid file that needs no conditions, and what it means."""
    names = [
        name
        for name in (
            "width",
            "depth",
            "lr",
            "dropout",
            "batch_size",
            "activation",
            "patience",
            "beta1",
        )
        if name in SETTINGS
    ]
    fixed: dict[str, Value] = {}
    parameters: dict[str, Parameter] = {}
    written: dict[str, object] = {}
    for name in draw(st.lists(st.sampled_from(names), unique=True)):
        written[name], meant = draw(entries(name))
        if isinstance(meant, bool | int | float | str):
            fixed[name] = meant
        else:
            parameters[name] = meant
    conditions: dict[str, dict[str, tuple[Value, ...]]] = {}
    if {"activation", "lr"} <= parameters.keys():
        values = draw(
            st.lists(
                st.sampled_from(parameters["activation"].values() or ()), min_size=1, unique=True
            )
        )
        written["lr"] = {**written["lr"], "when": {"activation": values}}  # type: ignore[dict-item]
        conditions["lr"] = {"activation": tuple(values)}
    rules = [f"abs({name}) >= 0" for name in [*parameters][:1]]
    content: dict[str, object] = {
        "data": {"source": "digits"},
        "parameters": written,
        "constraints": rules,
    }
    return content, fixed, Space(parameters, conditions, tuple(map(Expression, rules)), fixed)


@settings(deadline=None)
@given(files(), st.booleans())
def test_a_space_that_is_written_as_yaml_is_read_back(
    file: tuple[dict[str, object], Params, Space], flow: bool
) -> None:
    content, fixed, space = file
    spec = networks_of(
        parse(yaml.safe_dump(content, default_flow_style=flow, sort_keys=False), "f", Path())
    )
    assert (spec.fixed, spec.space) == (fixed, space)


FILE = """\
# a comment, with ümläuts
name: mine
data:
  source: "digits"
  split: {validation: 0.2, test: 0.1}
train: {model: mlp, epochs: 3}
parameters:
  lr:        {min: 1e-4, max: 1e-1, log: true}
  width:     {min: 16, max: 64, step: 16}
  optimizer: {values: [momentum, 'adam']}
  momentum:  {min: 0.5, max: 0.99, when: {optimizer: momentum}}
  dropout:
    values: [0, 0.25,
             0.5]
constraints: ["width * lr <= 512", optimizer != 'adam' or dropout > 0]
trials:
- {lr: 0.01, width: 64, optimizer: adam, dropout: 0.25}
search: {budget: 50, time: 10m, metric: accuracy, guided: true}
""".encode()

PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b": ",
    b"- ",
    b"\n",
    b"\t",
    b"'",
    b'"',
    b"#",
    b"&a ",
    b"*a",
    b"!!int ",
    b"<<: ",
    b"---\n",
    b"?",
    b"|",
    b">",
    b"%",
    b"@",
    b"\x00",
    b"\xff",
    b"\x1b",
    b"e999",
    b".inf",
    b".nan",
    b"-",
    b"9" * 400,
    b"null",
    b"true",
    b"~",
    b",",
    b"\\",
    b"\xe2\x80\xa8",
    b"1 / 0",
    b"width",
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The file with a few bytes changed, taken out, put in, or moved."""
    text = FILE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        match draw(st.sampled_from(["flip", "delete", "insert", "copy"])):
            case "flip":
                text = text[:start] + bytes([draw(st.integers(0, 255))]) + text[start + 1 :]
            case "delete":
                text = text[:start] + text[end:]
            case "insert":
                text = text[:start] + draw(st.sampled_from(PIECES)) + text[start:]
            case "copy":
                to = draw(st.integers(0, len(text)))
                text = text[:to] + text[start : start + draw(st.integers(0, 60))] + text[to:]
    return text


def test_the_file_that_is_mutated_is_valid() -> None:
    assert len(networks_of(parse(FILE, "search.yaml", Path())).space.parameters) == 5


@settings(max_examples=300, deadline=None)
@given(mutations())
def test_a_mutated_file_is_valid_or_its_mistakes_are_told(text: bytes) -> None:
    problems: list[Problem] = []
    with calls_at_most(200_000):
        try:
            networks_of(parse(text, "search.yaml", Path()))
        except SpecError as error:
            problems = list(error.problems)
    lines = text.decode("utf-8", "replace").splitlines() or [""]
    for problem in problems:
        assert problem.place is not None
        assert 1 <= problem.place.line <= len(lines) + 1
        assert problem.place.column >= 1


def test_a_valid_file_is_no_mistake_to_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hpsearch.commands.search.search", lambda *_, **__: EXIT_OK)
    assert run("random").return_value == EXIT_OK


_ALL = """
  optimizer: {values: [sgd, adam]}
  dropout: {min: 0.0, max: 0.5}
  lr: {min: 1e-4, max: 0.1, log: true}
  width: {min: 1, max: 64}
  norm: {values: [none, batch]}
"""


@pytest.mark.parametrize(
    ("rule", "place", "found", "right"),
    [
        ("optimizer != 'SGD' or lr < 0.001", "SGD", "'SGD' is no value of 'optimizer'", "'sgd'?"),
        ("not optimizer == 'SGD'", "SGD", "'SGD' is no value", "is one of sgd, adam"),
        ("optimizer in ['sgd', 'rmsprop']", "rmsprop", "'rmsprop' is no value", "is one of"),
        ("width == 65", "65", "65 is no value of 'width'", "a whole number from 1 to 64"),
        ("width in [2, 2.5]", "2.5", "2.5 is no value of 'width'", "a whole number"),
        ("dropout == 0.7", "0.7", "0.7 is no value of 'dropout'", "a number from 0 to 0.5"),
        ("dropout == 0.25", "dropout", "any one value with a probability of 0", "give it a step"),
        ("lr * 10 != dropout", "dropout", "any one value with a probability of 0", "< or >"),
        ("optimizer < 3", "3", "'optimizer' has no order beside 3", "is one of"),
        ("lr < '0.1'", "0.1", "'lr' has no order beside '0.1'", "a number"),
        ("norm == 'Batch' and width < 9", "Batch", "'Batch' is no value of 'norm'", "'batch'?"),
    ],
)
def test_a_comparison_that_always_comes_out_the_same_is_refused(
    rule: str, place: str, found: str, right: str
) -> None:
    text = f"{DATA}parameters:{_ALL}constraints:\n- {json.dumps(rule)}\n"
    (problem,) = problems_of(text, "random")
    assert (problem.code, found in problem.message) == ("E050", True)
    assert right in problem.hint + problem.help
    assert problem.place
    assert problem.place.text[problem.place.column - 1 :].lstrip("'").startswith(place)


@pytest.mark.parametrize(
    "rule",
    [
        "dropout // 0.1 == 2",
        "min(dropout, lr) == lr",
        "optimizer == 'sgd' or width == 64",
        "width + 1 == 4",
        "abs(dropout - 0.25) < 0.1",
        "model == 'rnn' or width < 9",
        "norm == 'none' or lr != 0.1 * width - width * 0.1 + 1 // width",
    ],
)
def test_a_comparison_that_may_come_out_either_way_is_not(rule: str) -> None:
    text = f"{DATA}train: {{model: mlp}}\nparameters:{_ALL}constraints: [{json.dumps(rule)}]\n"
    assert read(text, "random").space.constraints[-1].text == rule


def test_a_number_that_a_continuous_parameter_is_to_meet_is_refused_but_for_a_grid() -> None:
    text = f"{DATA}parameters:{_ALL}  l1: {{min: 0.0, max: 0.1, when: {{dropout: 0.25}}}}\n"
    for strategy in ("random", "bayes"):
        (problem,) = problems_of(text, strategy)
        assert problem.code == "E042"
        assert "any one value with a probability of 0" in problem.message
    for strategy in ("grid", "manual"):
        assert "l1" in read(text, strategy).space.parameters
    counted = text.replace("max: 0.5}", "max: 0.5, step: 0.25}")
    assert "l1" in read(counted, "random").space.parameters


def test_conditions_that_exclude_each_other_are_refused() -> None:
    text = (
        f"{DATA}parameters:{_ALL}  l1: {{min: 0, max: 0.1, when: {{norm: batch}}}}\n"
        "  l2: {values: [0.0, 0.1], when: {width: 3}}\n"
        "  init_scale: {min: 1, max: 2, when: {l2: 0.1, width: 4}}\n"
    )
    (problem,) = problems_of(text, "random")
    assert (problem.code, at(problem)) == ("E041", "10:3")
    assert "its conditions on 'width' exclude each other" in problem.message


def test_what_a_study_keeps_was_accepted_once_and_still_is() -> None:
    text = f"{DATA}parameters:{_ALL}constraints: [\"optimizer != 'SGD' or dropout == 0.1\"]\n"
    found = networks_of(parse(text, "config.yaml", Path(), strategy="random", is_stored=True))
    assert len(found.space.constraints) == 1


def test_an_end_beyond_what_a_setting_takes_is_told_the_end() -> None:
    (problem,) = problems_of(f"{DATA}parameters:\n  lr: {{min: 1e-4, max: 1e308}}\n", "random")
    assert problem.message.endswith("is 1e+308, which is not a number above 0, at most 1e+30")
