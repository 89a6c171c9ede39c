"""The torch-free part of the engine: what it imports, and what a model of one's own costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hpsearch.data.shape import EmbeddedFeature, InputShape
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.cohorts import bucketed, capacity, key, padded
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.models import MODELS, param_slots
from hpsearch.engine.structure.settings import NEEDS, complete
from hpsearch.engine.structure.slots import STATISTICS, ParamSlot, flops_forward, size
from hpsearch.registry import resolve
from hpsearch.space.parameters import Value

ROOT = Path(__file__).parents[2]
STRUCTURE = ROOT / "hpsearch" / "engine" / "structure"
MODULES = sorted(f"hpsearch.engine.structure.{path.stem}" for path in STRUCTURE.glob("[!_]*.py"))
SHAPES = {1: InputShape((6,)), 3: InputShape((2, 8, 8))}
"""The shape of an input with so many axes."""

STRANGER = '''
"""A network with one hidden layer, in one file."""

import math

import torch

from hpsearch.engine.structure.models import ModelType
from hpsearch.engine.structure.slots import dense_slots


def layout(settings, inputs, outputs):
    width = int(settings["width"])
    hidden = dense_slots("hidden", width, math.prod(inputs), "hidden")
    return (*hidden, *dense_slots("output", outputs, width, "output"))


def forward(net, x):
    z = net.dense("hidden", x.flatten(-len(net.inputs)))
    return net.output(net.drop("hidden", torch.relu(z)))


SHALLOW = ModelType(f"{__name__}:forward", layout, padded=("width",))
"""One hidden layer of ReLUs."""
'''
TRAINING = """
import sys
from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.settings import SETTINGS
assert "shallow" in SETTINGS["model"].domain
assert "torch" not in sys.modules
from tests.helpers.problems import blobs, member, run
members = [member(k, model="shallow", width=5 + k, dropout=0.2, epochs=20, lr=0.03) for k in (0, 3)]
assert "depth" not in members[0].settings
settings = [one.settings for one in members]
assert cohorts(settings, InputShape((6,)), 3, CPU) == [[0, 1]]
together, _ = run(blobs(), members)
alone, _ = run(blobs(), members[:1])
print(together[0].result.metric, abs(together[0].result.loss - alone[0].result.loss))
"""


def in_a_fresh_interpreter(script: str, *folders: Path) -> str:
    """Return what a script prints that finds its modules in these folders first."""
    path = [str(folder) for folder in (*folders, ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=path[0],  # a script finds its modules there before it looks anywhere else
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_structure_imports_torch(module: str) -> None:
    assert (
        in_a_fresh_interpreter(f"import sys, {module}\nprint('torch' in sys.modules)") == "False\n"
    )


def test_the_records_of_all_models_are_loaded_without_torch() -> None:
    script = (
        "import sys\nfrom hpsearch.engine.structure.models import MODELS\n"
        "print(*map(MODELS.load, MODELS), sep='\\n')\nprint('torch' in sys.modules)"
    )
    *records, has_torch = in_a_fresh_interpreter(script).splitlines()
    assert len(records) == len(MODELS)
    assert has_torch == "False"


@pytest.mark.slow
def test_a_strangers_model_is_one_file_and_one_line(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "hpsearch", tmp_path / "hpsearch")
    (tmp_path / "hpsearch" / "engine" / "models" / "shallow.py").write_text(STRANGER)
    table = tmp_path / "hpsearch" / "engine" / "structure" / "models.py"
    before, head, after = table.read_text().partition('    "model",\n    {\n')
    assert head
    line = '        "shallow": "hpsearch.engine.models.shallow:SHALLOW(width)",\n'
    table.write_text(before + head + line + after)
    metric, difference = map(float, in_a_fresh_interpreter(TRAINING, tmp_path).split())
    assert metric > 0.8
    assert difference < 1e-4


@pytest.mark.parametrize("name", MODELS)
class TestRecords:
    def test_a_forward_pass_is_there_and_says_what_it_is(self, name: str) -> None:
        assert resolve(MODELS.load(name).forward).__doc__

    def test_all_own_settings_of_the_structure_are_in_the_table(self, name: str) -> None:
        model = MODELS.load(name)
        own = {option for option, needs in NEEDS.items() if name in needs.get("model", ())}
        assert own.issuperset(model.structure)
        assert own.issuperset(model.padded)

    def test_a_setting_that_changes_the_layout_changes_the_key(self, name: str) -> None:
        model, base = MODELS.load(name), complete({"model": name})
        inputs = SHAPES[model.input_ranks[-1]]
        other: dict[str, Value] = {
            "depth": 3,
            "blocks": 2,
            "cell": "lstm",
            "skip": "highway",
            "norm": "layer",
        }
        for option, value in other.items():
            changed = complete({**base, option: value})
            if param_slots(changed, inputs, 3) != param_slots(base, inputs, 3):
                assert key(changed) != key(base), option

    def test_it_has_slots_for_all_inputs_that_it_takes(self, name: str) -> None:
        for rank in MODELS.load(name).input_ranks:
            slots = param_slots(complete({"model": name}), SHAPES[rank], 5)
            assert [slot.shape[0] for slot in slots if slot.role == "output"] == [5], rank

    def test_members_of_one_key_fit_into_the_widest_one(self, name: str) -> None:
        model = MODELS.load(name)
        inputs = SHAPES[model.input_ranks[-1]]
        (width,) = model.padded
        members = [complete({"model": name, width: units}) for units in (3, 20, 64)]
        assert len(set(map(key, members))) == 1
        assert padded(members) == members[-1] == bucketed(members[0])
        widest = param_slots(padded(members), inputs, 3)
        for one in members:
            for mine, its in zip(param_slots(one, inputs, 3), widest, strict=True):
                assert (mine.name, mine.role) == (its.name, its.role)
                assert all(a <= b for a, b in zip(mine.shape, its.shape, strict=True))

    @pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
    def test_a_computation_has_room_for_one_member_at_least(self, name: str, device: str) -> None:
        model = MODELS.load(name)
        (width,) = model.padded
        depth = {"depth": 100} if "depth" in model.structure else {}
        huge = complete({"model": name, width: 4096, **depth})
        assert capacity(huge, SHAPES[model.input_ranks[-1]], 3, Device(device)) == 1


CUDA = Device("cuda")


class TestCapacity:
    @pytest.mark.parametrize(("channels", "most"), [(8, 4), (9, 1)])
    def test_convolutions_stack_on_a_cpu_only_while_they_are_narrow(
        self, channels: int, most: int
    ) -> None:
        settings = complete({"model": "resnet", "channels": channels})
        assert capacity(settings, InputShape((1, 8, 8)), 10, CPU) == most
        assert capacity(settings, InputShape((1, 8, 8)), 10, CUDA) == 64

    @pytest.mark.parametrize("model", ["mlp", "rnn"])
    def test_matrix_products_stack_until_they_are_many_or_large(self, model: str) -> None:
        small, large = (complete({"model": model, "width": width}) for width in (16, 1024))
        assert capacity(small, InputShape((6,)), 3, CPU) == 32
        assert capacity(small, InputShape((6,)), 3, Device("cuda:1")) == 256
        weights = size(param_slots(large, InputShape((6,)), 3))
        assert capacity(large, InputShape((6,)), 3, CPU) == max(1, 2_000_000 // weights)
        assert capacity(large, InputShape((6,)), 3, CUDA) == 200_000_000 // weights


class TestTables:
    SETTINGS = complete({"width": 16})

    def inputs(self, places: int) -> InputShape:
        return InputShape((6,), (EmbeddedFeature(2, places),))

    def test_a_table_is_a_slot_and_its_vectors_are_inputs_of_the_model(self) -> None:
        table, first, *_ = param_slots(self.SETTINGS, self.inputs(100), 3)
        assert table == ParamSlot("embedding0.weight", (100, 16), "embedding", positions=0)
        assert first.shape == (16, 5 + 16)

    def test_a_lookup_costs_nothing_and_a_step_moves_each_vector(self) -> None:
        few, many = (Cost.of(self.SETTINGS, self.inputs(n), 3, 640, 100) for n in (100, 1100))
        slots = param_slots(self.SETTINGS, self.inputs(100), 3)
        assert flops_forward(slots) == flops_forward(slots[1:])
        assert few.steps == many.steps == 10
        assert many.flops - few.flops == 50 * 1000 * 16 * few.steps

    @pytest.mark.parametrize("device", ["cpu", "cuda"])
    def test_large_tables_leave_room_for_fewer_members(self, device: str) -> None:
        rooms = [
            capacity(self.SETTINGS, self.inputs(n), 3, Device(device)) for n in (10_000, 1_000_000)
        ]
        assert rooms[1] < rooms[0] <= {"cpu": 2_000_000, "cuda": 200_000_000}[device] // 160_000

    def test_the_widest_layer_is_no_table(self) -> None:
        task = TrainingTask(self.inputs(1000), 3, 0)
        assert StackedCohort([Member(0, self.SETTINGS)], task, torch.empty(0)).widest == 16


def test_running_statistics_are_all_that_gets_no_gradient() -> None:
    slots = param_slots(complete({"norm": "batch"}), InputShape((6,)), 3)
    assert {slot.name.rpartition(".")[2] for slot in slots if slot.role in STATISTICS} == {
        "mean",
        "variance",
    }


def test_a_variational_regression_learns_a_log_scale_for_each_weight_and_its_noise() -> None:
    slots = param_slots(complete({"bayesian": "variational", "depth": 1}), InputShape((6,)), 1)
    assert [slot.name for slot in slots if slot.role in ("log_scale", "noise")] == [
        "hidden0.weight.log_scale",
        "output.weight.log_scale",
        "output.noise",
    ]
