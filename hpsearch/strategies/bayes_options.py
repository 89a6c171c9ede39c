"""The keys of a Bayesian search, without what it computes with."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from hpsearch.registry import resolve
from hpsearch.strategies import SURROGATES, Context, StagedOptions, Strategy

_WAVE = 4
_LAG = 5  # trials that are not known when the next one is chosen, where each is run by itself


class BayesOptions(StagedOptions):
    """The keys of a Bayesian search: its surrogate, and whether it looks for the Pareto front."""

    rungs: ClassVar[int] = 3  # it tries fewer trials than a random search, for longer
    has_default_priors: ClassVar[bool] = True

    pareto: bool = Field(False, description="true or false")
    surrogate: Literal[tuple(SURROGATES)] = Field(  # type: ignore[valid-type]
        "gp", description=" or ".join(SURROGATES)
    )

    def build(self, context: Context) -> Strategy:
        """Return the strategy; only now what it computes with is imported."""
        strategy: Strategy = resolve("hpsearch.strategies.bayes:Bayes")(
            surrogate=self.surrogate,
            costs=context.costs,
            limit=context.limit,
            trials=context.budget,
            pareto=self.pareto,
        )
        return strategy

    @property
    def explained_by(self) -> str:
        """The surrogate that the search itself goes by."""
        return str(self.surrogate)

    def wave_size(self, context: Context) -> int:
        """Return the size of a wave: the largest where each wave is filled by what is worth it."""
        if not context.batched:
            return 1
        fills = context.limit is not None and context.costs is not None
        return self.default_wave if fills else _WAVE

    def wave_lag(self, context: Context) -> int:
        """Return the least that keeps four workers busy (decision 38)."""
        return 0 if context.batched else _LAG
