"""What every model of the engine promises: outputs, gradients, known costs, and no interference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hpsearch.data.shape import EmbeddedFeature, InputShape
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.models import MODELS, param_slots
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.structure.slots import STATISTICS
from hpsearch.space.parameters import Value
from hpsearch.testing import Check, bound

_OUTPUTS, _ROWS = 3, 12
_SHAPES = {1: InputShape((6,)), 3: InputShape((1, 8, 8))}
_EMBEDDED = InputShape((3,), (EmbeddedFeature(1, 4),))
_WIDTHS = (5, 8)
_STEPS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """A model by its name, and the shape of the inputs that it is to take."""

    model: str
    inputs: InputShape


def member(model: str, number: int) -> Member:
    """Return a small member of this model; two members differ in their widths and rates."""
    record, width = MODELS.load(model), _WIDTHS[number % len(_WIDTHS)]
    widths: dict[str, Value] = dict.fromkeys(record.padded, width)
    given: dict[str, Value] = {"model": model, "batch_size": _ROWS, "lr": 0.01 + 0.01 * number}
    return Member(number, complete({**given, **widths}))


def cohort(case: Case, members: int, dtype: torch.dtype = torch.float64) -> StackedCohort:
    """Return so many members, stacked."""
    chosen = [member(case.model, number) for number in range(members)]
    task = TrainingTask(case.inputs, _OUTPUTS, seed=0, rows=_ROWS)
    return StackedCohort(chosen, task, torch.empty(0, dtype=dtype))


def rows(case: Case) -> tuple[Tensor, Tensor]:
    """Return a batch of inputs, and the classes that they are of."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((_ROWS, *case.inputs.sides), generator=generator, dtype=torch.float64)
    for feature in case.inputs.embedded:
        x[:, feature.position] = torch.arange(_ROWS) % feature.places
    return x, torch.arange(_ROWS) % _OUTPUTS


def learn(stacked: StackedCohort, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """Take steps down the cross-entropy of each member; return its losses [steps, K]."""
    losses = []
    for _ in range(steps):
        outputs = stacked.outputs(x)
        probabilities = outputs.detach().softmax(2)
        right = probabilities[:, torch.arange(_ROWS), y]
        losses.append(-right.log().mean(1))
        wanted = torch.nn.functional.one_hot(y, _OUTPUTS)
        stacked.step(outputs, (probabilities - wanted) / _ROWS)
    return torch.stack(losses)


def its_slots_have_names_of_their_own(case: Case) -> None:
    """Each weight has a name and a shape, and one of them is the output's."""
    slots = param_slots(member(case.model, 0).settings, case.inputs, _OUTPUTS)
    assert len({slot.name for slot in slots}) == len(slots)
    assert all(side > 0 for slot in slots for side in slot.shape)
    assert [slot.shape[0] for slot in slots if slot.role == "output"] == [_OUTPUTS]


def its_cost_is_known(case: Case) -> None:
    """FLOPs and steps are known before a training."""
    cost = Cost.of(member(case.model, 0).settings, case.inputs, _OUTPUTS, 100, 20)
    assert cost.flops > 0
    assert cost.steps > 0


def it_answers_for_each_member_and_row(case: Case) -> None:
    """Outputs are [K, B, outputs], for a batch that members share and for one of each."""
    stacked = cohort(case, 2)
    x, _ = rows(case)
    with torch.no_grad():
        shared = stacked.outputs(x)
        each = stacked.outputs(torch.stack([x, x]))
    assert shared.shape == each.shape == (2, _ROWS, _OUTPUTS)
    assert torch.allclose(shared, each)


def each_weight_learns(case: Case) -> None:
    """After some steps no weight is what it was."""
    stacked = cohort(case, 1)
    before = [view.clone() for view in stacked.weights.views]
    learn(stacked, *rows(case), _STEPS)
    for slot, old, new in zip(stacked.layout, before, stacked.weights.views, strict=True):
        assert slot.role in STATISTICS or not torch.equal(old, new), slot.name


def its_loss_falls(case: Case) -> None:
    """Each member fits a few rows better and better."""
    losses = learn(cohort(case, 2), *rows(case), _STEPS)
    assert (losses[-1] < 0.8 * losses[0]).all()


def a_member_learns_alone_what_it_learns_in_company(case: Case) -> None:
    """Padding and company change nothing but roundings."""
    x, y = rows(case)
    together = learn(cohort(case, 2), x, y, _STEPS)
    alone = learn(cohort(case, 1), x, y, _STEPS)
    torch.testing.assert_close(together[:, 0], alone[:, 0], rtol=0.0, atol=1e-9)


_PROMISES = (
    its_slots_have_names_of_their_own,
    its_cost_is_known,
    it_answers_for_each_member_and_row,
    each_weight_learns,
    its_loss_falls,
    a_member_learns_alone_what_it_learns_in_company,
)


def checks(model: str) -> list[Check[Case]]:
    """Return the checks of a model, by its name in the table `MODELS`.

    One that takes rows of a table is given some with categories that are embedded, too.
    """
    rank = MODELS.load(model).input_ranks[0]
    found = bound(_PROMISES, Case(model, _SHAPES[rank]))
    if rank == 1:
        embedded = bound(_PROMISES, Case(model, _EMBEDDED))
        found += [replace(check, name=f"{check}_with_embedded_categories") for check in embedded]
    return found
