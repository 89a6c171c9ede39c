"""A small language for constraints: arithmetic, comparisons, `and`, `or`, `not` and `in`.

Its syntax is a part of Python's, and Python's parser reads it, but nothing is ever evaluated as
Python: names stand for the values that `Expression.holds` is given, there are four functions, and
anything else (attributes, indices) is refused.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (abs, 1, 1),
    "log": (math.log, 1, 1),
    "max": (max, 2, 99),
    "min": (min, 2, 99),
}
"""Each function, and how many numbers it takes, at least and at most."""

_SMOOTH = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_UNARY = (ast.USub, ast.UAdd, ast.Not)
_CONSTANTS = (bool, int, float, str)
_LONGEST = 500  # characters: more than a person writes
_MOST = 200  # names, numbers and operations, so that the recursion stays shallow
_SLIPS = {
    r"\*\*": "write a power as a product: width * width",
    r"&&|&": "write 'and'",
    r"\|\||\|": "write 'or'",
    r"!(?!=)": "write 'not'",
    r"(?<![<>=!])=(?!=)": "write '=='",
    r"\bis\b": "write '=='",
}
"""What is written in other languages, and how the same is written in this one."""


class ExpressionError(ValueError):
    """The text is not an expression of this language; `str()` says why.

    The fault lies in the `length` characters from `start` on; `hint` is the likely repair.
    """

    def __init__(self, message: str, start: int = 0, length: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.start, self.length, self.hint = start, length, hint


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: the name that it consists of; "" where it is more than a name.
        value: the value that it has whatever names stand for; None where it rests on names.
        names: all names in it.
        is_smooth: whether it is made of names and numbers by + - * / alone.
        start, length: where it stands in the text.
    """

    name: str
    value: bool | int | float | str | None
    names: frozenset[str]
    is_smooth: bool
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition on named values, such as `width * depth <= 512`.

    Raises:
        ExpressionError: the text is not in the language.

    >>> rule = Expression("width * depth <= 512 or optimizer in ['adam', 'sgd']")
    >>> sorted(rule.names)
    ['depth', 'optimizer', 'width']
    >>> rule.holds({"width": 256, "depth": 3, "optimizer": "adam"})
    True
    """

    text: str
    tree: ast.expr = field(init=False, repr=False, compare=False)
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tree = _parse(self.text)
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "names", frozenset(node.id for node in _names(tree)))

    def holds(self, values: Mapping[str, object]) -> bool:
        """Say whether the condition is true; what cannot be computed (1 / 0, 'a' < 1) is not.

        Raises:
            KeyError: a name has no value.
        """
        try:
            return bool(_value(self.tree, values))
        except (ArithmeticError, TypeError, ValueError):
            return False

    def span(self, name: str) -> tuple[int, int]:
        """Return where the text names `name` first: the position, and the length."""
        return min(_span(node, self.text) for node in _names(self.tree) if node.id == name)

    def comparisons(self) -> Iterator[tuple[bool, Side, Side]]:
        """Yield the two sides of each comparison, and whether it asks if they are equal.

        A list after `in` gives one comparison for each of its members.
        """
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Compare):
                continue
            terms = [node.left, *node.comparators]
            for op, left, right in zip(node.ops, terms, terms[1:], strict=False):
                members = right.elts if isinstance(right, ast.List | ast.Tuple) else [right]
                orders = isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE)
                for member in members:
                    yield not orders, self._side(left), self._side(member)

    def _side(self, node: ast.expr) -> Side:
        names = frozenset(one.id for one in _names(node))
        value = None
        if not names and not isinstance(node, ast.List | ast.Tuple):
            try:
                value = _value(node, {})
            except (ArithmeticError, TypeError, ValueError):
                pass
        smooth = all(
            isinstance(one.op, _SMOOTH) if isinstance(one, ast.BinOp) else _is_term(one)
            for one in ast.walk(node)
            if isinstance(one, ast.expr)
        )
        name = node.id if isinstance(node, ast.Name) else ""
        return Side(name, value, names, smooth, *_span(node, self.text))

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)


def _names(tree: ast.expr) -> Iterator[ast.Name]:
    """Yield the names that stand for values, which the name of a function does not."""
    nodes = list(ast.walk(tree))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return (node for node in nodes if isinstance(node, ast.Name) and id(node) not in functions)


def _is_term(node: ast.expr) -> bool:
    """Say whether a node is a name, a number or a sign."""
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.op, ast.Not)
    return isinstance(node, ast.Name | ast.Constant)


def _parse(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ExpressionError(f"it is longer than {_LONGEST} characters", 0, len(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python only warns of '\d' and of `3and`
            tree = ast.parse(text.strip().replace("\n", " "), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning) as error:
        raise _unreadable(text, error) from error
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    for node in nodes:
        if not _allowed(node):
            raise _refused(text, node)
    if len(nodes) > _MOST:
        raise ExpressionError(f"it has more than {_MOST} parts", 0, len(text))
    if not _is_condition(tree):
        raise ExpressionError(
            "it says nothing that is true or false", 0, len(text), "compare it:  ... <= 512"
        )
    return tree


def _unreadable(text: str, error: Exception) -> ExpressionError:
    """Return the error for a text that Python's parser does not read."""
    slip = next(
        ((match, hint) for slip, hint in _SLIPS.items() if (match := re.search(slip, text))), None
    )
    if slip:
        match, hint = slip
        return ExpressionError(f"'{match[0]}' is not used here", match.start(), len(match[0]), hint)
    blanks = len(text) - len(text.lstrip())
    at = getattr(error, "offset", 1) or len(text)  # 0 is what Python calls the end
    return ExpressionError("it cannot be read", max(0, min(blanks + at, len(text)) - 1))


