"""Names of components, what a misspelt one is answered with, and which options belong to which."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import SpecError
from hpsearch.registry import Registry, closest, resolve
from tests.helpers.effort import calls_at_most

FRUIT = Registry(
    "fruit", {"apple": "math:sqrt", "pear": "math:exp(juice)", "plum": "math:log(juice, stone)"}
)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("budget", "budget"),
        ("buget", "budget"),  # one left out
        ("buddget", "budget"),  # one too many
        ("bugdet", "budget"),  # neighbours swapped: one slip
        ("bidgat", "budget"),  # two wrong
        ("bidgatt", None),  # three wrong
        ("tseed", "seed"),
        ("xx", None),  # two letters are within distance 2 of everything short
        ("lg", "log"),
        ("", None),
    ],
)
def test_suggests_a_name_at_edit_distance_two_at_most(name: str, suggested: str | None) -> None:
    assert closest(name, ["budget", "seed", "log", "lr"]) == suggested


def test_suggests_nothing_where_there_are_no_names() -> None:
    assert closest("lr", []) is None


def test_suggests_the_nearer_of_two() -> None:
    assert closest("valeus", ["value", "values"]) == "values"


@settings(deadline=None)
@given(st.text("abcd", min_size=4, max_size=10), st.data())
def test_one_slip_in_a_word_is_forgiven(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    slipped = data.draw(st.sampled_from([word[:at] + word[at + 1 :], word[:at] + "z" + word[at:]]))
    assert closest(slipped, [word]) == word


def test_a_name_of_any_length_is_compared_at_once() -> None:
    with calls_at_most(1_000):
        assert closest("x" * 1_000_000, ["budget"] * 100) is None


def test_an_unknown_component_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecError, match=r"E012.*no fruit is called 'appel'") as caught:
        FRUIT.load("appel")
    (problem,) = caught.value.problems
    assert problem.hint == "did you mean 'apple'?"
    assert problem.help == "there are: apple, pear, plum"


def test_a_component_is_imported_when_it_is_loaded() -> None:
    assert FRUIT.load("apple")(4.0) == 2.0
    assert FRUIT["apple"] == "math:sqrt"
    assert resolve("math:pi") == pytest.approx(3.14159, abs=1e-5)


def test_a_line_of_the_table_names_the_options_of_its_component() -> None:
    assert FRUIT["pear"] == "math:exp"
    assert FRUIT.options == {"juice", "stone"}
    assert FRUIT.users("juice") == ("pear", "plum")
    assert FRUIT.users("stone") == ("plum",)
    assert FRUIT.users("leaf") == ()


def test_the_names_are_iterated_without_importing() -> None:
    table = Registry("ghost", {"a": "no.such.module:thing"})
    assert list(table) == ["a"]
    assert len(table) == 1
    assert "a" in table
