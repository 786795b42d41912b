"""The page: docs/performance.md, whose figures come from a result and whose words stay as they are.

    python -m benchmarks.page .bench/result.json

copies the result to docs/performance.json and writes its figures into the page, between the marks.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import result
from benchmarks.bounds import Judged, judge
from benchmarks.figures import Series
from benchmarks.result import Result
from benchmarks.rows import ROWS
from benchmarks.sizes import Size, sizes
from benchmarks.table import cells_of, number

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance.json"
MARKS = re.compile(r"(?s)(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)")
HEAD = ("row", "what", "ours", "script", "compared", "must", "aim", "")


def render(page: str, measured: Result) -> str:
    """Return the page with the result's figures between its marks. Raises ValueError for an unknown mark."""
    parts = {
        "machine": _machine(measured),
        "releases": _table(judge(_of(measured, releases=True))),
        "growth": _table(judge(_of(measured, releases=False))),
        "sizes": _sizes(sizes(measured)),
    }
    if unknown := {mark for _, mark, _ in MARKS.findall(page)} - set(parts):
        raise ValueError(f"unknown marks: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    return MARKS.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}", page)


def _of(measured: Result, *, releases: bool) -> list[Series]:
    return [series for series in measured.series if (series.row in ROWS) is releases]


def _machine(measured: Result) -> str:
    rows: Mapping[str, str] = {
        **measured.machine,
        "command": f"`{measured.command}`",
        "took": f"{measured.seconds / 60:.0f} minutes",
        "date": measured.date,
        "commit": f"`{measured.commit}`",
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])


def _table(judged: Iterable[Judged]) -> str:
    return "\n".join([_row(HEAD), _row(["---"] * len(HEAD)), *_lines(judged)])


def _lines(judged: Iterable[Judged]) -> Iterator[str]:
    before = None
    for line in judged:
        row, *cells = cells_of(line)
        yield _row(["" if row == before else row, *cells])
        before = row


def _sizes(found: Iterable[Size]) -> str:
    lines = [_row(("what", "grows by", "with each")), _row(["---"] * 3)]
    for size in found:
        digits = f"{size.growth:.2g}" if abs(size.growth) < 1 else number(size.growth, "")
        lines.append(_row((size.what, f"{digits} {size.unit}", size.with_each)))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description="Write a result's figures into docs/performance.md."
    )
    parser.add_argument("result", type=Path, help="what `make bench` wrote")
    given = parser.parse_args(arguments)
    try:
        measured = result.read(given.result)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    result.write(measured, FIGURES)
    PAGE.write_text(render(PAGE.read_text(), measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