def _refused(text: str, node: ast.expr) -> ExpressionError:
    """Return the error for a part of Python that does not belong to this language."""
    start, length = _span(node, text)
    part = text[start : start + length]
    slip = next((hint for slip, hint in _SLIPS.items() if re.search(slip, part)), "")
    if isinstance(node, ast.Compare) and not slip:
        slip = "'in' takes a list: optimizer in ['adam', 'sgd']"
    if isinstance(node, ast.Call):
        slip = "the functions are abs(x), log(x), min(x, y) and max(x, y)"
    return ExpressionError(f"'{part}' is not allowed", start, length, slip)


def _allowed(node: ast.expr) -> bool:
    match node:
        case ast.Name() | ast.BoolOp() | ast.List() | ast.Tuple():
            return True
        case ast.Constant():
            return type(node.value) in _CONSTANTS
        case ast.UnaryOp():
            return isinstance(node.op, _UNARY)
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS and not node.keywords:
            _, least, most = _FUNCTIONS[name]
            return least <= len(node.args) <= most and not any(map(_is_text, node.args))
        case ast.BinOp():
            return type(node.op) in _BINARY and not _is_text(node.left) and not _is_text(node.right)
        case ast.Compare():
            # `in` takes a list only: of texts, 'adam' in 'adamw' would be true
            lists = [isinstance(right, ast.List | ast.Tuple) for right in node.comparators]
            among = [isinstance(op, ast.In | ast.NotIn) for op in node.ops]
            return all(type(op) in _COMPARE for op in node.ops) and all(
                not a or b for a, b in zip(among, lists, strict=True)
            )
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _is_condition(node: ast.expr) -> bool:
    """Say whether an expression is true or false, not a number or a text."""
    match node:
        case ast.BoolOp():
            return all(_is_condition(part) for part in node.values)
        case ast.UnaryOp(op=ast.Not()):
            return _is_condition(node.operand)
    # a name may stand for a setting that is true or false
    return isinstance(node, ast.Compare | ast.Name)


def _span(node: ast.expr, text: str) -> tuple[int, int]:
    """Return the position and the length of a node in the text, in characters."""
    # Python's parser counts bytes, and got the text without the blanks around it.
    blanks = len(text) - len(text.lstrip())
    line = text.strip().encode()
    start = len(line[: node.col_offset].decode())
    return blanks + start, max(1, len(line[: node.end_col_offset].decode()) - start)


def _value(node: ast.expr, values: Mapping[str, object]) -> Any:
    """Return what an expression comes to with these values of its names."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return values[node.id]
        case ast.BinOp():
            return _BINARY[type(node.op)](_number(node.left, values), _number(node.right, values))
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp():
            number = _number(node.operand, values)
            return -number if isinstance(node.op, ast.USub) else number
        case ast.Call(func=ast.Name(id=name)):
            return _FUNCTIONS[name][0](*(_number(part, values) for part in node.args))
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, values) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, values) for part in node.values)
        case ast.List() | ast.Tuple():
            return [_value(part, values) for part in node.elts]
        case ast.Compare():
            terms = [_value(term, values) for term in (node.left, *node.comparators)]
            return all(
                _COMPARE[type(op)](a, b)
                for op, a, b in zip(node.ops, terms, terms[1:], strict=False)
            )
    raise AssertionError(f"unparsed {node}")  # _parse lets nothing else through


def _number(node: ast.expr, values: Mapping[str, object]) -> int | float:
    """Return a number that arithmetic takes; of texts, 'a' * 10**9 would fill the memory."""
    value = _value(node, values)
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return value
