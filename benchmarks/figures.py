"""What is made of measured seconds: medians, spreads, ratios, and whether a bound holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Series:
    """The values of one measurement, one for each pair, in the order in which they were taken."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median of the values."""
        return median(self.values)


@dataclass(frozen=True)
class Row:
    """A line of the table: ours, the plain script's where there is one, and the bound that must hold.

    Bounds are for the ratio of the medians where the script was measured, else for the seconds themselves.
    """

    name: str
    ours: Series
    script: Series | None = None
    must: float | None = None
    aim: float | None = None
    margin: bool = False  # the bound is for the difference in seconds instead of the ratio

    @property
    def value(self) -> float:
        """Return what the bounds are for."""
        if self.script is None:
            return self.ours.median
        if self.margin:
            return self.ours.median - self.script.median
        return self.ours.median / self.script.median

    @property
    def holds(self) -> bool:
        """Return True unless the row misses what it must reach."""
        return self.must is None or self.value <= self.must

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values; seconds are rounded to hundredths."""
        return {
            "row": self.name,
            "ours": [round(value, 2) for value in self.ours.values],
            "script": None if self.script is None else [round(value, 2) for value in self.script.values],
            "value": round(self.value, 2),
            "unit": self.unit,
            "must": self.must,
            "aim": self.aim,
            "holds": self.holds,
        }

    @property
    def unit(self) -> str:
        """Return what `value`, `must` and `aim` count."""
        if self.script is None:
            return "s"
        return "s more" if self.margin else "x"


def series(values: Sequence[float]) -> Series:
    """Return a series of at least one value. Raises ValueError for none."""
    if not values:
        raise ValueError("a series needs at least one value")
    return Series(tuple(values))


def tool_seconds(
    metadata: Mapping[str, Mapping[str, Any]], stages: Mapping[str, Sequence[str]], *, parallel: str
) -> float:
    """Return the longest chain of seconds that tools took, from each node's `seconds/STAGE` metadata.

    `stages` are the stages of each node in which a tool works. Nodes whose name begins with `parallel` ran at
    the same time, so that the longest of them counts.
    """
    spent = {
        node: sum(float(metadata[node].get(f"seconds/{stage}", 0.0)) for stage in names)
        for node, names in stages.items()
    }
    beside = [seconds for node, seconds in spent.items() if node.startswith(parallel)]
    return sum(spent.values()) - sum(beside) + max(beside, default=0.0)
