"""The table says what was measured, how it compares, and whether it is kept."""

from __future__ import annotations

import io

from rich.console import Console

from benchmarks import bounds
from benchmarks.bounds import judge
from benchmarks.figures import Series
from benchmarks.table import cells_of, table

SERIES = (
    Series("small", bounds.LAST_TAG, "s", ours=(30.0, 26.0, 28.0), script=(20.0, 20.0, 20.0)),
    Series("small", bounds.ADDED_RELEASE, "s", ours=(2.0,)),
    Series("unchanged", bounds.REBUILD, "s", ours=(10.0, 12.0), script=(4.0, 4.0)),
    Series("UI, 1000 releases", "list of runs", "ms", ours=(512.4,)),
)


def test_cells_show_medians_spreads_and_bounds() -> None:
    assert [cells_of(line) for line in judge(SERIES)] == [
        ("small", "tag push to last tag", "28.0 s (26.0 to 30.0)", "20.0 s",
         "1.40x (1.30 to 1.50)", "≤ 1.3x", "≤ 1x", "missed"),
        ("small", "added to the tools, release half", "2.0 s", "", "", "≤ 5 s", "≤ 3 s", "aim"),
        ("unchanged", "rebuild", "11.0 s (10.0 to 12.0)", "4.0 s",
         "+7.0 s (6.0 to 8.0)", "≤ +8 s", "≤ +5 s", "kept"),
        ("UI, 1000 releases", "list of runs", "512 ms", "", "", "", "", ""),
    ]  # fmt: skip


def test_a_row_is_named_once() -> None:
    output = io.StringIO()
    Console(file=output, width=200).print(table(judge(SERIES)))
    assert output.getvalue().count("small") == 1
    assert "missed" in output.getvalue()
