"""The language of constraints: what it computes, and that it lets nothing else through."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.space.expression import Expression, ExpressionError
from tests.helpers.effort import calls_at_most

VALUES = {"width": 64, "depth": 2, "lr": 0.1, "optimizer": "adam", "skip": True}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("width * depth <= 128", True),
        ("width * depth < 128", False),
        ("width + depth == 66", True),
        ("width - depth != 62", False),
        ("width / 3 > 21", True),
        ("width // 3 == 21", True),
        ("width % 3 == 1", True),
        ("-width < +depth", True),
        ("lr >= 1e-1", True),
        ("16 <= width <= 128", True),
        ("16 <= width <= 32", False),
        ("optimizer == 'adam'", True),
        ('optimizer != "adam"', False),
        ("optimizer in ['sgd', 'adam']", True),
        ("optimizer not in ('sgd', 'adam')", False),
        ("width in [16, 64.0]", True),
        ("lr < 0.01 or depth == 2", True),
        ("lr < 0.01 and depth == 2", False),
        ("not lr < 0.01", True),
        ("not (lr < 0.01 or depth == 3)", True),
        ("width < 100 or lr < 0.01 and depth == 3", True),  # `and` binds more strongly
        ("skip", True),
        ("not skip", False),
        ("skip == True", True),
        ("  width\n > 3 ", True),
        ("'ü' == 'ü' and width == 64", True),
    ],
)
def test_a_condition_holds_as_in_arithmetic(text: str, holds: bool) -> None:
    assert Expression(text).holds(VALUES) is holds


@pytest.mark.parametrize(
    "text",
    [
        "1 / (width - 64) < 1",
        "width % 0 == 0",
        "width // 0 == 0",
        "1 / 0 < 1",
        "optimizer < 3",
        "optimizer * depth == 'adamadam'",
        "-optimizer == 1",
        "1e308 * 1e308 < width",
        "not 1 / 0 < 1",
        "1 / 0 < 1 or width == 64",
    ],
)
def test_what_cannot_be_computed_does_not_hold(text: str) -> None:
    assert Expression(text).holds(VALUES) is False


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        (
            "sum(width) < 3",
            "sum(width)",
            "the functions are abs(x), log(x), min(x, y) and max(x, y)",
        ),
        ("width < depth.real", "depth.real", ""),
        ("width < depth[0]", "depth[0]", ""),
        (
            "(lambda: 1)() < width",
            "(lambda: 1)()",
            "the functions are abs(x), log(x), min(x, y) and max(x, y)",
        ),
        ("width ** depth < 3", "width ** depth", "write a power as a product: width * width"),
        ("width << 3 < 5", "width << 3", ""),
        ("width & 3 < 5", "width & 3", "write 'and'"),
        ("~width < 3", "~width", ""),
        ("width if skip else depth", "width if skip else depth", ""),
        ("[w for w in width] == 3", "[w for w in width]", ""),
        ("{width} == 3", "{width}", ""),
        ("{1: 2} == width", "{1: 2}", ""),
        ("f'{width}' == 'x'", "f'{width}'", ""),
        ("(w := 3) < width", "w := 3", "write '=='"),
        ("width == None", "None", ""),
        ("width == ...", "...", ""),
        ("width < 3j", "3j", ""),
        ("b'a' == width", "b'a'", ""),
        ("[*width] == 3", "*width", ""),
        ("width is 3", "width is 3", "write '=='"),
        (
            "optimizer in 'adamw'",
            "optimizer in 'adamw'",
            "'in' takes a list: optimizer in ['adam', 'sgd']",
        ),
        (
            "optimizer in width",
            "optimizer in width",
            "'in' takes a list: optimizer in ['adam', 'sgd']",
        ),
        ("'a' * 9999999999 == width", "'a' * 9999999999", ""),
        ("[0] * 9999999999 == width", "[0] * 9999999999", ""),
        ("'%999999999d' % width == 'x'", "'%999999999d' % width", ""),
        (
            "'ü' == 'ü' and abs(width, 1) < 3",
            "abs(width, 1)",
            "the functions are abs(x), log(x), min(x, y) and max(x, y)",
        ),
        (
            "  max(width) < 3",
            "max(width)",
            "the functions are abs(x), log(x), min(x, y) and max(x, y)",
        ),
    ],
)
def test_only_arithmetic_comparisons_and_logic_are_let_through(
    text: str, part: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(text)
    error = caught.value
    assert str(error) == f"'{part}' is not allowed"
    assert text[error.start : error.start + error.length] == part
    assert error.hint == hint


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("width = 3", "=", "write '=='"),
        ("width < 3 && depth < 2", "&&", "write 'and'"),
        ("width < 3 || depth < 2", "||", "write 'or'"),
        ("!(width < 3)", "!", "write 'not'"),
    ],
)
def test_what_other_languages_write_is_answered_with_what_this_one_does(
    text: str, part: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(text)
    assert (text[caught.value.start :][: caught.value.length], caught.value.hint) == (part, hint)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("width * <= 3", 8),
        ("width <", 6),
        ("(width < 3", 0),
        ("  width * <= 3", 10),
        ("", 0),
        ("width < 3)", 9),
        ("import os", 0),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stops(text: str, start: int) -> None:
    with pytest.raises(ExpressionError, match="cannot be read") as caught:
        Expression(text)
    assert caught.value.start == start


@pytest.mark.parametrize(
    "text",
    [
        "width < 3\x00",
        "width < '\\d'",  # of this and the next Python would only warn
        "3and width",
        "(" * 300 + ")" * 199,
    ],
)
def test_what_python_reads_with_a_warning_or_not_at_all_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be read"):
        Expression(text)


@pytest.mark.parametrize("text", ["width", "skip and width < 3"])
def test_a_name_may_be_true_or_false(text: str) -> None:
    Expression(text)


@pytest.mark.parametrize(
    "text", ["width * depth", "3", "'adam'", "not 3", "width < 3 and 4", "[width]"]
)
def test_what_is_neither_true_nor_false_is_no_condition(text: str) -> None:
    with pytest.raises(ExpressionError, match="says nothing that is true or false"):
        Expression(text)


@pytest.mark.parametrize(
    "text", ["width < " + "1" * 500, "width < " + "-" * 300 + "1", "width in [" + "1," * 200 + "1]"]
)
def test_what_no_person_writes_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)


def test_the_deepest_expression_is_computed_within_the_usual_recursion() -> None:
    # 98 signs on a number, 98 terms in a sum, 49 brackets in one another
    assert Expression("width < " + "-" * 196 + "1000").holds(VALUES)
    assert Expression("width < 1000" + " + 1" * 98).holds(VALUES)
    assert Expression("width " + "== 64 and (width " * 20 + "== 64" + ")" * 20).holds(VALUES)


def test_names_are_never_looked_up_in_python() -> None:
    rule = Expression("print < 3")
    assert rule.names == {"print"}
    with pytest.raises(KeyError):
        rule.holds({})
    assert rule.holds({"print": 2})


def test_knows_where_it_names_a_setting_first() -> None:
    rule = Expression(" 'ü' != 'lr' and lr * lr < depth")
    assert rule.span("lr") == (17, 2)
    assert rule.span("depth") == (27, 5)


def test_an_expression_travels_between_processes() -> None:
    rule = Expression("width * depth <= 512")
    copy = pickle.loads(pickle.dumps(rule))
    assert copy == rule
    assert copy.holds(VALUES)


@settings(deadline=None)
@given(
    st.text(
        st.sampled_from("width lr <=>!+-*/%()[]{},.'\"\\01e~&|^@:;#?\n\tü_and or not in is lambda"),
        max_size=60,
    )
)
def test_any_text_is_an_expression_or_refused_with_its_place(text: str) -> None:
    start, length = 0, 1
    try:
        rule = Expression(text)
    except ExpressionError as error:
        start, length = error.start, error.length
    else:
        assert rule.holds(dict.fromkeys(rule.names, 3)) in (True, False)
    assert 0 <= start <= len(text)
    assert 0 < length <= max(1, len(text) - start)


@settings(deadline=None)
@given(
    st.integers(-50, 50),
    st.integers(-50, 50),
    st.sampled_from(["+", "-", "*", "//", "%"]),
    st.integers(-99, 99),
)
def test_integer_arithmetic_is_exact(a: int, b: int, sign: str, c: int) -> None:
    # Python's own arithmetic on the same literals, as the reference
    computed = {"+": a + b, "-": a - b, "*": a * b, "//": b and a // b, "%": b and a % b}[sign]
    expected = computed <= c and (b != 0 or sign not in ("//", "%"))
    assert Expression(f"a {sign} b <= {c}").holds({"a": a, "b": b}) is expected


def test_an_expression_takes_no_time_and_no_memory() -> None:
    with calls_at_most(100_000):
        big = Expression("*".join(["width"] * 80) + " < 0")
        assert big.holds({"width": 2**31}) is False


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("abs(width - 7) <= 4", True),
        ("log(width) < 1", False),
        ("min(width, 2, 9) == 2", True),
        ("max(width, depth * 2) == 4", True),
        ("log(0 * width) < 1", False),  # which cannot be computed
        ("max < 3 and max(max, width) == width", True),  # a parameter may have the name
    ],
)
def test_there_are_four_functions(text: str, holds: bool) -> None:
    rule = Expression(text)
    assert rule.holds({"width": 3, "depth": 2, "max": 1}) == holds
    assert rule.names <= {"width", "depth", "max"}


def test_the_sides_of_comparisons_are_known() -> None:
    rule = Expression("width == -2 and lr * 2 < max(lr, 1) or kind in ['a', 'b']")
    sides = [(same, one.name, other.value) for same, one, other in rule.comparisons()]
    assert sorted(sides, key=str) == [
        (False, "", None),
        (True, "kind", "a"),
        (True, "kind", "b"),
        (True, "width", -2),
    ]
    (two, most) = next((one, other) for same, one, other in rule.comparisons() if not same)
    assert (two.is_smooth, most.is_smooth) == (True, False)
