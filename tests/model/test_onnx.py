"""A file of ONNX answers as the network does, in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from onnx import TensorProto, helper

from hpsearch import __version__
from hpsearch.data.columns import (
    UNSEEN,
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
)
from hpsearch.engine.structure.settings import ACTIVATIONS
from hpsearch.errors import CannotWrite, SpecError
from hpsearch.model.onnx import file
from hpsearch.model.onnx.graph import class_array, feeds
from hpsearch.model.onnx.operators import Graph, Operators, Value
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import to_bytes
from tests.helpers.models import drawn, trained
from tests.helpers.problems import NETS

DATE = DateColumn("day", ("year", "month", "weekday", "hour"), has_missing=True)
COLOR = CategoryColumn("color", ("blue", "größe", "red"), has_missing=True)
TABLE: list[Column] = [
    NumberColumn("n"),
    NumberColumn("gappy", has_missing=True),
    CategoryColumn("of two", ("no", "yes")),
    COLOR,
    CategoryColumn("town", tuple(f"t{k}" for k in range(100)), has_missing=True),
    DATE,
]
NORMS = {
    f"{kind} {norm}": {**settings, "norm": norm}
    for kind, settings in NETS.items()
    for norm in ("batch", "layer")
    if norm == "layer" or settings.get("model") != "rnn"
}


def rows_of(columns: list[Column], count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return rows as a data set keeps them, some cells of which are missing or unseen."""
    rng = np.random.default_rng(seed)
    found = np.empty((count, len(columns)))
    for k, column in enumerate(columns):
        if isinstance(column, CategoryColumn):
            found[:, k] = rng.integers(-1, len(column.categories), count)
        elif isinstance(column, DateColumn):
            found[:, k] = rng.uniform(-5e10, 5e10, count).round(3)
        else:
            found[:, k] = rng.normal(size=count) * 3
    found[rng.random(found.shape) < 0.2] = np.nan
    return found


ROWS = rows_of(TABLE, 50)


