"""The graph of a model in ONNX: from what a person has to what a person wants.

It takes

- of a table, one input for each column, by the column's name, of shape (rows,): float64 for a
  number (NaN where it is missing) and for a date (seconds since 1970), and text for a category;
- or `images` in float64, (rows, channels, height, width);

and gives `prediction` (rows,), the class or the number, and `probabilities` (rows, classes) of
classes. All operators are those of the domains `ai.onnx` and `ai.onnx.ml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from hpsearch.data import Exact, values
from hpsearch.data.columns import UNSEEN, CategoryColumn, Column
from hpsearch.errors import Problem, SpecError
from hpsearch.model.onnx.operators import Graph, Operators, Value
from hpsearch.model.onnx.trace import OPSET, traced
from hpsearch.model.predictor import Predictor

IMAGES, PREDICTION, PROBABILITIES = "images", "prediction", "probabilities"
"""The names of inputs and outputs that are no columns."""

_ML, _ML_OPSET = "ai.onnx.ml", 4
_ROWS = "rows"  # the name of the axis whose size is not known
_MISSING = tuple(  # the spellings of what is missing, in small and capital letters
    "".join(letters)
    for text in sorted(values.MISSING)
    for letters in product(*(dict.fromkeys((letter, letter.upper())) for letter in text))
)


def model_of(predictor: Predictor) -> onnx.ModelProto:
    """Return the graph that answers as a predictor does.

    Raises:
        SpecError: a column has a name that no input can have.
    """
    columns, classes = predictor.columns, predictor.info.classes
    _check_names(columns)
    graph = Graph(_prefix(columns))
    network = compose.add_prefix(traced(predictor), graph.prefix).graph
    (taken,), (given,) = network.input, network.output
    graph.add("Identity", _features(graph, columns) if columns else IMAGES, name=taken.name)
    graph.nodes.extend(_bare(network.node))
    if classes:
        graph.add("Identity", given.name, name=PROBABILITIES)
        best = graph.add("ArgMax", given.name, axis=1, keepdims=0)
        graph.add("Gather", graph.constant(class_array(classes)), best, name=PREDICTION)
    else:
        graph.add("Squeeze", given.name, graph.constant(np.array([1])), name=PREDICTION)
    found = helper.make_graph(
        graph.nodes,
        "hpsearch",
        [*_inputs(columns, predictor.info.inputs)],
        [*_outputs(classes)],
        [*network.initializer, *graph.constants],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_ML, _ML_OPSET)]
    return helper.make_model_gen_version(found, opset_imports=opsets)


def class_array(classes: Sequence[str]) -> NDArray[Any]:
    """Return the classes as int64, where all are whole numbers; else as text."""
    found = np.array(values.labels(classes))
    return found if found.dtype == np.int64 else np.array(classes, dtype=object)


def feeds(inputs: NDArray[Any], columns: Sequence[Column]) -> Mapping[str, NDArray[Any]]:
    """Return what the graph takes for inputs as a data set keeps them."""
    if not columns:
        return {IMAGES: inputs.astype(np.float64)}
    return {
        column.name: _texts(inputs[:, k], column.categories)
        if isinstance(column, CategoryColumn)
        else np.ascontiguousarray(inputs[:, k])
        for k, column in enumerate(columns)
    }


def _features(graph: Graph, columns: Sequence[Column]) -> str:
    """Add what expands all columns into features; return their name."""
    operators = Operators()
    parts: list[Any] = []
    for column in columns:
        numbers: Any = _numbers(graph, column)
        parts.append(column.expand(numbers, operators))
    return operators.concatenate(parts, axis=1).name


def _numbers(graph: Graph, column: Column) -> Value:
    """Return the numbers of a column, as a data set keeps them; of texts, their places."""
    if not isinstance(column, CategoryColumn):
        return Value(graph, column.name)
    texts = [*_MISSING, *column.categories]
    places = [*(np.nan for _ in _MISSING), *range(len(column.categories))]
    return Value(graph, column.name).apply(
        "LabelEncoder",
        domain=_ML,
        keys_tensor=numpy_helper.from_array(np.array(texts, dtype=object)),
        values_tensor=numpy_helper.from_array(np.array(places, dtype=np.float64)),
        default_tensor=numpy_helper.from_array(np.array([UNSEEN])),
    )


def _inputs(columns: Sequence[Column], shape: tuple[int, ...]) -> Iterator[onnx.ValueInfoProto]:
    if not columns:
        yield helper.make_tensor_value_info(IMAGES, TensorProto.DOUBLE, [_ROWS, *shape])
    for column in columns:
        kind = TensorProto.STRING if isinstance(column, CategoryColumn) else TensorProto.DOUBLE
        yield helper.make_tensor_value_info(column.name, kind, [_ROWS])


def _outputs(classes: Sequence[str]) -> Iterator[onnx.ValueInfoProto]:
    if not classes:
        yield helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, [_ROWS])
        return
    is_whole = class_array(classes).dtype == np.int64
    kind = TensorProto.INT64 if is_whole else TensorProto.STRING
    yield helper.make_tensor_value_info(PREDICTION, kind, [_ROWS])
    wide = len(classes)
    yield helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, [_ROWS, wide])


def _bare(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes without what torch says of the lines of Python that they come from."""
    for node in nodes:
        del node.metadata_props[:]
        yield node


def _check_names(columns: Sequence[Column]) -> None:
    """Refuse columns that are called as outputs are, or not at all."""
    for column in columns:
        if column.name in ("", PREDICTION, PROBABILITIES):
            fault = f"a column is called '{column.name}', which no input of an ONNX graph can be"
            raise SpecError(Problem("E194", fault, help="search again with another name for it"))


def _prefix(columns: Sequence[Column]) -> str:
    """Return a beginning that no column's name has."""
    prefix = "hpsearch."
    while any(column.name.startswith(prefix) for column in columns):
        prefix += "."
    return prefix


def _texts(places: Exact, categories: Sequence[str]) -> NDArray[Any]:
    """Return the text of each place among the categories; '' where it is missing."""
    unseen = "unseen"
    while unseen in categories:
        unseen += "'"
    texts = [*categories, unseen]  # UNSEEN is -1, the place of the last
    found = ["" if np.isnan(place) else texts[int(place)] for place in places]
    return np.array(found, dtype=object)
