"""Nodes of a graph, written by arithmetic: what numpy computes for arrays is noted here for later.

`Column.expand` is given values of a graph and these operators in place of arrays and numpy. So the
lines that expand a column for a training write the nodes that expand it in an exported model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and constants; the names of all that they give begin with a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, name: str = "", **options: Any) -> str:
        """Add a node; return the name of what it gives."""
        name = name or f"{self.prefix}{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **options))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        name = f"{self.prefix}constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name


Operand = Union["Value", float, NDArray[np.float64]]
"""What a value is added to, divided by and so on; numbers become constants."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor of a graph, with the arithmetic that columns are expanded by."""

    graph: Graph
    name: str

    def apply(self, operator: str, *others: Operand, **options: Any) -> Value:
        """Return what an operator gives for this value and for others."""
        names = [
            other.name
            if isinstance(other, Value)
            else self.graph.constant(np.asarray(other, np.float64))
            for other in others
        ]
        return Value(self.graph, self.graph.add(operator, self.name, *names, **options))

    def __add__(self, other: Operand) -> Value:
        return self.apply("Add", other)

    def __sub__(self, other: Operand) -> Value:
        return self.apply("Sub", other)

    def __mul__(self, other: Operand) -> Value:
        return self.apply("Mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Value:
        return self.apply("Div", other)

    def __mod__(self, other: Operand) -> Value:
        """Return the remainder, which has the sign of the divisor (as `Mod` of float64 has not)."""
        return self - (self / other).apply("Floor") * other

    def __eq__(self, other: Any) -> Value:  # type: ignore[override]
        return self.apply("Equal", other)

    def __getitem__(self, key: tuple[slice, None]) -> Value:
        """Return the numbers (rows,) as a column (rows, 1)."""
        assert key == (slice(None), None)
        axis = self.graph.constant(np.array([1]))
        return Value(self.graph, self.graph.add("Unsqueeze", self.name, axis))


class Operators:
    """The functions of numpy that columns are expanded by, which write nodes."""

    float64 = TensorProto.DOUBLE

    def floor(self, value: Value) -> Value:
        """Return the whole numbers below."""
        return value.apply("Floor")

    def isnan(self, value: Value) -> Value:
        """Return which numbers are missing."""
        return value.apply("IsNaN")

    def where(self, truths: Value, one: float, other: Value) -> Value:
        """Return one number where it is true, and the other value elsewhere."""
        return truths.apply("Where", one, other)

    def asarray(self, value: Value, dtype: int) -> Value:
        """Return the value in another type."""
        return value.apply("Cast", to=dtype)

    def arange(self, count: int) -> NDArray[np.float64]:
        """Return the numbers below `count`, which are a constant."""
        return np.arange(count, dtype=np.float64)

    def concatenate(self, values: Sequence[Value], axis: int) -> Value:
        """Return the values side by side."""
        return values[0].apply("Concat", *values[1:], axis=axis)

    def stack(self, values: Sequence[Value], axis: int) -> Value:
        """Return numbers (rows,) as the columns of one value."""
        return self.concatenate([value[:, None] for value in values], axis)
