"""`make bench`: measure, print a table, write JSON; exit status 1 where a figure is more than it must be."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks import idle, machine, result, startup, ui
from benchmarks.bounds import judge
from benchmarks.figures import Series
from benchmarks.ours import Ours
from benchmarks.rows import ROWS, Bench
from benchmarks.script import Script
from benchmarks.stand import Stand
from benchmarks.table import table
from release_assets.errors import ReleaseError
from release_assets.process import CommandFailedError
from tools.sandbox import sandbox

GROWTH = "growth"
KINDS = (*ROWS, GROWTH)
Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 0 kept, 1 missed or failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(": ")[2])
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each row (default: 5)")
    parser.add_argument(
        "--rows", type=_rows, default=KINDS, metavar="ROW,ROW", help=f"some of {', '.join(KINDS)}"
    )
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="for which idle daemons are watched")
    parser.add_argument("--json", type=Path, default=Path(".bench/result.json"), metavar="FILE")
    parser.add_argument(
        "--state", type=Path, default=Path(".bench"), help="what is kept: engine, base image, downloads"
    )
    given = parser.parse_args(arguments)
    if given.pairs < 1:
        parser.error("--pairs must be at least 1")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    started = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.0f} s[/]  {escape(line)}", soft_wrap=True)

    series: list[Series] = []
    described: dict[str, str] = {}
    try:
        if names := [name for name in given.rows if name in ROWS]:
            described, released = _releases(names, given.pairs, given.state, say)
            series += released
        if GROWTH in given.rows:
            series += _growth(given.idle_seconds, say)
    except (ReleaseError, CommandFailedError, ValueError) as error:
        console.print(f"[bold red]failed:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    judged = list(judge(series))
    console.print(table(judged))
    written = result.Result(
        command=(
            f"python -m benchmarks --pairs {given.pairs} --rows {','.join(given.rows)} "
            f"--idle-seconds {given.idle_seconds:g}"
        ),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=machine.commit(),
        seconds=round(time.monotonic() - started),
        machine=described,
        series=tuple(series),
    )
    result.write(written, given.json)
    say(f"written to {given.json}")
    missed = [line for line in judged if line.is_missed]
    for line in missed:
        console.print(f"[bold red]missed:[/] {escape(f'{line.series.row}, {line.series.what}')}")
    return 1 if missed else 0


def _rows(text: str) -> tuple[str, ...]:
    rows = tuple(text.split(","))
    if unknown := [row for row in rows if row not in KINDS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return rows


def _growth(idle_seconds: float, say: Say) -> Iterator[Series]:
    """Measure what grows with projects, tags and releases; nothing of it needs an engine."""
    say("loading the code location")
    yield from startup.measure()
    say(f"the UI with {max(ui.RELEASES)} recorded releases")
    yield from ui.measure()
    for projects, tags in (*idle.SIZES, idle.GOAL):
        say(f"idle with {projects} projects of {tags} tags")
        yield from idle.measure(projects, tags, seconds=idle_seconds)


def _releases(names: Sequence[str], pairs: int, state: Path, say: Say) -> tuple[dict[str, str], list[Series]]:
    """Measure the rows that release, pair by pair; return the machine as well."""
    rows = [ROWS[name] for name in names]
    kinds = tuple(dict.fromkeys(row.kind for row in rows))
    with (
        sandbox(state, say=say) as running,
        tempfile.TemporaryDirectory(prefix="release-assets-bench-") as temporary,
    ):
        folder = Path(temporary)
        stand = Stand.at(folder, running, kinds)
        bench = Bench(Ours.at(folder / "home", stand), Script(stand, folder / "work"), say)
        described = machine.describe(stand.docker)
        # It runs all the time, as it does for those who use it: also while the script is measured.
        with bench.ours.daemon():
            say("the sensors have looked once: what is pushed from now on is new")
            bench.warm_up(kinds)
            # One after the other within each pair: what changes on the machine changes for every row.
            for number in range(pairs):
                for row in rows:
                    bench.pair(row, number)
        return described, list(bench.measured.series())


if __name__ == "__main__":
    sys.exit(main())
