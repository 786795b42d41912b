"""Figures from the row that benchmarks.growth prints."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import bounds
from benchmarks.idle import PUSHED, series

FOUND: dict[str, Any] = {
    "cpu_ms_per_tick": 12.5,
    "cpu_percent": 20.0,
    "rss_mib": {"daemon": 150, "code": 250},
    "written_mib_per_hour": 30.0,
    "home_mib_per_hour": 3.0,
    "cursor_bytes": 4000,
    "longest_gap_seconds": 6.0,
    "seen_seconds": [],
    "started_seconds": [],
}


def test_idle_figures_carry_their_size() -> None:
    found = {one.what: one for one in series(10, 1_000, FOUND)}
    assert {one.row for one in found.values()} == {"10 projects, 1000 tags"}
    assert found[bounds.MEMORY].ours == (400.0,)
    assert found[bounds.TICK].unit == "ms"
    assert bounds.GAP not in found


def test_pushed_tags_are_judged_by_the_last_of_them() -> None:
    seen = [float(number) for number in range(PUSHED)]
    started = [10.0 + number for number in range(PUSHED)]
    found = {
        one.what: one for one in series(50, 2_000, FOUND | {"seen_seconds": seen, "started_seconds": started})
    }
    assert found[bounds.GAP].row == bounds.GOAL
    assert found[bounds.GAP].ours == (19.0,)
    assert found[bounds.LAUNCHES].ours == (19.0,)


def test_a_tag_that_nobody_saw_is_no_figure() -> None:
    with pytest.raises(ValueError, match="19 of 20 pushed tags have no run"):
        list(series(50, 2_000, FOUND | {"seen_seconds": [1.0], "started_seconds": [2.0]}))
