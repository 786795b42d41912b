"""The table: a line for each figure, with its median, spread, bound, and whether the bound is kept."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from benchmarks.bounds import Bound, Judged
from benchmarks.figures import Spread, Unit


def table(judged: Iterable[Judged]) -> Table:
    """Return the table for a terminal."""
    shown = Table(box=None, title_justify="left")
    shown.add_column("row")
    shown.add_column("what")
    for name in ("ours", "script", "compared", "must", "aim"):
        shown.add_column(name, justify="right")
    shown.add_column("")
    before = None
    for line in judged:
        cells = list(cells_of(line))
        style = {"missed": "bold red", "aim": "green"}.get(cells[-1], "")
        shown.add_row("" if cells[0] == before else cells[0], *cells[1:], style=style)
        before = cells[0]
    return shown


def cells_of(line: Judged) -> tuple[str, str, str, str, str, str, str, str]:
    """Return a line's cells: row, what, ours, script, compared, must, aim, and how the bound is kept."""
    series, bound = line.series, line.bound
    by = bound.by if bound else "ratio" if series.script else "value"
    compared = "" if by == "value" else spread(line.figure, "" if by == "ratio" else series.unit, sign=by)
    return (
        series.row,
        series.what,
        spread(Spread.of(series.ours), series.unit),
        spread(Spread.of(series.script), series.unit) if series.script else "",
        compared,
        _bound(bound, series.unit, bound.must if bound else None),
        _bound(bound, series.unit, bound.aim if bound else None),
        "" if bound is None else "missed" if line.is_missed else "aim" if line.is_aim else "kept",
    )


def spread(figure: Spread, unit: str, *, sign: str = "value") -> str:
    """Return a median with its spread: `21.4 s (20.1 to 23.0)`, `0.96x (0.92 to 1.10)`, `+4.2 s (…)`."""
    median, low, high = (number(value, unit, sign) for value in (figure.median, figure.low, figure.high))
    if sign == "ratio":
        median += "x"
    elif sign == "difference" and figure.median >= 0:
        median = f"+{median}"
    head = f"{median} {unit}".rstrip()
    return head if low == high else f"{head} ({low} to {high})"


def number(value: float, unit: Unit | str, sign: str = "value") -> str:
    """Return a figure with as many digits as it deserves."""
    if sign == "ratio":
        return f"{value:.2f}"
    if unit == "bytes":
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def _bound(bound: Bound | None, unit: Unit, value: float | None) -> str:
    if bound is None or value is None:
        return ""
    if bound.by == "ratio":
        return f"≤ {value:g}x"
    return f"≤ {'+' if bound.by == 'difference' else ''}{value:g} {unit}"
