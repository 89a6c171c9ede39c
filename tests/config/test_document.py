"""The strict subset of YAML 1.2.

What each scalar means, where everything stands, and what is refused.
"""

from __future__ import annotations

import math
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.config.document import dotted, read, scalar
from hpsearch.errors import Place, Problem, SpecError
from tests.helpers.effort import calls_at_most


def refused(text: str | bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        read(text, "f.yaml")
    return caught.value.problems[0]


def at(problem: Problem) -> str:
    assert problem.place
    return f"{problem.place.line}:{problem.place.column}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+1", 1),
        ("0", 0),
        ("-0", 0),
        ("010", 10),  # octal in YAML 1.1
        ("007", 7),
        ("0o10", 8),
        ("0x1F", 31),
        ("0xff", 255),
        ("9" * 250, int("9" * 250)),
        ("1.0", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+.5", 0.5),
        ("-.5", -0.5),
        ("1e-4", 1e-4),  # a text in YAML 1.1, as are the next
        ("1E5", 1e5),
        ("1e5", 1e5),
        ("1e+5", 1e5),
        ("+1.5E-05", 1.5e-5),
        ("01.5", 1.5),
        ("1e999", math.inf),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = scalar(text)
    assert (found, type(found)) == (value, type(value))
    assert read(f"a: {text}", "f").value == {"a": value}


@pytest.mark.parametrize("text", ["-0.0", "-.0", "-0e5"])
def test_a_negative_zero_is_a_number(text: str) -> None:
    found = scalar(text)
    assert isinstance(found, float)
    assert math.copysign(1.0, found) == -1.0


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_nan_is_a_number(text: str) -> None:
    found = scalar(text)
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    "text",
    [
        *("off", "on", "yes", "no", "y", "n", "Off"),  # truths in YAML 1.1
        *("1_000", "1:30", "2024-01-01", "0b11"),  # numbers and a date in YAML 1.1
        *("1e-4x", "1e", "e5", ".", "+", "1.5.2", "0x", "0o8", "1 000", "1,5", "-0x1F", "٣", "½"),
        *("tRUE", "NaN", "inf", ".iNF", "-.nan", "None", "nil"),
        "9" * 251,
    ],
)
def test_what_is_no_number_and_no_truth_is_a_text(text: str) -> None:
    assert scalar(text) == text
    assert read(f"a: {text}", "f").value == {"a": text}


@pytest.mark.parametrize("text", ["'1e-4'", '"1e-4"', "|-\n  1e-4", ">-\n  1e-4"])
def test_what_is_quoted_is_a_text(text: str) -> None:
    assert read(f"a: {text}", "f").value == {"a": "1e-4"}


def test_a_key_is_a_text_whatever_it_looks_like() -> None:
    assert read("{on: 1, 1e-4: 2, null: 3, 2: 4}", "f").value == {
        "on": 1,
        "1e-4": 2,
        "null": 3,
        "2": 4,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "null\n"])
def test_an_empty_text_is_nothing(text: str) -> None:
    document = read(text, "f.yaml")
    assert document.value is None
    assert document.value_place(()).line == 1


TEXT = """\
data: {source: 'dïgïts😀', scale: unit}
parameters:
  lr:   {min: 1e-4,
         max: 1e-1}
  width:
    values:
    - 16
    - 32
constraints: ["width * lr < 3"]
"""


@pytest.mark.parametrize(
    ("path", "key", "value", "underlined"),
    [
        ((), "1:1", "1:1", "d"),
        (("data",), "1:1", "1:7", "{source: 'dïgïts😀', scale: unit}"),
        (("data", "source"), "1:8", "1:16", "'dïgïts😀'"),
        (("data", "scale"), "1:27", "1:34", "unit"),
        (("parameters", "lr"), "3:3", "3:9", "{min: 1e-4,"),
        (("parameters", "lr", "max"), "4:10", "4:15", "1e-1"),
        (("parameters", "width", "values"), "6:5", "7:5", "- 16"),
        (("parameters", "width", "values", 1), "8:7", "8:7", "32"),
    ],
)
def test_the_place_of_every_key_and_value_is_known(
    path: tuple[str | int, ...], key: str, value: str, underlined: str
) -> None:
    document = read(TEXT, "f.yaml")
    places = [document.key_place(path), document.value_place(path)]
    assert [f"{place.line}:{place.column}" for place in places] == [key, value]
    place = places[1]
    assert place.text[place.column - 1 :][: place.length] == underlined


def test_the_place_of_what_is_not_there_is_that_of_what_it_would_be_in() -> None:
    document = read(TEXT, "f.yaml")
    assert document.value_place(("data", "split", "test")) == document.value_place(("data",))


def test_a_part_of_a_text_has_a_place() -> None:
    place = read(TEXT, "f.yaml").part_place(("constraints", 0), 8, 2)
    assert (place.line, place.column, place.length) == (9, 24, 2)
    assert place.text[23:25] == "lr"


