"""A result survives its file, and another file is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import result
from benchmarks.figures import Series
from benchmarks.result import Result

MEASURED = Result(
    command="python -m benchmarks --pairs 2",
    date="2026-11-25 12:00 UTC",
    commit="0123456",
    seconds=1800,
    machine={"processor": "A processor", "cores": "2"},
    series=(
        Series("small", "tag push to last tag", "s", ours=(21.5, 22.25), script=(20.0, 21.0)),
        Series("1 project, 10 tags", "memory", "MiB", ours=(300.0,)),
    ),
)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "result.json"
    result.write(MEASURED, file)
    assert result.read(file) == MEASURED


def test_each_series_has_a_line_of_its_own(tmp_path: Path) -> None:
    """Two results can be compared with diff."""
    file = tmp_path / "result.json"
    result.write(MEASURED, file)
    (line,) = [line for line in file.read_text().splitlines() if '"MiB"' in line]
    assert json.loads(line)["ours"] == [300.0]


def test_a_series_is_found_by_what_it_is_and_its_row() -> None:
    assert MEASURED.of("memory", "1 project, 10 tags") == MEASURED.series[1]
    assert MEASURED.of("memory", "small") is None


@pytest.mark.parametrize("content", ["[]", "{}", '{"series": [{"row": "small"}]}'])
def test_another_file_is_no_result(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json is not a result"):
        result.read(file)
