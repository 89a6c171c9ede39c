"""Training trials of a study again, in a folder of its own: nothing is written into the study."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from hpsearch.commands.basis import computed_by, moved_data, other_basis, planned_on, same_data
from hpsearch.commands.session import (
    RunOptions,
    ask_for_device,
    chosen_device,
    collect,
    final_test_work,
    plan_of,
    resources,
)
from hpsearch.config.spec import networks_of, spec_of
from hpsearch.errors import SpecError
from hpsearch.objectives import TestScore
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.networks import Networks
from hpsearch.report.board.progress import repetition, retried
from hpsearch.report.board.view import row_of
from hpsearch.runners import Runner, Work
from hpsearch.search.again import train_again
from hpsearch.search.loop import CohortRetried, Memory, WaveStarted
from hpsearch.search.plan import Plan
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.differences import Difference, differences
from hpsearch.study.files import temporary_folder
from hpsearch.study.history import History
from hpsearch.study.layout import check_semantics
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Notice, Trial

_SHOWN = 10  # differences


@dataclass(frozen=True, slots=True)
class Reopened:
    """A study's search with all that it takes to train.

    Attributes:
        study: what it keeps.
        plan: how it searches, on its data.
        networks: what it searches.
        options: what is said meanwhile.
        runner: where it trains, with the study's own threads and device.
        artefacts: what trainings leave.
        others: what computes otherwise than where the study was begun, in words; or nothing.
    """

    study: StudyRecord
    plan: Plan
    networks: Networks
    options: RunOptions
    runner: Runner
    artefacts: Artefacts
    others: str

    def train(self, runs: Collection[int]) -> tuple[History, tuple[Difference, ...]]:
        """Train runs again in the company that they had; return what came, and what differs."""
        journal, kept = Memory(), self.study.history
        search = self.plan.search(self.study.meta.budget)
        for event in train_again(search, kept, runs, self.runner, journal):
            match event:
                case WaveStarted(trials):
                    self.options.note(_training(trials))
                case CohortRetried():
                    self.options.note(retried(event))
                case Notice(text):
                    self.options.note(text)
        numbers = [trial.number for trial in journal.known.trials if trial.run in runs]
        pairs = [(n, kept.results[n], journal.known.results[n]) for n in numbers]
        differing = [differences(*pair, with_weights=not self.others) for pair in pairs]
        return journal.known, (*chain(*differing),)

    def tested(self, number: int) -> str:
        """Return the digest of the weights with which a trial was tested, trained again."""
        work = final_test_work(self.plan, self.study, row_of(self.study, number))
        assert work is not None, "it was tested before"
        return next(str(one.weights) for one in self.do(work) if isinstance(one, TestScore))

    def do(self, work: Work) -> Sequence[Any]:
        """Return all events of a piece of work."""
        self.runner.submit(work)
        return collect(self.runner, work)


@contextmanager
def reopened(
    study: StudyRecord, command: str, data: str | None, quiet: bool, no_color: bool
) -> Iterator[Reopened]:
    """Give a study's search, ready to train, in a folder that is gone afterwards.

    Args:
        study: what the study keeps.
        command: the one that trains, for messages.
        data: where the data are, if they have moved.
        quiet: whether nothing is said meanwhile.
        no_color: whether there are no colours.

    Raises:
        ConfigDiffers: the data are others, or the study's version trained otherwise.
        DataGone: the data are not there.
        SpecError: they are not where `data` says.
    """
    meta = study.meta
    check_semantics(meta)
    moved = moved_data(data)
    spec = networks_of(spec_of(meta, *moved), command)
    used = resources(1, meta.threads, spec.search.memory, spec.runner, meta.device)
    options = RunOptions(used, spec.runner, meta.device, False, quiet, no_color, time.monotonic())
    with temporary_folder() as folder:
        artefacts = Artefacts(folder)
        with options.build(artefacts) as runner:
            work = ask_for_device(runner, options)
            same = same_data(spec, meta, command, bool(moved))
            try:
                device = chosen_device(runner, work)
            except SpecError:  # the study's is not here
                work = ask_for_device(runner, replace(options, device="auto"))
                device = chosen_device(runner, work)
            others = other_basis(meta, device.name, computed_by(device.processor))
            with stored_data(same, artefacts) as (same, held):
                networks = Networks(spec).on(same, held, planned_on(meta, device), meta.threads)
                plan = plan_of(meta.strategy, spec, networks)
                yield Reopened(study, plan, networks, options, runner, artefacts, others)


def described(differing: Sequence[Difference]) -> list[str]:
    """Return differences in words, the first ones of many."""
    more = len(differing) - _SHOWN
    return [*map(str, differing[:_SHOWN]), *([f"and {more} more differences"] if more > 0 else [])]


def _training(trials: Sequence[Trial]) -> str:
    """Return which trials are being trained, and how far."""
    names = [f"{trial.run}{repetition(trial)}" for trial in trials]
    until = trials[0].until_epoch
    end = "" if until is None else f" up to epoch {until}"
    return f"training again{end}: trial{'s' * (len(names) > 1)} {', '.join(names)}"
