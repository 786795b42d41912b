"""Slopes: what grows by how much, from the rows of different sizes."""

from __future__ import annotations

import pytest

from benchmarks import bounds, idle, startup, ui
from benchmarks.figures import Series, Unit
from benchmarks.result import Result
from benchmarks.sizes import sizes


def growth(*series: tuple[str, str, Unit, float]) -> dict[tuple[str, str], float]:
    found = tuple(Series(row, what, unit, (value,)) for row, what, unit, value in series)
    measured = Result("", "", "", 0, {}, found)
    return {(size.what, size.with_each): size.growth for size in sizes(measured)}


def test_layers_cost_seconds_by_their_size() -> None:
    found = growth(
        ("small", bounds.IMAGE_BYTES, "bytes", 30e6),
        ("small", bounds.OWN_SECONDS, "s", 20.0),
        ("large-code", bounds.IMAGE_BYTES, "bytes", 1_030e6),
        ("large-code", bounds.OWN_SECONDS, "s", 23.0),
    )
    assert found[bounds.OWN_SECONDS, "GB of cached layers"] == pytest.approx(3.0)


def test_tags_and_projects_are_told_apart() -> None:
    rows = {(1, 10): 300.0, (1, 1_000): 301.0, (1, 10_000): 310.0, (10, 1_000): 310.0, (50, 1_000): 350.0}
    found = growth(*((idle.row_name(*size), bounds.MEMORY, "MiB", value) for size, value in rows.items()))
    assert found[bounds.MEMORY, "1,000 tags of a project"] == pytest.approx(1.0, rel=0.01)
    assert found[bounds.MEMORY, "project"] == pytest.approx(1.0, rel=0.01)


def test_pages_grow_with_the_recorded_releases() -> None:
    found = growth(*((ui.row_name(n), "list of runs", "ms", 100.0 + n / 10) for n in ui.RELEASES))
    assert found["list of runs", "1,000 recorded releases"] == pytest.approx(100.0)


def test_loading_grows_with_the_projects() -> None:
    found = growth(*((startup.row_name(n), bounds.LOAD, "s", 1.0 + n / 50) for n in startup.PROJECTS))
    assert found[bounds.LOAD, "project"] == pytest.approx(0.02)


def test_one_size_has_no_slope() -> None:
    assert growth((idle.row_name(1, 10), bounds.MEMORY, "MiB", 300.0)) == {}
