"""The params of a trial as words of a command and as text in a file, and what is refused."""

from __future__ import annotations

import json
import tomllib
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.objectives.arguments import as_text, command_words, file_text
from hpsearch.objectives.trainers import CommandSpec, mistakes
from hpsearch.space.parameters import Value

PARAMS: dict[str, Value] = {"lr": 0.01, "layers": 2, "flag": True, "kind": "a b"}
NAMES = [*PARAMS, "momentum"]  # which the trial does not have
KNOWN: dict[str, Value] = {"folder": "/t/7", "number": 7, "seed": 1, "epochs": 9, "file": "/t/7/c"}


def spec(*words: str, **given: Any) -> CommandSpec:
    return CommandSpec(words, Path("/home"), **given)


def words(*given: str, params: dict[str, Value] | None = None, **more: Any) -> list[str]:
    chosen = PARAMS if params is None else params
    return [*command_words(spec(*given, **more), NAMES, chosen, KNOWN)]


def filled(template: str, name: str) -> str:
    of = spec("{file}", template=template, template_name=name)
    return file_text(of, NAMES, PARAMS, KNOWN)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("--a=b", ["--lr=0.01", "--layers=2", "--flag=true", "--kind=a b"]),
        ("--a b", ["--lr", "0.01", "--layers", "2", "--flag", "true", "--kind", "a b"]),
        ("a=b", ["lr=0.01", "layers=2", "flag=true", "kind=a b"]),
        ("json", ['{"lr": 0.01, "layers": 2, "flag": true, "kind": "a b"}']),
    ],
)
def test_args_are_all_parameters_that_the_trial_has(style: str, expected: list[str]) -> None:
    assert words("x", "{args}", "y", style=style) == ["x", *expected, "y"]


def test_false_is_written_as_a_word() -> None:
    assert words("{args}", params={"flag": False}) == ["--flag=false"]


def test_json_stands_within_a_word_as_well() -> None:
    assert words("--config={args}", style="json", params={"lr": 0.5}) == ['--config={"lr": 0.5}']


def test_only_known_names_in_braces_are_replaced() -> None:
    assert words("{lr}-{kind}", "{other}", "${HOME}", "{ lr }", "{}") == [
        *("0.01-a b", "{other}", "${HOME}", "{ lr }", "{}")
    ]


def test_what_a_value_says_is_not_filled_in_again() -> None:
    assert words("{kind}", params={"kind": "{lr}", "lr": 1}) == ["{lr}"]


def test_a_trial_is_told_its_folder_number_seed_and_epochs() -> None:
    assert words("{folder}/{number}", "{seed}", "{epochs}", "{file}") == [
        *("/t/7/7", "1", "9", "/t/7/c")
    ]


def test_a_parameter_may_have_the_name_of_what_else_is_known() -> None:
    found = command_words(spec("{epochs}", "{seed}"), ["epochs"], {"epochs": 30}, KNOWN)
    assert found == ("30", "1")


def test_a_word_of_a_parameter_that_the_trial_does_not_have_is_left_out() -> None:
    assert words("a", "--m={momentum}", "b") == ["a", "b"]


def test_so_is_the_option_before_it() -> None:
    assert words("a", "--momentum", "{momentum}", "-v") == ["a", "-v"]
    assert words("a", "{momentum}", "b") == ["a", "b"]
    assert words("--k=1", "{momentum}") == ["--k=1"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_as_the_same_by_every_reader(number: float) -> None:
    text = as_text(number)
    assert float(text) == number
    assert json.loads(text) == number
    assert yaml.safe_load(text) == number
    assert tomllib.loads(f"x = {text}")["x"] == number
    assert len(text) <= len(repr(number)) + 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("c.json", "true null"),
        ("c.yaml", "true null"),
        ("c.YML", "true null"),
        ("c.py", "True None"),
        ("c.toml", "true "),
        ("c.ini", "true "),
    ],
)
def test_a_template_writes_truth_and_absence_as_its_kind_does(name: str, expected: str) -> None:
    assert filled("{flag} {momentum}", name) == expected


def test_a_template_keeps_its_other_braces() -> None:
    text = filled('{"lr": {lr}, "kind": "{kind}", "out": "{folder}", "a": {"b": {}}}', "c.json")
    assert json.loads(text) == {"lr": 0.01, "kind": "a b", "out": "/t/7", "a": {"b": {}}}


def _of_python(text: str) -> Any:
    return literal_eval(text.partition("=")[2].strip())


READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "c.json": ('{"a": "b", "kind": "x {kind}{kind}"}', json.loads),
    "c.yaml": ('a: "\\""\nkind: "x {kind}{kind}"', yaml.safe_load),
    "c.toml": ('a = "\\""\nkind = "x {kind}{kind}"', tomllib.loads),
    "c.PY": ('found = {"a": "\\"", "kind": "x {kind}{kind}"}', _of_python),
}


@pytest.mark.parametrize("name", READERS)
@given(st.text(st.sampled_from("a \"'\\\n\t{}é#:=")))
def test_a_text_between_double_quotes_of_a_template_is_read_back_as_the_same(
    name: str, text: str
) -> None:
    template, read = READERS[name]
    of = spec("{file}", template=template, template_name=name)
    found = read(file_text(of, ["kind"], {"kind": text}, KNOWN))
    assert found["kind"] == f"x {text}{text}"


def test_elsewhere_in_a_template_a_text_stands_as_it_is() -> None:
    piece = '{"name": "a\\n"}'
    for template, name in (('{"a": "\\"", "k": {kind}}', "c.json"), ('k="{kind}"', "c.conf")):
        of = spec("{file}", template=template, template_name=name)
        text = file_text(of, ["kind"], {"kind": piece}, KNOWN)
        assert text == template.replace("{kind}", piece)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (spec(), "the command names no program"),
        (spec("a", "x{args}"), "{args} stands for several words, and 'x{args}' is one"),
        (
            spec("a", "{lr}"),
            "the command does not use 'layers': write {layers} into it, or {args} for all",
        ),
        (spec("{args}", "{file}"), "{file} stands for a copy of the template, and there is no"),
        (spec("{args}", template="", template_name="c"), "the template is not used"),
        (
            spec("{args}{file}", style="json", template="", template_name="log.txt"),
            "no template can be called 'log.txt'",
        ),
        (
            spec("{file}", template="{args} {lr}", template_name="c"),
            "the command does not use 'layers', nor does the template: write",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(of: CommandSpec, said: str) -> None:
    (message,) = mistakes(of, ["lr", "layers"])
    assert message.startswith(said)


def test_a_parameter_cannot_have_the_name_of_a_place() -> None:
    (message,) = mistakes(spec("{args}"), ["args"])
    assert message == "no parameter can be called 'args', since {args} stands for something else"


@pytest.mark.parametrize(
    "of",
    [
        spec("{args}"),
        spec("{lr}", "--n={layers}"),
        spec("--x={args}", style="json"),
        spec("{lr}", "{file}", template="n: {layers}", template_name="c.yaml"),
    ],
)
def test_what_uses_every_parameter_is_accepted(of: CommandSpec) -> None:
    assert [*mistakes(of, ["lr", "layers"])] == []
