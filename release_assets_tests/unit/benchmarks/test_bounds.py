"""Bounds: the figures that have one, and when it is missed."""

from __future__ import annotations

import pytest

from benchmarks import bounds
from benchmarks.bounds import Bound, Judged, bound_of, judge
from benchmarks.figures import Series


def released(what: str, ours: float, script: float | None = None, row: str = "small") -> Judged:
    series = Series(row, what, "s", (ours,) * 3, () if script is None else (script,) * 3)
    (judged,) = judge([series])
    return judged


@pytest.mark.parametrize(
    ("what", "ours", "script", "is_missed", "is_aim"),
    [
        (bounds.LAST_TAG, 131.0, 100.0, True, False),
        (bounds.LAST_TAG, 129.0, 100.0, False, False),
        (bounds.LAST_TAG, 99.0, 100.0, False, True),
        (bounds.OWN_SECONDS, 101.0, 100.0, True, False),
        (bounds.OWN_SECONDS, 79.0, 100.0, False, True),
        (bounds.ADDED_DOCKER, 5.1, None, True, False),
        (bounds.ADDED_RELEASE, 2.9, None, False, True),
        (bounds.CHECKS_QEMU, 4.1, None, True, False),
    ],
)
def test_a_bound_is_missed_above_it(
    what: str, ours: float, script: float | None, is_missed: bool, is_aim: bool
) -> None:
    judged = released(what, ours, script)
    assert (judged.is_missed, judged.is_aim) == (is_missed, is_aim)


def test_a_rebuild_may_cost_seconds_whatever_buildx_takes() -> None:
    assert not released(bounds.REBUILD, 107.0, 100.0, row="unchanged").is_missed
    assert released(bounds.REBUILD, 9.0, 0.5, row="unchanged").is_missed


def test_checks_are_bounded_for_the_image_of_88_mb_only() -> None:
    assert released(bounds.CHECKS_NATIVE, 1.6).is_missed
    assert released(bounds.CHECKS_NATIVE, 1.6, row="large-code").bound is None


def test_what_has_no_bound_is_shown_and_never_missed() -> None:
    judged = released(bounds.TAG_STARTED, 1000.0)
    assert judged.bound is None
    assert not judged.is_missed


def test_the_median_decides_not_one_slow_pair() -> None:
    series = Series("small", bounds.LAST_TAG, "s", ours=(10.0, 10.0, 50.0), script=(10.0, 10.0, 10.0))
    (judged,) = judge([series])
    assert not judged.is_missed
    assert judged.figure.high == 5.0


def test_a_bound_without_rows_holds_for_every_row() -> None:
    everywhere = [Bound("seconds", "value", must=1.0)]
    assert bound_of(Series("small", "seconds", "s", (1.0,)), everywhere) is everywhere[0]
    assert bound_of(Series("large-code", "seconds", "s", (1.0,)), everywhere) is everywhere[0]
