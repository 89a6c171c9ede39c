"""Ask and tell: a search whose trials are run by whoever asks for them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import Lock
from time import monotonic
from typing import Self
from warnings import warn

from hpsearch.config.schema import OPERATIONAL, own_options
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.objectives.function import Function
from hpsearch.objectives.running_trial import Returned, RunningTrial
from hpsearch.objectives.trial_folder import opened as opened_folder
from hpsearch.search.arguments import Question, Refusal, check_plan, folder_of, reporting_of
from hpsearch.search.found import Best, Evaluation, best, evaluations
from hpsearch.search.kept import opened
from hpsearch.search.loop import Journal, Memory, ask_wave
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params
from hpsearch.strategies import Limit
from hpsearch.study.files import temporary_folder
from hpsearch.study.folder import trial_folder
from hpsearch.study.record import Session
from hpsearch.study.store import Store
from hpsearch.study.trial import Failed, Result, Trial

_REFUSALS = (
    Refusal(OPERATIONAL, "says how hpsearch runs trials, and here you run them"),
    Refusal(frozenset({"lag"}), "is for waves that overlap, and here all is known that was told"),
)


class Study:
    """A search that suggests trials and is told what became of them.

    A folder keeps it: whoever opens that again goes on where it stands. Trials that were asked for
    and not told before are then suggested first. It is held until it is closed, and may be used by
    several threads.

    >>> import hpsearch
    >>> space = {"x": {"min": 0.0, "max": 1.0}}
    >>> with hpsearch.Study(space, strategy="grid", points=11) as study:
    ...     while trial := study.ask():
    ...         study.tell(trial, (trial.params["x"] - 0.3) ** 2)
    >>> study.best.params, len(study.trials)
    ({'x': 0.3}, 11)
    """

    def __init__(
        self,
        parameters: Mapping[str, object],
        folder: str | os.PathLike[str] | None = None,
        strategy: str = "bayes",
        budget: int | None = None,
        seed: int = 0,
        *,
        time: float | None = None,
        epochs: int = 1,
        maximize: str | None = None,
        minimize: str | None = None,
        constraints: Sequence[str] = (),
        **search: object,
    ) -> None:
        """Begin a search, or go on with one.

        Args:
            parameters: what a YAML has under `parameters:`; see `hpsearch.minimize`.
            folder: keeps all that is asked and told; None keeps nothing.
            strategy: the name of a strategy, such as bayes, random or grid.
            budget: trials in all, or whole trainings with halving; None sets no end.
            seed: the same seed asks the same questions where it is told the same in the same order.
            time: seconds of all trials; what is not expected to fit is not suggested.
            epochs: how long a whole training is; `halving=True` needs to know.
            maximize: the name of what counts, where more of it is better.
            minimize: the name of what counts; "loss" unless it is said.
            constraints: as in a YAML, such as `["width * depth <= 512"]`.
            **search: other keys of a YAML's `search:`. Trials are chosen one by one, or `wave` of
                them at a time.

        Raises:
            SpecError: parameters, constraints or keys are wrong.
            ConfigDiffers: the study was begun with others.
            StudyInUse: somebody else holds it.
        """
        kept_in = folder_of(folder, "folder")
        given = {"wave": 1, **search, "seed": seed}
        given |= {} if budget is None else {"budget": budget}
        given |= {} if time is None else {"time": time}
        self._reporting = reporting_of(epochs, maximize, minimize)
        question = Question.of(parameters, constraints, strategy, self._reporting, given)
        space, keys = question.space, question.keys(*_REFUSALS)
        objective = Function(_told, space, reporting=self._reporting, seed=keys.seed)
        plan = Plan(question.strategy, own_options(keys, question.strategy), keys, objective)
        check_plan(plan)
        if plan.halves and keys.budget is None:
            message = "halving counts whole trainings, and there is no budget of them"
            raise SpecError(Problem("E034", message, help="such as budget=20"))
        remarks = [*plan.remarks(keys.budget)]  # which may refuse the search
        limit = None if keys.time is None else Limit(keys.time)
        self._search = plan.search(keys.budget, limit)
        self._lock, self._began = Lock(), monotonic()
        self._running: dict[RunningTrial, tuple[Trial, float]] = {}
        self._suggested: set[int] = set()
        with ExitStack() as stack:
            self._folder = kept_in or stack.enter_context(temporary_folder())
            self._journal: Journal = Memory()
            if kept_in:
                kept = question.kept(self._search.wave, self._search.lag)
                self._journal = stack.enter_context(opened(kept_in, plan, keys.budget, kept))
            self._history = self._journal.history()
            for remark in remarks:
                warn(remark, stacklevel=2)
            self._held = stack.pop_all()
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the study go; what was asked and not told will be asked again."""
        with self._lock:
            if self._is_open and isinstance(self._journal, Store):
                self._journal.record_session(Session(monotonic() - self._began, EXIT_OK))
            self._is_open = False
            self._held.close()

    def ask(self) -> RunningTrial | None:
        """Return the next trial; None where there is none.

        What was asked and not told before the study was opened comes first. With halving, or where
        little time is left, there may be none before pending trials are told, and later there is
        one again.

        Raises:
            SpecError: the study is closed.
            CannotWrite, DiskFull: it cannot be written down, or have a folder.
        """
        with self._lock:
            self._check_open()
            left = (one for one in self._history.pending if one.number not in self._suggested)
            segment = next(left, None)
            if segment is None:
                wave = ask_wave(self._search, self._history)
                if not wave:
                    return None
                self._journal.record_wave(wave)
                self._history = self._history.with_trials(wave)
                segment = wave[0]
            return self._begun(segment)

    def _begun(self, segment: Trial) -> RunningTrial:
        """Return a trial that begins to run, with a folder of its own."""
        own = trial_folder(self._folder, segment.run)
        with opened_folder(own, is_first=not segment.start_epoch):
            pass
        trial = RunningTrial.of(segment, self._reporting, self._search.seed, own)
        self._running[trial] = segment, monotonic()
        self._suggested.add(segment.number)
        return trial

    def tell(self, trial: RunningTrial, loss: Returned = None, *, error: str | None = None) -> None:
        """Say what became of a trial; only the first time counts.

        Args:
            trial: what `ask` has returned.
            loss: as a function returns it to `hpsearch.minimize`: a loss, several numbers by their
                names, or either with the seconds that it took, which else are those since it was
                asked for. NaN has diverged. None stands for the last epoch that was reported.
            error: says that the trial has failed, and why; the text may be empty.

        Raises:
            SpecError: the trial is not of this study, or the study is closed.
            TypeError, ValueError: the loss is none, or there is neither a loss nor a report nor an
                error; the trial is still pending.
            CannotWrite, DiskFull: it cannot be written down.
        """
        with self._lock:
            self._check_open()
            if trial not in self._running:
                raise SpecError(Problem("E020", "this trial was not asked of this study"))
            if error is not None and loss is not None:
                raise SpecError(Problem("E020", "'loss' has no meaning beside 'error'"))
            segment, began = self._running[trial]
            if segment.number in self._history.results:
                return
            seconds = monotonic() - began
            result = _result(trial, loss, error, seconds)
            self._journal.record_results({segment.number: result})
            self._history = self._history.with_results({segment.number: result})

    @property
    def best(self) -> Best | None:
        """The point to take of those that were told; None where none has a loss."""
        with self._lock:
            return best(self._search, self._history)

    @property
    def trials(self) -> tuple[Evaluation, ...]:
        """All trials that were told, in the order in which they were asked for."""
        with self._lock:
            return evaluations(self._history)

    def _check_open(self) -> None:
        if not self._is_open:
            raise SpecError(Problem("E020", "the study is closed", help="open it again"))


def _result(trial: RunningTrial, loss: Returned, error: str | None, seconds: float) -> Result:
    """Return what was told.

    Raises:
        TypeError, ValueError: nothing was told, or the loss is none.
    """
    if error is not None:
        return Failed("error", error or "nobody has said why", seconds)
    result = trial.result(loss, seconds)
    if isinstance(result, Failed) and result.crashed:
        raise ValueError(
            f"trial {trial.number}: {result.message}; tell its loss, or report an epoch of it "
            "before, or tell error='...' where it has failed"
        )
    return result


def _told(params: Params) -> Returned:
    raise RuntimeError("the trials of this study are run by whoever asks for them")
