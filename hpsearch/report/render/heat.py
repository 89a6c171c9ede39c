"""A colour for a number, on a scale of powers of ten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log10

# From little to much: matplotlib's viridis, whose steps look alike and which the colour-blind can
# tell apart.
PALETTE = (
    "#440154",
    "#472d7b",
    "#3b528b",
    "#2c728e",
    "#21918c",
    "#28ae80",
    "#5ec962",
    "#addc30",
    "#fde725",
)
BROKEN = "#d62728"
"""The colour of what is not a number."""
DARK = 5
"""How many colours of the palette, from the first on, are so dark that white is legible on them."""


@dataclass(frozen=True, slots=True)
class ColourScale:
    """A scale for the palette: the powers of ten at its ends."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> ColourScale:
        """Return the scale from the smallest to the largest value above 0: at least one decade."""
        powers = [log10(value) for value in values if value and isfinite(value)]
        high = max(powers, default=0.0)
        return cls(min(min(powers, default=0.0), high - 1), high)

    def level(self, value: float) -> int | None:
        """Return a value's position in the palette: 0 for 0, None for what is not a number."""
        if not isfinite(value):
            return None
        share = (log10(value) - self.low) / (self.high - self.low) if value > 0 else 0.0
        return round(min(1.0, max(0.0, share)) * (len(PALETTE) - 1))


def style(level: int | None) -> str:
    """Return the style of a cell at this level, as rich takes it."""
    if level is None:
        return f"white on {BROKEN}"
    return f"{'white' if level < DARK else 'black'} on {PALETTE[level]}"
