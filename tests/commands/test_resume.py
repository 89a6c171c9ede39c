"""What may be edited between two runs of a study, and what may not.

Every key has its place in one table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from hpsearch.cli import cli
from hpsearch.commands.basis import computed_by, other_basis
from hpsearch.commands.resume import KINDS, Kind, edited, kind
from hpsearch.config.document import dotted
from hpsearch.config.document import read as parsed
from hpsearch.config.schema import (
    ConfigFile,
    DataKeys,
    NetworkSearchKeys,
    ParameterKeys,
    SearchKeys,
    SplitKeys,
    runner_keys,
    search_model,
)
from hpsearch.config.spec import parse
from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.errors import EXIT_CONFIG_DIFFERS, ConfigDiffers, SpecError
from hpsearch.objectives.networks import Networks
from hpsearch.search.plan import Plan
from hpsearch.study.folder import CONFIG
from hpsearch.study.layout import SEMANTICS, StudyMeta
from hpsearch.study.store import Store, read
from tests.helpers.studies import META, create

Key = tuple[str, ...]
_YAML = """\
name: mine
data: {source: digits, split: {validation: 0.25}}
train: {epochs: 5}
parameters: {lr: {min: 1e-4, max: 1e-1, log: true}, width: {values: [16, 32]}}
constraints: ["lr <= 0.05"]
trials: [{lr: 0.01, width: 16}]
search: {budget: 10, seed: 3}
"""
FIXED: Kind = "fixed"
EDITS: Mapping[Key, tuple[Kind, object]] = {
    ("name",): ("free", "other"),
    ("data", "source"): (FIXED, "wine"),
    ("data", "target"): (FIXED, "class"),
    ("data", "task"): (FIXED, "classification"),
    ("data", "split", "validation"): (FIXED, 0.3),
    ("data", "split", "test"): (FIXED, 0.1),
    ("data", "split", "folds"): (FIXED, 5),
    ("data", "split", "column"): (FIXED, "part"),
    ("data", "split", "group"): (FIXED, "x"),
    ("data", "split", "by"): (FIXED, "x"),
    ("data", "split_seed"): (FIXED, 1),
    ("data", "scale"): (FIXED, "unit"),
    ("data", "columns"): (FIXED, {"x": "drop"}),
    ("data", "missing"): (FIXED, "error"),
    ("data", "weights"): (FIXED, "balanced"),
    ("parameters", "lr", "value"): (FIXED, 0.01),
    ("parameters", "lr", "values"): (FIXED, [0.01, 0.02]),
    ("parameters", "lr", "min"): (FIXED, 1e-5),
    ("parameters", "lr", "max"): (FIXED, 0.2),
    ("parameters", "lr", "log"): (FIXED, False),
    ("parameters", "lr", "step"): (FIXED, 0.01),
    ("parameters", "lr", "points"): (FIXED, 7),
    ("parameters", "lr", "prior"): (FIXED, 0.01),
    ("parameters", "lr", "when"): (FIXED, {"optimizer": "adam"}),
    ("constraints",): (FIXED, ["lr <= 0.04"]),
    ("trials",): (FIXED, [{"lr": 0.02, "width": 16}]),
    ("search", "budget"): ("grows", 20),
    ("search", "time"): ("free", "10m"),
    ("search", "seed"): (FIXED, 4),
    ("search", "seeds"): (FIXED, 2),
    ("search", "wave"): (FIXED, 8),
    ("search", "lag"): (FIXED, 1),
    ("search", "metric"): (FIXED, "accuracy"),
    ("search", "time_weight"): (FIXED, 0.1),
    ("search", "points"): (FIXED, 7),
    ("search", "rounds"): (FIXED, 2),
    ("search", "guided"): (FIXED, True),
    ("search", "halving"): (FIXED, True),
    ("search", "pareto"): (FIXED, True),
    ("search", "until_converged"): (FIXED, True),
    ("search", "confirm"): (FIXED, False),
    ("search", "surrogate"): (FIXED, "ann"),
    ("search", "trial_timeout"): ("free", "5m"),
    ("search", "memory"): ("free", "4GB"),
    ("search", "max_retries"): ("free", 3),
    ("search", "max_failures"): ("free", 7),
    ("search", "grace"): ("free", "1m"),
    ("runner", "name"): ("free", "inline"),
    ("runner", "address"): ("free", "10.0.0.5:6379"),
    ("runner", "cpus"): ("free", 2.0),
    ("runner", "gpus"): ("free", 0.5),
    ("runner", "memory"): ("free", "4GB"),
    ("runner", "shared"): ("free", True),
}


def all_keys() -> Iterator[Key]:
    """Give every key of the schema, where it may stand."""
    for name in ConfigFile.model_fields:
        if name not in ("data", "train", "parameters", "search", "runner"):
            yield (name,)
    sections: Mapping[Key, type[BaseModel]] = {
        ("data",): DataKeys,
        ("data", "split"): SplitKeys,
        ("parameters", "lr"): ParameterKeys,
        ("search",): search_model(None, NetworkSearchKeys),
    }
    yield from (("runner", name) for name in sorted(runner_keys()))
    for path, model in sections.items():
        for name in model.model_fields:
            if (*path, name) not in sections:
                yield (*path, name)


def changed(key: Key, value: object) -> str:
    """Return the config with one key changed, as JSON, which is YAML."""
    found = parsed(_YAML, "search.yaml").value
    node = found
    for part in key[:-1]:
        node = node.setdefault(part, {})
    if key[0] == "runner":
        node["name"] = "ray"
    node[key[-1]] = value
    return json.dumps(found)


@pytest.fixture
def meta() -> StudyMeta:
    return replace(META, config=_YAML)


def edit(folder: Path, meta: StudyMeta, text: str) -> StudyMeta:
    (folder / CONFIG).write_text(text)
    return edited(meta, folder / CONFIG)


@pytest.mark.group("keys that change")
@pytest.mark.parametrize("key", list(all_keys()), ids=dotted)
def test_every_key_has_its_kind(tmp_path: Path, meta: StudyMeta, key: Key) -> None:
    expected, value = EDITS[key]
    assert kind(key) == expected
    text = changed(key, value)
    if expected == FIXED:
        with pytest.raises(ConfigDiffers) as refused:
            edit(tmp_path, meta, text)
        assert all(one.message.startswith(dotted(key)) for one in refused.value.problems)
        assert refused.value.exit_code == EXIT_CONFIG_DIFFERS
    else:
        found = edit(tmp_path, meta, text)
        assert found.budget == (value if expected == "grows" else meta.budget)
        spec = parse(found.config, found.file, tmp_path)
        if key[0] == "search":
            assert spec.search == with_key(key[1], value)
        else:
            assert spec.search == with_key("budget", 10)
            mine = {"name": spec.name, **spec.runner.model_dump(), "memory": "4GB"}
            assert value in (mine[key[-1]], spec.name)


def with_key(name: str, value: object) -> SearchKeys:
    """Return the keys of `search:` in the config, with one of them changed."""
    return search_model(None, NetworkSearchKeys).model_validate(
        {"budget": 10, "seed": 3, name: value}
    )


@pytest.mark.group("keys that change")
@pytest.mark.parametrize("setting", list(SETTINGS))
def test_every_setting_is_fixed(setting: str) -> None:
    assert kind(("train", setting)) == "fixed"


def test_the_table_names_no_key_that_there_is_not() -> None:
    assert {key[:length] for key in [*all_keys(), ("train",)] for length in (1, 2)} >= KINDS.keys()


def test_a_setting_that_is_another_is_told_with_its_place(tmp_path: Path, meta: StudyMeta) -> None:
    text = "# run as: hpsearch random CONFIG\n" + _YAML.replace("seed: 3", "seed: 4").replace(
        "epochs: 5", "depth: 2"
    )
    with pytest.raises(ConfigDiffers) as refused:
        edit(tmp_path, meta, text)
    assert [one.message for one in refused.value.problems] == [
        "train.epochs: 5 -> not set",
        "search.seed: 3 -> 4",
        "train.depth: not set -> 2",
    ]
    assert [one.place and one.place.line for one in refused.value.problems] == [4, 8, 4]


def test_the_order_of_the_parameters_is_a_key_too(tmp_path: Path, meta: StudyMeta) -> None:
    other = "{width: {values: [16, 32]}, lr: {min: 1e-4, max: 1e-1, log: true}}"
    text = "\n".join(
        f"parameters: {other}" if line.startswith("par") else line for line in _YAML.splitlines()
    )
    with pytest.raises(ConfigDiffers, match=r"parameters: \[lr, width\] -> \[width, lr\]"):
        edit(tmp_path, meta, text)


def test_what_says_the_same_in_other_words_changes_nothing(tmp_path: Path, meta: StudyMeta) -> None:
    assert edit(tmp_path, meta, f"# run as: hpsearch random CONFIG\n{_YAML}") == meta
    assert (
        edit(
            tmp_path,
            meta,
            _YAML.replace("{budget: 10, seed: 3}", "\n  # mine\n  seed: 3\n  budget: 10"),
        )
        == meta
    )
    spelt_out = edit(tmp_path, meta, _YAML.replace("seed: 3}", "seed: 3, seeds: 1}"))
    assert parse(spelt_out.config, "", tmp_path) == parse(meta.config, "", tmp_path)


@pytest.mark.parametrize(
    "instead", [lambda path: None, Path.mkdir, os.mkfifo], ids=["nothing", "a folder", "a FIFO"]
)
def test_a_config_that_is_gone_is_not_missed(
    tmp_path: Path, meta: StudyMeta, instead: Callable[[Path], None]
) -> None:
    instead(tmp_path / CONFIG)
    assert edited(meta, tmp_path / CONFIG) == meta


@pytest.mark.parametrize("text", ["", "search: [", "\xff", "a: {b: " * 30])
def test_a_config_that_cannot_be_read_is_told(tmp_path: Path, meta: StudyMeta, text: str) -> None:
    with pytest.raises(SpecError):
        edit(tmp_path, meta, text)


def test_a_wrong_value_is_told_and_not_taken_for_the_usual_one(
    tmp_path: Path, meta: StudyMeta
) -> None:
    found = edit(tmp_path, meta, _YAML.replace("seed: 3}", "seed: 3, seeds: many}"))
    with pytest.raises(SpecError, match=r"'search.seeds' is the text 'many'"):
        Plan.of_study(found)


def test_what_was_edited_stands_over_the_flag_of_the_beginning(
    tmp_path: Path, meta: StudyMeta
) -> None:
    flags = [[["search", "time"], "1m", "--time 1m"], [["search", "seed"], 7, "--seed 7"]]
    begun = replace(meta, overrides=json.dumps(flags))
    found = edit(tmp_path, begun, _YAML.replace("seed: 3}", "seed: 3, time: 2h}"))
    plan = Plan.of_study(found)
    assert (plan.keys.time, plan.keys.seed) == (7200, 7)


def test_a_study_that_asked_other_questions_is_finished_by_its_own_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = json.dumps({"hpsearch": "0.0.7"})
    create(tmp_path / "study", semantics=SEMANTICS + 1, versions=begun).close()
    command = ["resume", str(tmp_path / "study")]
    assert cli.main(command, standalone_mode=False) == EXIT_CONFIG_DIFFERS
    said = capsys.readouterr().err
    assert said.startswith("error[E178]: digits-random was begun by hpsearch 0.0.7")
    assert "it is finished by hpsearch 0.0.7" in said


def test_other_versions_are_named(meta: StudyMeta) -> None:
    here = computed_by("a CPU")
    assert other_basis(replace(meta, versions=json.dumps(here)), "cpu", computed_by("a CPU")) == ""
    older = replace(meta, versions=json.dumps({**here, "torch": "1.0"}))
    said = other_basis(older, "cuda", computed_by("a GPU"))
    assert said == (
        f"torch 1.0 (now {here['torch']}), processor a CPU (now a GPU), device cpu (now cuda): "
        "results need not be the same"
    )


def test_what_an_older_study_does_not_say_is_no_other_version(meta: StudyMeta) -> None:
    assert other_basis(replace(meta, versions="{}"), "cpu", computed_by("a CPU")) == ""


def test_on_the_command_line_another_seed_is_refused_and_the_study_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / "study", config=_YAML).close()
    (tmp_path / "study" / CONFIG).write_text(_YAML.replace("seed: 3", "seed: 4"))
    before = read(tmp_path / "study")
    assert (
        cli.main(["resume", str(tmp_path / "study")], standalone_mode=False) == EXIT_CONFIG_DIFFERS
    )
    said = capsys.readouterr().err
    assert said.startswith("error[E178]: search.seed: 3 -> 4\n")
    assert "Traceback" not in said
    assert read(tmp_path / "study") == before


@pytest.mark.slow
def test_a_budget_that_was_edited_is_searched_and_kept(tmp_path: Path) -> None:
    def hpsearch(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hpsearch", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
        )

    (tmp_path / "search.yaml").write_text(_YAML)
    hpsearch("random", "search.yaml", "--budget", "3", "--epochs", "1", "--study", "study")
    config = tmp_path / "study" / CONFIG
    config.write_text(config.read_text().replace("budget: 10", "budget: 5"))
    hpsearch("resume", "study")
    assert len(read(tmp_path / "study").history.results) == 5
    hpsearch("resume", "study", "--budget", "6")
    hpsearch("resume", "study")  # what was edited before is not news
    assert read(tmp_path / "study").meta.budget == 6


def test_what_a_killed_run_has_left_half_written_is_gone_before_the_first_trial(
    tmp_path: Path, run_here: Callable[..., tuple[int, str, str]]
) -> None:
    half = tmp_path / "study" / "artefacts" / f"{'ab' * 32}.1.tmp"
    (tmp_path / "own.py").write_text(
        f"from pathlib import Path\ndef loss(params): return float(Path({str(half)!r}).exists())\n"
    )
    space, study = tmp_path / "space.yaml", str(tmp_path / "study")
    space.write_text("objective: own:loss\nparameters: {x: {min: 0.0, max: 1.0}}\n")
    options = ("--runner", "inline", "--quiet")
    run_here("random", str(space), "--study", study, "--budget", "1", *options)
    half.parent.mkdir(exist_ok=True)
    half.touch()
    run_here("resume", study, "--budget", "2", *options)
    assert [result.loss for _, result in read(tmp_path / "study").history.done] == [0.0, 0.0]


def test_arrays_are_planned_by_the_memory_that_the_study_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Callable[..., tuple[int, str, str]]
) -> None:
    found: list[tuple[int | None, int | None]] = []

    def note(plan: Plan, options: object, runner: object, store: Store, held: object) -> int:
        assert isinstance(plan.objective, Networks)
        found.append((plan.objective.device.memory, store.study().meta.device_memory))
        return 0

    study = str(tmp_path / "study")
    commands = (
        ("random", "--smoke", "--study", study, "--budget", "4"),
        ("resume", study, "--budget", "5"),
    )
    monkeypatch.setattr("hpsearch.commands.prepared.ask_for_device", lambda *given: None)
    for command, memory in zip(commands, (10**9, 10**8), strict=True):
        here = Device("cpu", "a CPU", memory)
        monkeypatch.setattr("hpsearch.commands.prepared.chosen_device", lambda *given, d=here: d)
        monkeypatch.setattr(f"hpsearch.commands.{'resume' if found else 'search'}.finish", note)
        assert run_here(*command, "--runner", "inline")[0] == 0
    (left, kept), again = found
    assert kept == 10**9
    assert left is not None
    assert 9 * 10**8 < left < kept  # beside the data
    assert again == (left, kept)