def run(graph: bytes, given: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """Return what onnxruntime answers, by the names of the outputs."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(given)), strict=True))


def check(predictor: Predictor, graph: bytes, inputs: np.ndarray[Any, Any]) -> None:
    """See that a graph answers these rows, and one of them alone, as the network does."""
    classes = predictor.info.classes
    for some in (inputs, inputs[:1]):
        found = run(graph, feeds(some, predictor.columns))
        answers = predictor.answers(some)
        if classes:
            assert found["probabilities"] == pytest.approx(answers, rel=1e-5, abs=1e-6)
            assert [*map(str, found["prediction"])] == [classes[k] for k in answers.argmax(1)]
        else:
            assert found["prediction"] == pytest.approx(answers[:, 0], rel=1e-5, abs=1e-4)


@pytest.fixture(scope="module")
def classes() -> tuple[Predictor, bytes]:
    """A model of two networks that predicts classes from the table, and its graph."""
    predictor = Predictor(drawn({}, ROWS, TABLE, ("a", "b", "c"), networks=2))
    return predictor, file.graph_of(predictor, {"trial": 7, "metrics": {"loss": 0.5}})


@pytest.fixture(scope="module")
def numbers() -> tuple[Predictor, bytes]:
    """A model of the table that predicts numbers, and its graph."""
    settings = {"norm": "batch", "skip": "residual", "depth": 2}
    predictor = Predictor(drawn(settings, ROWS, TABLE))
    return predictor, file.graph_of(predictor, {})


@pytest.mark.parametrize(
    "column",
    [
        *TABLE,
        CategoryColumn("none", ()),
        CategoryColumn("one", ("a",)),
        CategoryColumn("three", ("1", "10", "x y")),
        CategoryColumn("two and gaps", ("no", "yes"), has_missing=True),
        DateColumn("plain"),
        DateColumn("year", ("year",)),
    ],
    ids=lambda column: column.name,
)
def test_a_column_is_expanded_as_for_a_training(column: Column) -> None:
    graph = Graph("graph.")
    numbers: Any = Value(graph, "numbers")
    features: Any = column.expand(numbers, Operators())
    shape: dict[str, list[str | int]] = {"numbers": ["rows"], features.name: ["rows", "features"]}
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, sides)]
        for name, sides in shape.items()
    )
    made = helper.make_graph(graph.nodes, "column", inputs, outputs, graph.constants)
    model = helper.make_model_gen_version(made, opset_imports=[helper.make_opsetid("", 20)])
    cells = rows_of([column], 500)[:, 0]
    found = run(model.SerializeToString(), {"numbers": cells})[features.name]
    assert np.array_equal(found, column.expand(cells), equal_nan=True)


def test_classes_are_answered_with_missing_and_unseen_values(
    classes: tuple[Predictor, bytes],
) -> None:
    check(*classes, ROWS)


def test_numbers_are_answered_in_the_unit_of_the_target(numbers: tuple[Predictor, bytes]) -> None:
    check(*numbers, ROWS)


def test_a_text_means_what_it_means_in_a_file(classes: tuple[Predictor, bytes]) -> None:
    predictor, graph = classes
    texts = ["", "NA", "nan", "#N/A n/a", "Null", "red", "größe", "RED", "other", "no"]
    inputs = np.tile(ROWS[:1], (len(texts), 1))
    at = TABLE.index(COLOR)
    inputs[:, at] = COLOR.read(pa.array(texts))
    given = {**feeds(inputs, TABLE), COLOR.name: np.array(texts)}
    found = run(graph, given)["probabilities"]
    assert found == pytest.approx(predictor.answers(inputs), rel=1e-5)
    assert np.isnan(inputs[:5, at]).all()
    assert inputs[5:, at].tolist() == [2, 1, UNSEEN, UNSEEN, UNSEEN]


def test_it_takes_columns_by_their_names_and_uses_standard_operators(
    classes: tuple[Predictor, bytes], numbers: tuple[Predictor, bytes]
) -> None:
    texts = ("of two", "color", "town")
    given: dict[str, Any] = {}
    for _, graph in (classes, numbers):
        session = onnxruntime.InferenceSession(graph)
        for one in session.get_inputs():
            kind = "tensor(string)" if one.name in texts else "tensor(double)"
            assert (one.type, one.shape) == (kind, ["rows"])
        assert [one.name for one in session.get_inputs()] == [column.name for column in TABLE]
        given |= {one.name: (one.type, one.shape) for one in session.get_outputs()}
        model = onnx.load_from_string(graph)
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {"", "ai.onnx.ml"}
        assert not model.functions
    probabilities = ("tensor(double)", ["rows", 3])
    assert given == {"prediction": ("tensor(double)", ["rows"]), "probabilities": probabilities}


def test_it_says_what_it_is(classes: tuple[Predictor, bytes]) -> None:
    model = onnx.load_from_string(classes[1])
    said = {one.key: one.value for one in model.metadata_props}
    assert said == {
        "hpsearch": __version__,
        "format": "1",
        "target": "y",
        "classes": '["a", "b", "c"]',
        "trial": "7",
        "metrics": '{"loss": 0.5}',
    }
    assert not any(node.metadata_props for node in model.graph.node)


def test_classes_that_are_whole_numbers_are_int64() -> None:
    assert class_array(("-1", "0", "10")).tolist() == [-1, 0, 10]
    assert class_array(("-1", "0", "10")).dtype == np.int64
    for names in (("0", "1", "more"), ("0", "1.5"), ("0", str(2**64))):
        assert class_array(names).tolist() == [*names]


@pytest.mark.parametrize("name", ["prediction", "probabilities"])
def test_a_column_that_is_called_as_an_output_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=f"E194.*'{name}'"):
        file.graph_of(Predictor(drawn({}, ROWS[:, :1], [NumberColumn(name)])), {})


def test_a_network_that_holds_for_so_many_rows_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = Predictor(drawn({}, ROWS, TABLE))
    monkeypatch.setattr(
        predictor.members[0], "of_encoded", lambda rows: rows.reshape(len(rows), -1) * 2
    )
    with pytest.raises(SpecError, match=r"E194.*torch cannot write this mlp as ONNX: .*rows"):
        file.graph_of(predictor, {})


@pytest.mark.parametrize("kind", ["mc_dropout", "variational"])
def test_networks_that_are_drawn_at_random_are_refused(kind: str) -> None:
    with pytest.raises(SpecError, match=f"E194.*'bayesian: {kind}' answers with 32 networks"):
        file.graph_of(Predictor(drawn({"bayesian": kind, "dropout": 0.1}, ROWS, TABLE)), {})


def test_a_graph_that_answers_otherwise_is_not_written(
    numbers: tuple[Predictor, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drawn({}, ROWS, TABLE)
    monkeypatch.setattr(file, "graph_of", lambda predictor, facts: numbers[1])
    with pytest.raises(SpecError, match=r"E194.*does not answer the reference inputs"):
        file.save(tmp_path / "model.onnx", to_bytes(model), {})
    assert not [*tmp_path.iterdir()]


def test_nothing_is_written_over_but_by_force(
    numbers: tuple[Predictor, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, graph = numbers
    monkeypatch.setattr(file, "graph_of", lambda predictor, facts: graph)
    settings = dict(predictor.info.members[0].settings)
    data = to_bytes(drawn(settings, ROWS, TABLE))  # the same model again
    path = tmp_path / "model.onnx"
    path.write_text("mine")
    with pytest.raises(CannotWrite, match="is there already"):
        file.save(path, data, {})
    assert path.read_text() == "mine"
    file.save(path, data, {}, force=True)
    assert path.read_bytes() == graph


@pytest.mark.slow
@pytest.mark.parametrize("net", [*NETS, *NORMS, *ACTIVATIONS])
def test_every_network_is_answered_alike(net: str) -> None:
    activations = {name: {"activation": name} for name in ACTIVATIONS}
    settings = dict({**NETS, **NORMS, **activations}[net])
    if settings.get("model") == "resnet":
        inputs = np.random.default_rng(0).normal(size=(9, 3, 20, 18))
        model = drawn(settings, inputs, classes=("3", "7"))
    else:
        inputs = ROWS
        model = drawn(settings, ROWS, TABLE, ("a", "b"))
    predictor = Predictor(model)
    check(predictor, file.graph_of(predictor, {}), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["digits", "wine", "diabetes"])
def test_what_was_trained_is_answered_alike(tmp_path: Path, source: str) -> None:
    settings = {"bayesian": "laplace"} if source == "wine" else {}
    data, _, model = trained(tmp_path / "artefacts", source, settings)
    file.save(tmp_path / "model.onnx", to_bytes(model), {})
    graph = (tmp_path / "model.onnx").read_bytes()
    check(Predictor(model), graph, data.inputs)
    file.save(tmp_path / "again.onnx", to_bytes(model), {})
    assert (tmp_path / "again.onnx").read_bytes() == graph
