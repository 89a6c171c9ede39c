"""The spaces that have names, and those of other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpsearch.config.spaces import SPACES, named_space, space_of
from hpsearch.config.spec import NetworkSpec, networks_of, parse
from hpsearch.config.starter import starter
from hpsearch.data import DataSpec
from hpsearch.data.prepare import checked
from hpsearch.engine.structure.settings import NEEDS, SETTINGS
from hpsearch.errors import SpecError
from tests.helpers.sources import BUNDLED

LENGTH = {"epochs", "patience"}  # how long a training may be is no matter of taste


def started(data: str, space: str) -> NetworkSpec:
    text = starter(data, None, checked(DataSpec(data)), named_space(space))
    return networks_of(parse(text, "f", Path()))


@pytest.mark.parametrize("data", BUNDLED)
@pytest.mark.parametrize("space", SPACES)
def test_each_space_suits_each_data(space: str, data: str) -> None:
    spec = started(data, space)
    assert spec.default() is not None
    assert spec.settings({})["epochs"] in (50, 100)


def test_the_whole_space_has_every_setting_of_images() -> None:
    assert set(started("digits", "all").space.parameters) == SETTINGS.keys() - LENGTH


def test_the_whole_space_of_a_table_has_every_setting_of_dense_layers() -> None:
    others = {name for name, needs in NEEDS.items() if "mlp" not in needs.get("model", ("mlp",))}
    spec = started("wine", "all")
    assert set(spec.space.parameters) == SETTINGS.keys() - LENGTH - others - {"model"}
    assert spec.fixed["model"] == "mlp"


@pytest.mark.parametrize(("data", "is_there"), [("wine", True), ("diabetes", False)])
def test_laplace_is_searched_where_it_changes_an_answer(data: str, is_there: bool) -> None:
    values = started(data, "all").space.parameters["bayesian"].values() or ()
    assert ("laplace" in values) == is_there


def test_batches_suit_the_rows_in_every_space_that_searches_them() -> None:
    sizes = [started("wine", space).space.parameters["batch_size"] for space in ("basic", "all")]
    assert [one.values() for one in sizes] == [(8, 16, 32)] * 2


def test_the_sections_of_a_file_are_taken_with_their_comments() -> None:
    text = """name: mine
data: {source: wine}
train:          # of mine
  epochs: 7
parameters:
  # the rate
  lr: {min: 1e-3, max: 1e-1}
  width: {values: [4, 8]}
search: {budget: 3}
constraints: ["width <= 4"]
"""
    space = space_of(text, "mine.yaml", Path())
    assert space.note == "mine.yaml: passed over, as no part of a space: name, data, search"
    written = starter("digits", None, None, space)
    assert "# of mine" in written
    assert "# the rate" in written
    spec = networks_of(parse(written, "f", Path()))
    assert (spec.data.source, spec.fixed, spec.search.budget) == ("digits", {"epochs": 7}, None)
    assert [rule.text for rule in spec.space.constraints] == ["width <= 4"]


def test_a_file_without_train_gets_what_suits_the_data_beside_what_it_searches() -> None:
    space = space_of("parameters: {epochs: {values: [3, 5]}}\n", "f", Path())
    spec = networks_of(parse(starter("digits", None, None, space), "f", Path()))
    assert spec.fixed == {"model": "mlp", "patience": 10}


def test_a_file_need_not_say_what_is_learned_from_and_may_have_a_wrong_end() -> None:
    space = space_of("parameters:\n  lr: {min: 1e-3, max: 1e-1}", "f", Path())
    assert space.text == "parameters:\n  lr: {min: 1e-3, max: 1e-1}\n"
    assert (space.note, set(space.searched)) == ("", {"lr"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: {epochs: 3}\n", "f has no space"),
        ("parameters: {}\n", "f has no space"),
        ("{parameters: {lr: {min: 1e-3, max: 1e-1}}}\n", "do not begin at the left margin"),
        ("parameters:\n  widht: {values: [1]}\n", "did you mean 'width'?"),
    ],
)
def test_a_file_without_a_space_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        space_of(text, "f", Path())
