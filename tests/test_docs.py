"""What the README says is what there is. HPSEARCH_REWRITE_GOLDEN=1 writes the table of settings anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from hpsearch.cli import cli
from hpsearch.config.schema import DataKeys, ParameterKeys, SearchKeys
from hpsearch.config.spec import parse
from hpsearch.engine.structure.settings import SETTINGS, Setting
from hpsearch.space.space import DependentValue

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
_HEAD = "| setting | what it may be | default |\n|---|---|---|\n"


def row(name: str, setting: Setting) -> str:
    usual = setting.default
    if isinstance(usual, DependentValue):
        values: dict[object, list[str]] = {}
        for choice, value in usual.table.items():
            values.setdefault(value, []).append(str(choice))
        shown = ", ".join(f"{value} ({' '.join(choices)})" for value, choices in values.items())
    else:
        shown = str(usual)
    return f"| `{name}` | {setting.about}: {setting.domain.describe()} | {shown} |\n"


def test_the_table_of_settings_is_the_one_in_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    table = "".join(row(name, setting) for name, setting in SETTINGS.items())
    before, _, rest = text.partition(_HEAD)
    after = re.sub(r"\A(\|.*\n)*", "", rest)
    if os.environ.get("HPSEARCH_REWRITE_GOLDEN"):
        README.write_text(before + _HEAD + table + after, encoding="utf-8")
    assert before + _HEAD + table + after == README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"hpsearch {name}" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*DataKeys.model_fields, *SearchKeys.model_fields, *ParameterKeys.model_fields]
)
def test_every_key_is_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", README.read_text(encoding="utf-8"))


def test_the_example_in_the_readme_is_a_valid_space() -> None:
    (example,) = re.findall(
        r"```yaml\n(data:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    spec = parse(example, "README.md", ROOT)
    assert spec.space.conditions == {"momentum": {"optimizer": ("momentum",)}}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_is_a_valid_space_headed_by_its_command_and_what_it_gave(
    path: Path,
) -> None:
    text = path.read_text(encoding="utf-8")
    parse(text, str(path), path.parent)
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert re.match(rf"#   hpsearch \w+ experiments/{path.name}", head)
    assert "PENDING" not in head
    assert re.search(r"winner: trial \d", head)


def test_the_built_in_example_is_a_valid_space() -> None:
    path = ROOT / "hpsearch" / "default.yaml"
    assert parse(path.read_text(encoding="utf-8"), "default.yaml", ROOT).default() is not None
