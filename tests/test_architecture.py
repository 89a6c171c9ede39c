"""The plan of the house: who may import whom, what may load when, and what stands where once."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpsearch.data import LOADERS
from hpsearch.engine.structure.models import MODELS
from hpsearch.engine.structure.settings import (
    ACTIVATIONS,
    INITS,
    OPTIMIZERS,
    PRETRAINING,
    SCHEDULES,
)
from hpsearch.objectives import OBJECTIVES
from hpsearch.registry import Registry, resolve
from hpsearch.runners import RUNNERS
from hpsearch.strategies import STRATEGIES, SURROGATES
from tests.helpers.commands import loaded
from tests.helpers.docstrings import first_line_faults, public_definitions

PACKAGE = Path(__file__).parent.parent / "hpsearch"
MODULES = sorted(PACKAGE.rglob("*.py"))
TABLES = [
    STRATEGIES,
    SURROGATES,
    RUNNERS,
    OBJECTIVES,
    LOADERS,
    MODELS,
    OPTIMIZERS,
    INITS,
    ACTIVATIONS,
    SCHEDULES,
    PRETRAINING,
]

# Each part may import those of the rows above its own, and itself.
LAYERS: list[set[str]] = [
    {"text"},
    {"errors"},
    {"registry", "options", "option_types", "versions", "output", "metrics", "shortage", "slots"},
    {"space"},
    {"study"},
    {"runners", "data"},
    {"engine"},
    {"strategies"},
    {"config", "model"},
    {"objectives"},
    {"search"},
    {"report"},
    {"testing"},
    {"commands"},
]
NOT: dict[str, set[str]] = {
    "runners": {"data"},
    "data": {"runners"},
    "engine": {"runners"},
    "strategies": {"runners", "data"},
    "search": {"data", "engine", "model"},
    "report": {"data", "config", "objectives", "model"},
}
"""What these do without, of the parts above: the loop and the reports know no networks."""

DOORS = {
    "report": {
        "engine": {
            "hpsearch.engine.structure.diagnosis",
            "hpsearch.engine.structure.settings",
        }
    },
    "commands": {
        "engine": {
            "hpsearch.engine.device",
            "hpsearch.engine.structure.cohorts",
            "hpsearch.engine.structure.device",
            "hpsearch.engine.structure.diagnosis",
            "hpsearch.engine.structure.members",
            "hpsearch.engine.structure.memory",
            "hpsearch.engine.structure.settings",
            "hpsearch.engine.structure.timing",
        }
    },
}
"""The only modules of a part that another one may look into."""


RESOLVED = re.compile(r"(hpsearch(?:\.\w+)+)(?::\w+)?(?:\([\w, ]*\))?")
"""A text that names a module, or something in one, with its options in brackets."""


def is_module(name: str) -> bool:
    place = PACKAGE.parent / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def imports(path: Path, by_name: bool = True) -> set[str]:
    """Return the modules of hpsearch that a file imports, also those that are resolved by name.

    What is imported for types alone is not loaded, and does not count.
    """
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif by_name and isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = RESOLVED.fullmatch(node.value)
            found |= {match[1]} if match and is_module(match[1]) else set()
    return {name for name in found if name.startswith("hpsearch.")}


def part(module: str) -> str:
    return module.split(".")[1]


def module_of(path: Path) -> str:
    return "hpsearch." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_go_one_way(path: Path) -> None:
    mine = part(module_of(path))
    if mine in ("__init__", "__main__", "cli"):
        return
    row = next(i for i, names in enumerate(LAYERS) if mine in names)
    allowed = set().union(*LAYERS[:row], {mine}) - NOT.get(mine, set())
    assert {part(name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_what_another_part_keeps_to_itself_is_left_alone(path: Path) -> None:
    doors = DOORS.get(part(module_of(path)), {})
    for name in imports(path):
        assert part(name) not in doors or name in doors[part(name)], name


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine" / "structure").rglob("*.py")), ids=str)
def test_the_structure_of_networks_is_known_without_the_rest_of_the_engine(path: Path) -> None:
    inside = {name for name in imports(path, by_name=False) if part(name) == "engine"}
    assert all(name.startswith("hpsearch.engine.structure") for name in inside)


def test_the_command_line_imports_errors_types_of_options_and_the_registry_alone() -> None:
    tree = ast.parse((PACKAGE / "cli.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {name for name in modules if name and name.startswith("hpsearch.")}
    # and text and output, of hpsearch itself
    assert own == {"hpsearch.errors", "hpsearch.option_types", "hpsearch.registry"}


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = (n for function in functions for n in ast.walk(function))
    assert not [n for n in inner if isinstance(n, ast.Import | ast.ImportFrom)]


def test_everything_is_caught_in_three_places_only() -> None:
    broad = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                name = node.type.id if isinstance(node.type, ast.Name) else None
                if node.type is None or name in ("Exception", "BaseException"):
                    broad.append(module_of(path))
    assert sorted(broad) == ["hpsearch.cli", "hpsearch.runners.call", "hpsearch.search.minimize"]


def test_all_that_is_printed_goes_through_one_place() -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
            if name in ("print", "sys.stdout", "sys.stderr", "click.echo", "click.secho"):
                found[module_of(path)].add(name)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Console"):
                found[module_of(path)].add("Console")
    assert found == {
        "hpsearch.output": {"print", "sys.stdout", "sys.stderr"},
        "hpsearch.commands.console": {"sys.stdout", "sys.stderr", "Console"},
        "hpsearch.search.minimize": {"sys.stderr", "Console"},
    }


def test_what_onnx_needs_is_imported_where_a_file_of_it_is_written() -> None:
    found = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith(("onnx", "torch.onnx")) for name in names):
                found.add(module_of(path).rpartition(".")[0])
    assert found == {"hpsearch.model.onnx"}


def definitions() -> Iterator[tuple[str, str]]:
    """Give each public class of the package and its module."""
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, module_of(path)


def test_no_class_name_stands_for_two_things() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, module in definitions():
        homes[name].append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_nearly_all_public_docstrings_begin_with_a_sentence_or_a_noun_phrase() -> None:
    found = list(public_definitions(PACKAGE))
    faults = [fault for one in found if (fault := first_line_faults(one))]
    assert len(faults) <= 0.05 * len(found), "\n".join(faults)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bayes", "--help"], ["--version"], ["leaderboard", "--help"]]
)
def test_help_loads_click_and_nothing_heavy(arguments: list[str]) -> None:
    names = ("cli", "errors", "option_types", "output", "registry", "text")
    mine = {"hpsearch", *(f"hpsearch.{name}" for name in names)}
    assert loaded(*arguments) == {"click", *mine}


def test_a_wrong_yaml_is_refused_without_torch(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("data: {source: digits}\nparmeters: {}\n")
    found = loaded("bayes", str(tmp_path / "wrong.yaml"))
    assert not found & {"torch", "skopt", "sklearn", "scipy", "pandas", "safetensors"}


def test_data_are_checked_without_torch_and_scikit_learn() -> None:
    assert not {"torch", "sklearn"} & loaded("check", "--data", "digits", "--space", "all")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_every_component_is_there_and_says_what_it_is(table: Registry[object]) -> None:
    for name in table:
        component = resolve(table[name])
        assert component.__doc__, name
