"""What a search trains and judges: what every objective is, and the table of objectives.

The loop, the store and the reports know nothing of networks; whatever they need, they ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hpsearch.registry import Registry
from hpsearch.runners import Work
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.study.trial import Cohort, Done, Interval, Trial

if TYPE_CHECKING:  # workers import this module, and do without what reads a YAML
    from hpsearch.config.schema import SearchKeys
    from hpsearch.strategies import CohortRule, CostModel, StrategyOptions
    from hpsearch.study.history import History
    from hpsearch.study.layout import StudyMeta


@dataclass(frozen=True, slots=True)
class ObjectiveInfo:
    """What a study keeps of its objective.

    Attributes:
        metric: the name of what is measured beside the loss; None where nothing is.
        has_cost: whether FLOPs and steps are counted; else a trial is paid in what it has reported
            as its cost, or in seconds (`History.price`).
        baseline_loss: the loss of a prediction that looks at nothing; None where there is none.
        baseline_metric: its metric.
        data: what is trained on, with its digest; written as JSON.
    """

    metric: str | None = None
    has_cost: bool = False
    baseline_loss: float | None = None
    baseline_metric: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class Objective(Protocol):
    """What a search trains and judges.

    >>> from hpsearch.objectives.function import Function
    >>> from hpsearch.space.parameters import Real
    >>> bowl = Function(lambda params: params["x"] ** 2, Space({"x": Real(-1.0, 1.0)}))
    >>> bowl.settings({"x": 0.5}), bowl.describe().has_cost
    ({'x': 0.5}, False)
    """

    @property
    def space(self) -> Space:
        """What may be searched."""

    @property
    def fixed(self) -> Params:
        """The settings that all trials have in common."""

    def settings(self, params: Params) -> Params:
        """Return all settings of a trial: searched, fixed and default ones."""

    def default(self) -> Params | None:
        """Return the params of the trial beside which others are seen; None where there is none."""

    def presets(self) -> Sequence[Params]:
        """Return what a manual search runs where nobody has picked anything."""

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return values near which good trials are likely; none for what nothing is known of."""

    def epochs(self, params: Params) -> int:
        """Return the epochs of a whole training at most; 1 where there are none."""

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return which trials of a wave are run together, as lists of positions in it."""

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return what a runner does to run a cohort; it gives a `TrialEnded` for each trial."""

    def costs(self) -> CostModel | None:
        """Return what trials cost before they run; None where nobody knows."""

    def cohort_rule(self) -> CohortRule | None:
        """Return which trials could be run together; None where none are."""

    def kept(self, history: History) -> Collection[str]:
        """Return the digests of the artefacts that are still needed: a function of the history."""

    def describe(self) -> ObjectiveInfo:
        """Return what a study keeps of it."""

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return the work that judges the winner on data that no trial has seen, or None.

        It gives one `TestScore`.
        """


@dataclass(frozen=True, slots=True)
class TestScore:
    """What the winner is worth on the test split, and the digest of the weights it had there.

    The intervals are None where the rows do not give one.
    """

    __test__ = False  # pytest takes classes of such names for tests

    loss: float
    metric: float
    weights: str | None = None
    loss_interval: Interval | None = None
    metric_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class StoredSearch:
    """What a study keeps of a search: enough to look at its trials, and to say how it was searched.

    Attributes:
        objective: what was trained and judged.
        keys: the keys of `search:` that every strategy has.
        options: those that its strategy has of its own.
        picked: the settings that a person had picked.
    """

    objective: Objective
    keys: SearchKeys
    options: StrategyOptions
    picked: tuple[Params, ...] = ()


OBJECTIVES: Registry[Callable[[StudyMeta], StoredSearch]] = Registry(
    "objective",
    {
        "networks": "hpsearch.objectives.networks:of_study",
        "function": "hpsearch.objectives.function:of_study",
        "command": "hpsearch.objectives.from_config:of_study",
        "module": "hpsearch.objectives.from_config:of_study",
    },
)
"""Each entry reads again, from what a study keeps, what was searched and how."""
