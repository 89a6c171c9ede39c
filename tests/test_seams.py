"""The recipes of CONTRIBUTING.md, applied as they stand there to a copy of the package, and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_CODE = r"[^`]*?\n\n```python\n(.*?)```"
_FILE = re.compile(rf"One\s+file,\s+`([\w/.]+)`:{_CODE}", re.DOTALL)
_LINE = re.compile(
    rf"One\s+line\s+in\s+the\s+table\s+`(\w+)`\s+of\s+`([\w/.]+)`.*?{_CODE}", re.DOTALL
)
_DECLARATION = re.compile(rf"declaration\s+in\s+`hpsearch/cli\.py`:{_CODE}", re.DOTALL)
_PROGRAM = re.compile(rf"A\s+program\s+that\s+searches\s+it:{_CODE}", re.DOTALL)

SPACE = """
data: {source: points.txt, task: regression}
train: {epochs: 2}
parameters:
  lr: {min: 1e-3, max: 1e-1, log: true}
  width: {min: 4, max: 16}
"""

SUITES = """
from hpsearch.config.spec import free_space
from hpsearch.data import LOADERS, DataSpec
from hpsearch.objectives.forest import Forest
from hpsearch.runners import RUNNERS
from hpsearch.strategies import STRATEGIES
from hpsearch.testing import models, objectives, runners, sources, strategies

checks = [
    *strategies.checks(STRATEGIES.load("halton")),
    *sources.checks(LOADERS.load("*.txt"), DataSpec("points.txt")),
    *models.checks("glu"),
    *runners.checks(RUNNERS.load("traced")().build),
    *objectives.checks(Forest(free_space({"n_estimators": {"min": 5, "max": 10}}))),
]
for check in checks:
    print(check, flush=True)
    check()
"""

MINIMIZE = """
import hpsearch

found = hpsearch.minimize(
    lambda params: (params["x"] - 0.375) ** 2,
    {"x": {"min": 0.0, "max": 1.0}},
    strategy="halton",
    budget=7,
    leap=3,
)
print(found.best.params["x"])
"""

STORED = """
import json

from hpsearch.objectives import OBJECTIVES
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store, read

config = {"parameters": {"min_samples_leaf": {"min": 1, "max": 20}}, "search": {"seed": 3}}
meta = StudyMeta(
    name="woods", objective="forest", strategy="random", seed=3, time_weight=0.0,
    config=json.dumps(config), file="", folder="", overrides="[]", rows=None, budget=3, threads=1,
    device="cpu", metric=plan.objective.describe().metric, has_cost=False, baseline_loss=None,
    baseline_metric=None, data="{}", created="", versions="{}",
)
stored = OBJECTIVES.load("forest")(meta)
plan = Plan("random", stored.options, stored.keys, stored.objective)
with TemporaryDirectory() as folder, Inline(Artefacts(Path(folder))) as runner:
    with Store.create(Path("runs/woods"), meta) as store:
        for _ in run(plan.search(budget=3), store, runner, Stop()):
            pass
