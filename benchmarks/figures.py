"""Figures: what was measured, its median and spread, and how it compares with the script's."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Comparison = Literal["ratio", "difference", "value"]
Unit = Literal["s", "ms", "%", "MiB", "MiB/h", "bytes"]


@dataclass(frozen=True)
class Spread:
    """A median, and the lowest and highest of what it was taken from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of the values. Raises ValueError when there are none."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Series:
    """One thing that was measured several times: `what` of the `row`, in its unit.

    `script` has the script's figures, pair by pair; it is empty where the script has nothing like it.
    """

    row: str
    what: str
    unit: Unit
    ours: tuple[float, ...]
    script: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.script and len(self.script) != len(self.ours):
            raise ValueError(
                f"{self.row}, {self.what}: {len(self.ours)} of ours, {len(self.script)} of the script's"
            )

    def compared(self, by: Comparison) -> Spread:
        """Return the spread of the ratios or differences of the pairs, or of our own values.

        Each pair is compared by itself: what slows the machine down slows both down.
        """
        if by == "value":
            return Spread.of(self.ours)
        pairs = list(zip(self.ours, self.script, strict=True))
        if by == "ratio":
            return Spread.of([ours / script for ours, script in pairs])
        return Spread.of([ours - script for ours, script in pairs])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much y grows with each x, by least squares. Raises ValueError where x never changes."""
    try:
        return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope
    except statistics.StatisticsError as error:
        raise ValueError(f"no slope through {points}: {error}") from None
