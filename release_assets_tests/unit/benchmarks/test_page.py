"""docs/performance.md holds the figures of docs/performance.json, and none that somebody typed."""

from __future__ import annotations

import pytest

from benchmarks import bounds, result
from benchmarks.figures import Series
from benchmarks.page import FIGURES, PAGE, render
from benchmarks.result import Result

MARKED = """# Title
Words.
<!-- figures: {mark} -->
old
<!-- end of figures -->
More words.
"""


def measured(*series: Series) -> Result:
    return Result("python -m benchmarks", "2026-11-25", "0123456", 1800, {"cores": "2"}, series)


def test_the_page_shows_the_measured_figures() -> None:
    assert render(PAGE.read_text(), result.read(FIGURES)) == PAGE.read_text()


def test_words_stay_and_figures_are_replaced() -> None:
    series = Series("small", bounds.LAST_TAG, "s", ours=(30.0,), script=(20.0,))
    page = render(MARKED.format(mark="releases"), measured(series))
    assert page.startswith("# Title\nWords.\n<!-- figures: releases -->\n")
    assert page.endswith("<!-- end of figures -->\nMore words.\n")
    assert "| small | tag push to last tag | 30.0 s | 20.0 s | 1.50x | ≤ 1.3x | ≤ 1x | missed |" in page
    assert "old" not in page


def test_releases_and_growth_have_tables_of_their_own() -> None:
    series = Series("1 project, 10 tags", bounds.MEMORY, "MiB", ours=(300.0,))
    assert "300" not in render(MARKED.format(mark="releases"), measured(series))
    assert "| 1 project, 10 tags | memory | 300 MiB |" in render(
        MARKED.format(mark="growth"), measured(series)
    )


def test_the_machine_and_the_command_are_on_the_page() -> None:
    page = render(MARKED.format(mark="machine"), measured())
    assert "| cores | 2 |" in page
    assert "| command | `python -m benchmarks` |" in page
    assert "| took | 30 minutes |" in page


def test_a_mark_that_nobody_fills_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="unknown marks: relases; there are machine, releases"):
        render(MARKED.format(mark="relases"), measured())