"""


@dataclass(frozen=True)
class House:
    """A copy of the package with all recipes in it, and the folder that it lies in."""

    folder: Path

    def run(self, *arguments: str) -> str:
        """Run Python with the copy in a process of its own; return what it printed."""
        own = {"PYTHONPATH": str(self.folder), "COLUMNS": "100"}
        others = {name: value for name, value in os.environ.items() if "HPSEARCH" not in name}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**others, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def hpsearch(self, *arguments: str) -> str:
        """Run the command line of the copy; return what it printed."""
        return self.run("-m", "hpsearch", *arguments)


def build(folder: Path) -> House:
    """Copy the package into a folder, and apply all recipes."""
    shutil.copytree(
        ROOT / "hpsearch", folder / "hpsearch", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, code in _FILE.findall(GUIDE):
        assert not (folder / name).exists()
        (folder / name).write_text(code, encoding="utf-8")
    for table, name, line in _LINE.findall(GUIDE):
        text = (folder / name).read_text(encoding="utf-8")
        before, begin, after = text.partition(f"\n{table}: ")
        assert begin
        entries, end, rest = after.partition("    },\n")
        (folder / name).write_text(before + begin + entries + line + end + rest, encoding="utf-8")
    cli = folder / "hpsearch" / "cli.py"
    before, begin, after = cli.read_text(encoding="utf-8").partition("def _run(")
    declared = "".join(f"{code}\n\n" for code in _DECLARATION.findall(GUIDE))
    cli.write_text(before + declared + begin + after, encoding="utf-8")
    (folder / "space.yaml").write_text(SPACE)
    rows = [f"{k % 7} {k * k % 11} {k % 5}\n" for k in range(60)]
    (folder / "points.txt").write_text("".join(rows))
    return House(folder)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return build(tmp_path_factory.mktemp("house"))


def test_there_is_one_file_and_one_line_or_declaration_for_each_component() -> None:
    files = [name for name, _ in _FILE.findall(GUIDE)]
    lines = [(table, name) for table, name, _ in _LINE.findall(GUIDE)]
    assert [Path(name).parent.name for name in files] == [
        *("strategies", "sources", "structure", "runners", "objectives", "commands")
    ]
    assert [table for table, _ in lines] == [
        *("STRATEGIES", "LOADERS", "MODELS", "RUNNERS", "OBJECTIVES")
    ]
    assert all(line.count("\n") == 1 for _, _, line in _LINE.findall(GUIDE))
    assert len(_DECLARATION.findall(GUIDE)) == 2


def test_the_recipes_are_written_as_the_package_is(house: House) -> None:
    changed = [name for name, _ in _FILE.findall(GUIDE)]
    changed += [name for _, name, _ in _LINE.findall(GUIDE)] + ["hpsearch/cli.py"]
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    house.run("-m", "ruff", "format", "--check", *config, *changed)
    house.run("-m", "ruff", "check", *config, *changed)


@pytest.mark.slow
def test_each_component_keeps_what_every_one_of_its_kind_promises(house: House) -> None:
    printed = house.run("-c", SUITES).split()
    assert {"it_stays_in_the_space", "it_reads_the_same_twice", "each_weight_learns"} <= {*printed}
    assert len(printed) > 40


def test_the_strategy_searches_a_function(house: House) -> None:
    # the sixth number of the sequence in base 2: 1/2, 1/4, 3/4, 1/8, 5/8, 3/8
    assert house.run("-c", MINIMIZE).split() == ["0.375"]


@pytest.mark.slow
def test_the_strategy_has_a_command_and_the_source_is_read_in_its_search(house: House) -> None:
    assert "--leap L" in house.hpsearch("halton", "--help")
    flags = ("--budget", "4", "--leap", "3", "--workers", "1", "--study", "even")
    printed = house.hpsearch("halton", "space.yaml", *flags)
    assert "winner" in printed
    assert "test      loss" in printed
    rows = house.hpsearch("leaderboard", "even", "--format", "csv").splitlines()
    assert len(rows) == 5


@pytest.mark.slow
def test_the_model_is_trained_on_the_runner(house: House) -> None:
    flags = ("--set", "model=glu", "--runner", "traced", "--set", "runner.file=work.csv")
    assert "winner" in house.hpsearch("random", "--smoke", "--study", "smoke", *flags)
    lines = (house.folder / "work.csv").read_text().splitlines()
    assert {line.rpartition(",")[2] for line in lines} == {"WorkFinished"}
    assert len(lines) >= 3  # the device, a cohort at least, and the winner's test


@pytest.mark.slow
def test_the_objective_is_searched_kept_and_shown(house: House) -> None:
    (program,) = _PROGRAM.findall(GUIDE)
    printed = house.run("-c", program + STORED).splitlines()
    losses = [float(line.split()[-1]) for line in printed]
    assert losses == sorted(losses)
    assert len(losses) == 3
    shown = house.hpsearch("show", "woods", "1")
    assert "woods: trial 1" in shown
    assert "accuracy" in shown


def test_a_command_costs_one_file_and_one_declaration(house: House) -> None:
    assert "Print the folder of a study." in house.hpsearch("--help")
    (house.folder / "runs" / "mine").mkdir(parents=True)
    (house.folder / "runs" / "mine" / "study.db").touch()
    assert house.hpsearch("folder", "mine") == "runs/mine\n"


@pytest.mark.slow
def test_the_recipes_have_sound_types(house: House) -> None:
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", ".mypy_cache"]
    house.run("-m", "mypy", *config, "hpsearch")


@pytest.mark.slow
def test_the_runner_works_in_processes_as_the_local_one_does(house: House) -> None:
    house.run(
        "-c",
        "from hpsearch.runners.traced import TracedOptions\n"
        "from hpsearch.testing.runners import fault_checks, process_checks\n"
        "build = TracedOptions().build\n"
        "for check in [*process_checks(build), *fault_checks(build)]:\n"
        "    check()\n",
    )
