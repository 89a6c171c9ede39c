"""What a search finds out before its study begins: data and a device, or what is to be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from hpsearch.commands.basis import computed_by, planned_on
from hpsearch.commands.session import RunOptions, ask_for_device, chosen_device
from hpsearch.config.spec import NetworkSpec
from hpsearch.data import Dataset
from hpsearch.data.notes import announcement
from hpsearch.objectives import Objective
from hpsearch.objectives.command import Command
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.function import Function
from hpsearch.objectives.networks import Networks
from hpsearch.objectives.trainers import FunctionSpec
from hpsearch.runners import Runner
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.layout import StudyMeta
from hpsearch.text import shell_word


@dataclass(frozen=True, slots=True)
class Prepared:
    """An objective, and what its results rest on.

    Attributes:
        objective: what is searched.
        device: where networks train; empty where a trainer of one's own decides that.
        computes: what computes, as a study keeps it.
        device_memory: the bytes by which arrays are planned; None where nothing sets them a limit.
        rests_on: what else the results rest on, as a study keeps it beside what the objective says.
        remarks: what a person is told before a first search.
        data: what networks are trained on; None of a trainer of one's own.
    """

    objective: Objective
    device: str
    computes: Mapping[str, str]
    device_memory: int | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    data: Dataset | None = None

    @contextmanager
    def in_study(self, artefacts: Artefacts) -> Iterator[tuple[Objective, Sequence[str]]]:
        """Give the objective with all that workers need, and the digests of what is held for it."""
        if self.data is None or not isinstance(self.objective, Networks):
            yield self.objective, []
            return
        with stored_data(self.data, artefacts) as (data, held):
            yield replace(self.objective, data=data, held=held), [held.digest]


def prepared(
    objective: Objective,
    options: RunOptions,
    runner: Runner,
    read: Callable[[NetworkSpec], Dataset],
    begun: StudyMeta | None = None,
) -> Prepared:
    """Return an objective with what it takes to search it.

    Args:
        objective: as its config describes it.
        options: how the search is run.
        runner: has been started. Of a trainer of one's own it is asked for nothing.
        read: reads the data of networks.
        begun: the study that goes on, by whose memory arrays are planned; None of a new one.

    Raises:
        SpecError: the device is not there, or the data do not suit the networks.
    """
    if not isinstance(objective, Networks):
        return Prepared(objective, "", computed_by(), rests_on=_template(objective))
    work = ask_for_device(runner, options)
    data = read(objective.spec)
    found = chosen_device(runner, work)
    device = found if begun is None else planned_on(begun, found)
    networks = objective.on(data, None, device, options.resources.threads)
    remarks = [*networks.remarks(), *announcement(data)]
    computes = computed_by(device.processor)
    return Prepared(networks, device.name, computes, device.memory, remarks=remarks, data=data)


def what_runs(objective: Objective) -> Sequence[str]:
    """Return what a trainer of one's own runs, in words; nothing of networks."""
    match objective:
        case Command(spec):
            words = " ".join(map(shell_word, spec.words))
            return [f"each trial runs in {spec.folder}:  {words}"]
        case Function(FunctionSpec() as spec):
            return [f"each trial calls {spec.target} in {spec.folder}"]
    return []


def _template(objective: Objective) -> Mapping[str, str]:
    """Return the digest of a command's template, by which a study knows it."""
    if not isinstance(objective, Command) or objective.spec.template is None:
        return {}
    return {"template": sha256(objective.spec.template.encode()).hexdigest()}
