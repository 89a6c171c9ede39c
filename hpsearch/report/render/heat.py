"""A colour for a number, on a scale of powers of ten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log10

# From little to much, alike to the eye in their steps and told apart by the colour-blind (matplotlib's viridis).
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
BROKEN = "#d62728"  # what is not a number
DARK = 5  # of the palette, those on which white is legible


@dataclass(frozen=True, slots=True)
class Scale:
    """The powers of ten at the ends of the palette."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Scale:
        """From the smallest to the largest of the values above 0: at least a decade."""
        powers = [log10(value) for value in values if value and isfinite(value)]
        high = max(powers, default=0.0)
        return cls(min(min(powers, default=0.0), high - 1), high)

    def level(self, value: float) -> int | None:
        """The place in the palette; the first for 0, None for what is not a number."""
        if not isfinite(value):
            return None
        share = (log10(value) - self.low) / (self.high - self.low) if value > 0 else 0.0
        return round(min(1.0, max(0.0, share)) * (len(PALETTE) - 1))


def style(level: int | None) -> str:
    """As rich takes it."""
    if level is None:
        return f"white on {BROKEN}"
    return f"{'white' if level < DARK else 'black'} on {PALETTE[level]}"