@pytest.mark.parametrize("text", ['a: "x\\x20< 3"', "a:\n  >\n  x\n  < 3", "a: 'it''s'"])
def test_a_part_of_a_text_that_is_written_otherwise_has_the_place_of_the_whole(text: str) -> None:
    document = read(text, "f.yaml")
    assert document.part_place(("a",), 2, 1) == document.value_place(("a",))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_counted_however_they_end(end: str) -> None:
    document = read(f"a: 1{end}b: 2{end}c: 3", "f.yaml")
    assert document.value == {"a": 1, "b": 2, "c": 3}
    assert document.value_place(("c",)) == Place("f.yaml", 3, 4, "c: 3", 1)


def test_a_byte_order_mark_is_no_column() -> None:
    for text in ("\ufeffa: 1", "\ufeffa: 1".encode()):
        assert read(text, "f").key_place(("a",)).column == 1


REFUSED = {
    # code, place, what is said
    "a: &x 1": ("E003", "1:4", "anchors and aliases"),
    "a: *x": ("E003", "1:4", "anchors and aliases"),
    "*x : 1": ("E003", "1:1", "anchors and aliases"),
    "&x a: 1": ("E003", "1:1", "anchors and aliases"),
    "a:\n  <<: {b: 1}": ("E003", "2:3", "merge keys"),
    "a: !!str 1": ("E003", "1:4", "tags such as '!!str'"),
    "a: !thing 1": ("E003", "1:4", "tags such as '!thing'"),
    "a: !!python/object/apply:os.system [ls]": ("E003", "1:4", "!!python/object/apply:os.system"),
    "a: !!set {b, c}": ("E003", "1:4", "!!set"),
    "!!map {a: 1}": ("E003", "1:1", "!!map"),
    "a: 1\n---\nb: 2": ("E003", "2:1", "second document"),
    "---\n---\n": ("E003", "2:1", "second document"),
    "? [a, b]\n: 1": ("E005", "1:3", "a key must be a word"),
    "? {a: b}\n: 1": ("E005", "1:3", "a key must be a word"),
    "{'': 1}": ("E005", "1:2", "a key must be a word"),
    ": 1": ("E001", "1:1", "this does not fit"),
    "a:\n\tb: 1": ("E001", "2:1", "a tab stands where the indentation should be"),
    "a:\n  b: 1\n \tc: 2": ("E001", "3:2", "a tab stands where the indentation should be"),
    "a: b: c": ("E001", "1:5", "a ':' does not fit here"),
    "a: 1\n b: 2": ("E001", "2:3", "a ':' does not fit here"),
    "a:\n  b: 1\n c: 2": ("E001", "3:2", "this does not fit what stands above it"),
    "a: {b: 1": ("E001", "1:4", "a '{' is not closed"),
    "a: [1, 2\nb: 3": ("E001", "1:4", "a '[' is not closed"),
    "a: 'b\nc: 1": ("E001", "1:4", "a quote is not closed"),
    'a: "b\nc: 1': ("E001", "1:4", "a quote is not closed"),
    "a: 1\nbcd\ne: 1": ("E001", "2:1", "a key without ':'"),
    "a: @b": ("E001", "1:4", "'@' cannot begin a value"),
    "a: `b`": ("E001", "1:4", "'`' cannot begin a value"),
    "a: [1, , 2]": ("E001", "1:8", "a value is missing here"),
    "a: - b": ("E001", "1:4", "a list cannot begin here"),
    "- a\nb: 1": ("E001", "2:1", "this does not fit the list above it"),
    'a: "\\d"': ("E001", "1:5", "an unknown escape"),
    "a: 1\n...\nb: 2": ("E001", "3:1", "something stands after the end"),
    "%FOO\na: 1": ("E001", "1:5", "this is not YAML"),
    "a: ï\x07": ("E001", "1:5", "U+0007"),
    "a: 1\nb: \x00": ("E001", "2:4", "U+0000"),
    "a: 1\n\x1b[31m": ("E001", "2:1", "U+001B"),
    "a: \ufffe": ("E001", "1:4", "U+FFFE"),
    "[" * 21 + "]" * 21: ("E004", "1:21", "nested more than 20 deep"),
    "a: " + "{a: " * 20 + "1" + "}" * 20: ("E004", "1:80", "nested more than 20 deep"),
    "a: [" + "1," * 20_000 + "]": ("E004", "1:39999", "more than 20,000 keys and values"),
    "a: " + "x" * 256 * 1024: ("E004", "1:1", "larger than 256 kB"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:30])[1:-1])
