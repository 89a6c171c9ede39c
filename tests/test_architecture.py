"""The plan of the house: who may import whom, and what may load when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from hpsearch.data import LOADERS
from hpsearch.engine.structure.settings import (
    ACTIVATIONS,
    INITS,
    MODELS,
    OPTIMIZERS,
    PRETRAINING,
    SCHEDULES,
)
from hpsearch.engine.structure.slots import SHAPES
from hpsearch.registry import Registry, resolve
from hpsearch.runners import RUNNERS
from hpsearch.strategies import STRATEGIES

PACKAGE = Path(__file__).parent.parent / "hpsearch"
MODULES = sorted(PACKAGE.rglob("*.py"))
TABLES = [
    STRATEGIES,
    RUNNERS,
    LOADERS,
    MODELS,
    SHAPES,
    OPTIMIZERS,
    INITS,
    ACTIVATIONS,
    SCHEDULES,
    PRETRAINING,
]

# Each part may import those of the rows above its own, and itself.
LAYERS: list[set[str]] = [
    {"errors"},
    {"registry", "expression", "parameters", "files"},
    {"document", "space"},
    {"trial", "data"},
    {"store", "runners", "strategies", "engine"},
    {"mistakes", "foreign", "schema", "relations", "build", "spec"},
    {"search"},
    {"report"},
    {"commands"},
    {"minimum"},
]
DOORS = {
    "hpsearch.engine.structure.settings",
    "hpsearch.engine.structure.cohorts",
    "hpsearch.data.prepare",
    "hpsearch.strategies.confirm",
    "hpsearch.strategies.surrogate_report",
    "hpsearch.strategies.halving",
    "hpsearch.strategies.prequential",
}
"""The modules inside a folder that others may import; beside them, only the folder itself."""


def imports(path: Path) -> set[str]:
    """The modules of hpsearch that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
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
    allowed = set().union(*LAYERS[:row], {mine})
    if row == 5 or mine == "strategies":  # the parts of the parser are one thing in several files
        allowed |= LAYERS[row]
    assert {part(name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_nobody_looks_into_a_folder_but_through_its_door(path: Path) -> None:
    mine = part(module_of(path))
    for name in imports(path):
        inside = name.count(".") > 1 and part(name) in ("engine", "strategies", "runners", "data")
        assert not inside or part(name) == mine or name in DOORS, name


def test_the_command_line_imports_nothing_but_errors_and_the_registry() -> None:
    assert imports(PACKAGE / "cli.py") == {"hpsearch.errors", "hpsearch.registry"}


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [
        n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)
    ]


def test_everything_is_caught_where_trials_are_called_and_at_the_top_only() -> None:
    broad = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                name = node.type.id if isinstance(node.type, ast.Name) else None
                if node.type is None or name in ("Exception", "BaseException"):
                    broad.append(module_of(path))
    assert sorted(broad) == ["hpsearch.cli", "hpsearch.search.minimize", "hpsearch.runners.local"]


def loaded(*arguments: str) -> set[str]:
    """The modules that a fresh interpreter holds after a run of the command line, beyond the standard library."""
    script = (
        "import sys\nbefore = set(sys.modules)\nfrom hpsearch.cli import main\n"
        f"sys.argv = ['hpsearch', *{list(arguments)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "new = {n if n.startswith('hpsearch') else n.split('.')[0] for n in set(sys.modules) - before}\n"
        "print('LOADED', *sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bayes", "--help"], ["--version"], ["leaderboard", "--help"]]
)
def test_help_loads_click_and_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(*arguments) == {
        "click",
        "hpsearch",
        "hpsearch.cli",
        "hpsearch.errors",
        "hpsearch.registry",
    }


def test_a_wrong_yaml_is_refused_without_torch(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("data: {source: digits}\nparmeters: {}\n")
    found = loaded("bayes", str(tmp_path / "wrong.yaml"))
    assert not found & {"torch", "skopt", "sklearn", "scipy", "pandas", "safetensors"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_every_component_is_there_and_says_what_it_is(table: Registry) -> None:
    for name in table:
        component = resolve(table[name])
        assert component.__doc__, name
