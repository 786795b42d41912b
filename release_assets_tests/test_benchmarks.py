"""The pure parts of the benchmark: ratios, bounds, tool seconds, and the table in the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.figures import Row, series, tool_seconds


def test_a_ratio_is_of_the_medians() -> None:
    row = Row("small", series([10, 30, 20]), series([10, 10, 100]), must=1.3)
    assert row.value == 2.0
    assert not row.holds


def test_a_margin_is_the_difference_of_the_medians() -> None:
    row = Row("rebuild", series([18.0]), series([11.0]), must=8.0, margin=True)
    assert row.value == 7.0
    assert row.holds


def test_seconds_alone_have_their_own_bound() -> None:
    assert Row("added", series([4.0, 6.0]), must=5.0).holds
    assert not Row("added", series([5.1]), must=5.0).holds


def test_a_series_without_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        series([])


def test_of_parallel_nodes_the_longest_counts() -> None:
    metadata = {
        "image_a": {"seconds/build": 2.0, "seconds/observe": 9.0},
        "image_b": {"seconds/build": 5.0},
        "manifest": {"seconds/push": 1.0},
    }
    stages = {"image_a": ["build"], "image_b": ["build", "push"], "manifest": ["push"]}
    assert tool_seconds(metadata, stages, parallel="image_") == 6.0


def test_the_document_gets_the_measured_table(tmp_path: Path) -> None:
    measured, document = tmp_path / "performance.json", tmp_path / "performance.md"
    rows = [Row("small", series([20.0, 22.0]), series([20.0, 20.0]), 1.3, 1.0).as_json()]
    report.write_json(measured, rows, command="make bench")
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.update_document(document, measured)
    text = document.read_text()
    assert "| small | 21.0 (20.0 to 22.0) | 20.0 (20.0 to 20.0) | 1.05 x | ≤ 1.3 x | ≤ 1 x | ✓ |" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


def test_rows_that_were_not_measured_again_are_kept(tmp_path: Path) -> None:
    measured = tmp_path / "performance.json"
    report.write_json(measured, [Row("a", series([1])).as_json()], command="make bench")
    report.write_json(measured, [Row("b", series([2])).as_json()], command="make bench ROWS=b")
    assert [row["row"] for row in json.loads(measured.read_text())["rows"]] == ["a", "b"]