def test_what_the_subset_leaves_out_is_refused_where_it_stands(text: str) -> None:
    code, place, said = REFUSED[text]
    problem = refused(text)
    assert (problem.code, at(problem)) == (code, place)
    assert said in problem.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"data: caf\xe9", "1:10"),
        (b"a: \xc3\xaf\nb: \xc3\xafx\xff", "2:6"),
        ("data: 1".encode("utf-16"), "1:1"),
        ("data: caf\udce9", "1:10"),  # as a file comes that was read with surrogateescape
        ("a: \ud800", "1:4"),
    ],
)
def test_what_is_not_utf_8_is_refused_where_it_begins(text: str | bytes, place: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.message, at(problem)) == ("E001", "this is not UTF-8 text", place)
    assert problem.help == "save the file as UTF-8"


def test_everything_that_is_refused_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        read("a: &x 1\nb: !!str 2\nc:\n  <<: {d: *x}\n  ? [e]\n  : 3\n", "f")
    assert [at(problem) for problem in caught.value.problems] == [
        "1:4",
        "2:4",
        "4:3",
        "4:11",
        "5:5",
    ]


def test_a_key_that_stands_twice_keeps_its_first_value_and_is_a_mistake() -> None:
    document = read("a: {b: 1, b: {c: 2}}\na: 3\n", "f")
    assert document.value == {"a": {"b": 1}}
    assert [(problem.code, at(problem), problem.help) for problem in document.problems] == [
        ("E002", "1:11", "the first is in line 1"),
        ("E002", "2:1", "the first is in line 1"),
    ]


def test_twenty_levels_are_not_too_deep() -> None:
    assert read("[" * 20 + "]" * 20, "f").value
    assert read("a: " + "{a: " * 19 + "1" + "}" * 19, "f").value


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    tracemalloc.start()
    with calls_at_most(100_000):
        problem = refused(bomb)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert problem.code == "E003"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 250_000,
        "{" * 250_000,
        "? " * 120_000,
        "- " * 120_000,
        "{a: " * 60_000,
        "[1, " * 60_000,
        "a: [" + "1," * 120_000 + "]",
        "&a " * 80_000,
        "'" * 250_000,
        "#" * 250_000,
        "\n" * 250_000,
        "{" + ",".join(f"k{i}: &a 1" for i in range(9_000)) + "}",
        "{" + "a: 1," * 9_000 + "}",
    ],
    ids=lambda text: ascii(text[:8])[1:-1],
)
def test_no_text_takes_more_than_a_few_steps_for_each_of_its_characters(text: str) -> None:
    said = ""
    with calls_at_most(10 * len(text)):
        try:
            read(text, "f")
        except SpecError as error:
            said = str(error)
    assert len(said) < 100_000


def is_text_here(text: str) -> bool:
    """Return whether a text is none of the numbers, such as 1e5, that YAML 1.1 takes for texts."""
    try:
        float(text)
    except ValueError:
        return True
    return False


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20).filter(
        is_text_here
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcx", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(PLAIN, st.booleans())
def test_what_another_program_writes_is_read_back(value: object, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert read(text, "f").value == value


@settings(deadline=None)
@given(PLAIN)
def test_every_value_has_a_place_inside_the_text(value: object) -> None:
    text = yaml.safe_dump({"a": value})
    document = read(text, "f")
    lines = text.splitlines()
    for place in (*document.keys.values(), *document.values.values()):
        assert place.text == lines[place.line - 1]
        assert 1 <= place.column <= len(place.text) + 1
    for path, place in document.values.items():
        if path and isinstance(document.at(path), int):
            assert scalar(place.text[place.column - 1 :][: place.length]) == document.at(path)


def test_a_flag_stands_over_the_file_and_has_its_own_place() -> None:
    document = read("search: {time: {a: 1}}", "f")
    document.override(("search", "time"), "10m", "--time 10m")
    document.override(("train", "lr"), 0.1, "--set lr=0.1")
    assert document.value == {"search": {"time": "10m"}, "train": {"lr": 0.1}}
    assert document.value_place(("search", "time")) == Place("--time 10m", 0, 0)
    assert document.value_place(("search", "time", "a")) == Place("--time 10m", 0, 0)
    assert document.key_place(("train", "lr")) == Place("--set lr=0.1", 0, 0)


def test_a_flag_cannot_put_a_key_into_a_value() -> None:
    document = read("trials: [{lr: 0.1}]", "f")
    document.override(("trials", "0", "lr"), 0.2, "--set trials.0.lr=0.2")
    assert document.value == {"trials": [{"lr": 0.1}]}
    (problem,) = document.problems
    assert (
        str(problem)
        == "error[E010]: 'trials' holds no keys that --set could set\n  --> --set trials.0.lr=0.2"
    )


def test_a_key_is_taken_out_where_it_is_there() -> None:
    document = read("a: {b: 1}\nc: [{d: 2}]", "f")
    for path in (("a", "b"), ("a", "x"), ("x", "y"), ("c", 0, "d"), ("c", 5, "d"), ("a", "b", "c")):
        document.remove(path)
    assert document.value == {"a": {}, "c": [{}]}


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert dotted(("parameters", "lr", "values", 2)) == "parameters.lr.values[2]"
