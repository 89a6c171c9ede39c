"""A model as a folder: what is refused, and what is harmless."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpsearch.errors import CannotWrite, DamagedModel, SpecError
from hpsearch.model import folder
from hpsearch.model.folder import load
from hpsearch.model.record import read_record

KINDS = ("classes", "numbers", "images", "towns")
FILES = ("model.safetensors", "model.json", "reference.json")


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    """A copy of a model, which may be damaged."""
    return Path(shutil.copytree(exported / "classes", tmp_path / "model"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_loaded_from_where_it_was_moved_to(
    exported: Path, tmp_path: Path, kind: str
) -> None:
    moved = Path(shutil.copytree(exported / kind, tmp_path / "elsewhere"))
    assert load(moved).info == load(exported / kind).info


@pytest.mark.parametrize("kind", KINDS)
def test_its_card_says_what_it_is(exported: Path, kind: str) -> None:
    text = (exported / kind / "README.md").read_text()
    record = read_record(exported / kind)
    assert record["model"]["target"] in text
    assert "hpsearch predict" in text
    assert all(
        f"- {column['name']}: {column['kind']}" in text for column in record["model"]["columns"]
    )


def test_no_row_of_the_data_is_in_it(exported: Path) -> None:
    known = json.loads((exported / "classes" / "reference.json").read_text())
    rows = {tuple(row) for row in known["inputs"]}
    assert len(rows) == len(known["inputs"]) == 5
    assert rows.isdisjoint((float(k), 0.0, 0.0) for k in range(41))


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_or_changes_nothing(model: Path, name: str) -> None:
    sound = (model / name).read_bytes()
    inputs = np.array(json.loads((model / "reference.json").read_text())["inputs"], float)
    answers = load(model).answers(inputs)
    for at in np.random.default_rng(0).integers(0, len(sound), 20):
        changed = bytearray(sound)
        changed[at] ^= 1 << int(at) % 8
        (model / name).write_bytes(bytes(changed))
        try:
            found = load(model)
        except (DamagedModel, SpecError):
            continue
        assert np.array_equal(found.answers(inputs), answers)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_other_content_is_damage(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    with pytest.raises(DamagedModel):
        load(model)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_there_is_said(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(SpecError, match="E190.*there is no " + name):
        load(model)


def test_the_weights_of_another_model_are_refused(exported: Path, model: Path) -> None:
    shutil.copy(exported / "numbers" / "model.safetensors", model)
    with pytest.raises(DamagedModel, match="is not the file that"):
        load(model)


def test_a_newer_format_is_refused_by_its_number(model: Path) -> None:
    record = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(DamagedModel, match="of format 99, and 2 is the newest"):
        read_record(model)


def _changed(record: dict[str, Any]) -> None:
    record["model"]["classes"] = ["b", "a"]


def _dropped(record: dict[str, Any]) -> None:
    del record["model"]


@pytest.mark.parametrize("change", [_changed, _dropped])
def test_a_record_that_tells_of_something_else_is_refused(
    model: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    record = json.loads((model / "model.json").read_text())
    change(record)
    (model / "model.json").write_text(json.dumps(record))
    with pytest.raises(DamagedModel, match="tell of different models"):
        load(model)


def test_answers_that_have_changed_are_noticed(model: Path) -> None:
    known = json.loads((model / "reference.json").read_text())
    known["answers"][0] = known["answers"][0][::-1]
    (model / "reference.json").write_text(json.dumps(known))
    with pytest.raises(DamagedModel, match="does not answer the reference inputs as it did"):
        load(model)


def test_nothing_is_written_over_but_a_model_by_force(model: Path, tmp_path: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    with pytest.raises(CannotWrite, match="is there already"):
        folder.save(model, data, {})
    folder.save(model, data, {"metrics": {}}, force=True)
    assert load(model)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    with pytest.raises(CannotWrite, match="is there already"):
        folder.save(tmp_path / "mine", data, {}, force=True)
    assert (tmp_path / "mine" / "notes").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "model"]


def test_what_is_no_model_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a model file"):
        folder.save(tmp_path / "model", b"no model", {})
    assert not [*tmp_path.iterdir()]
