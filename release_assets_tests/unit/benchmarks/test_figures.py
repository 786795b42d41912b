"""Medians, spreads, ratios of pairs, and slopes."""

from __future__ import annotations

import pytest

from benchmarks.figures import Series, Spread, slope


def test_a_spread_has_median_lowest_and_highest() -> None:
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(3.0, 1.0, 5.0)


def test_nothing_measured_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


def test_ratios_are_those_of_the_pairs() -> None:
    """A machine that was slow for one pair slows both sides down, and changes no ratio."""
    series = Series("small", "seconds", "s", ours=(20.0, 60.0, 22.0), script=(10.0, 30.0, 20.0))
    assert series.compared("ratio") == Spread(2.0, 1.1, 2.0)
    assert series.compared("difference") == Spread(10.0, 2.0, 30.0)
    assert series.compared("value") == Spread(22.0, 20.0, 60.0)


def test_a_pair_that_lacks_a_side_is_refused() -> None:
    with pytest.raises(ValueError, match="small, seconds: 2 of ours, 1 of the script's"):
        Series("small", "seconds", "s", ours=(1.0, 2.0), script=(1.0,))


def test_a_slope_is_how_much_y_grows_with_x() -> None:
    assert slope([(0.0, 1.0), (10.0, 21.0), (20.0, 41.0)]) == pytest.approx(2.0)


def test_there_is_no_slope_where_nothing_grows() -> None:
    with pytest.raises(ValueError, match="no slope"):
        slope([(3.0, 1.0), (3.0, 2.0)])
