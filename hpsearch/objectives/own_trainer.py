"""What every trainer of one's own answers alike: nothing is known of it but what it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from hpsearch.objectives.reports import Reporting
from hpsearch.runners import Work
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params
from hpsearch.strategies import CohortRule, CostModel
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial


class OwnTrainer(ABC):
    """The part of an objective that programs and functions share."""

    __slots__ = ()

    @property
    @abstractmethod
    def reporting(self) -> Reporting:
        """How what it reports is understood."""

    @property
    def fixed(self) -> Params:
        """No params: it has no settings beside those that are searched."""
        return {}

    def settings(self, params: Params) -> Params:
        """Return the params: nothing is fixed beside them."""
        return params

    def default(self) -> Params | None:
        """Return None: there are no default settings."""
        return None

    def presets(self) -> Sequence[Params]:
        """Return nothing."""
        return ()

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return nothing."""
        return {}

    def epochs(self, params: Params) -> int:
        """Return how long a person says that a whole training is; else 1."""
        return self.reporting.epochs

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return each trial by itself."""
        return [[position] for position in range(len(trials))]

    def costs(self) -> CostModel | None:
        """Return None: nobody knows what a call will take."""
        return None

    def cohort_rule(self) -> CohortRule | None:
        """Return None: calls are made one by one."""
        return None

    def kept(self, history: History) -> Collection[str]:
        """Return nothing: what calls leave lies in the folders of their trials."""
        return ()

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return None: which rows are held back is the trainer's affair."""
        return None
