"""Write for people: progress on standard error, the answer on standard output, nothing folded or cut.

Whatever one copies (a digest, a URL, a path) stays on a line of its own width: terminals wrap such a line
without breaking it, and a pipe gets it whole. Only the live lines, which vanish at the end, are cropped.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import dagster as dg
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from release_assets.cli.follow import Display
from release_assets.cli.run_view import Node, RunView, State
from release_assets.text import printable

MARKS = {
    State.WAITING: "[dim]·[/]",
    State.RUNNING: "[cyan]▸[/]",
    State.RETRYING: "[yellow]↻[/]",
    State.DONE: "[green]✓[/]",
    State.FAILED: "[red]✗[/]",
}
BAR_CHARACTERS = 20
BAR_FITS = 80  # columns of a terminal: a narrower one shows the amount without its bar
LOOKS_PER_SECOND = 4


def console(*, stderr: bool = False) -> Console:
    """Return where to print. NO_COLOR and a pipe turn colors off."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def columns(rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Return rows of markup as aligned lines, the last cell of each as long as it is, no trailing blanks."""
    widths: list[int] = []
    for row in rows:
        for number, cell in enumerate(row[:-1]):
            width = Text.from_markup(cell).cell_len
            if number == len(widths):
                widths.append(width)
            widths[number] = max(widths[number], width)
    lines = []
    for row in rows:
        line = " " * indent
        for number, cell in enumerate(row):
            line += cell
            if any(row[number + 1 :]):
                line += " " * (widths[number] - Text.from_markup(cell).cell_len + 2)
        lines.append(line)
    return lines


def print_lines(lines: Sequence[str], *, stderr: bool = False) -> None:
    """Print lines of markup as they are, however narrow the terminal is."""
    out = console(stderr=stderr)
    for line in lines:
        out.print(line, soft_wrap=True)


def duration(seconds: float) -> str:
    """Return `4.2 s` (`4 s` for a whole number), `3 min 05 s` or `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds} s" if isinstance(seconds, int) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def node_lines(view: RunView, now: float) -> list[str]:
    """Return a line for each node of a run that has ended; one that never ran says so."""
    rows = []
    for node in view.in_order:
        took = duration(node.seconds(now)) if node.started is not None else "[dim]not run[/]"
        retries = f"[dim]{node.retries} retries[/]" if node.retries else ""
        rows.append([MARKS[node.state], escape(node.name), took, retries])
    return columns(rows)


class PlainDisplay:
    """For pipes and logs: a line when a node begins and when it ends."""

    is_live = False

    def __init__(self, *, verbose: bool) -> None:
        """Print to standard error; with `verbose`, every event of Dagster's log."""
        self._verbose = verbose
        self._seen: dict[str, tuple[State, int]] = {}

    def event(self, entry: dg.EventLogEntry) -> None:
        """Print an event, where every one is asked for."""
        if self._verbose:
            event = entry.dagster_event
            words = printable(entry.user_message or (event.message if event else None) or "")
            kind = event.event_type_value if event is not None else logging.getLevelName(int(entry.level))
            when = datetime.fromtimestamp(entry.timestamp, UTC).strftime("%H:%M:%S")
            line = " ".join(filter(None, [when, kind, entry.step_key, words]))
            print_lines([escape(line)], stderr=True)

    def update(self, view: RunView) -> None:
        """Print what changed since the last time."""
        for node in view.in_order:
            state = node.state, node.retries
            before = self._seen.get(node.name, (State.WAITING, 0))
            self._seen[node.name] = state
            if before == state or (node.state is State.RUNNING and node.retries):
                continue
            words = {
                State.RUNNING: "",
                State.RETRYING: f"  retry {node.retries}: {escape(node.line)}",
                State.DONE: f"  {duration(node.seconds(time.time()))}",
                State.FAILED: f"  {duration(node.seconds(time.time()))}",
            }.get(node.state, "")
            print_lines([f"{MARKS[node.state]} {escape(node.name)}{words}"], stderr=True)

    def say(self, line: str) -> None:
        """Print a sentence."""
        print_lines([escape(line)], stderr=True)

    def __enter__(self) -> Self:
        """Begin; nothing is to be done."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; everything is printed already."""


class LiveDisplay:
    """For terminals: one live line per node. They are taken away at the end."""

    is_live = True

    def __init__(self) -> None:
        """Draw on standard error."""
        self._console = console(stderr=True)
        self._live = Live(
            console=self._console, transient=True, refresh_per_second=LOOKS_PER_SECOND, redirect_stdout=False
        )
        self._spinners: dict[str, Spinner] = {}

    def event(self, entry: dg.EventLogEntry) -> None:
        """Show nothing: the nodes' lines say it."""

    def update(self, view: RunView) -> None:
        """Draw the run as it is now."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for node in view.in_order:
            took = duration(node.seconds(time.time())) if node.started is not None else ""
            table.add_row(self._mark(node), Text(node.name), took, self._detail(node))
        self._live.update(Group(table))

    def _mark(self, node: Node) -> RenderableType:
        if node.state is not State.RUNNING:
            return Text.from_markup(MARKS[node.state])
        return self._spinners.setdefault(node.name, Spinner("dots", style="cyan"))

    def _detail(self, node: Node) -> RenderableType:
        if node.state is State.RETRYING:
            return Text(f"retry {node.retries}: {node.line}", style="yellow")
        if node.state is not State.RUNNING:
            return Text("")
        if node.amount is None:
            return Text(node.line, style="dim")
        done, whole, unit = node.amount
        amount = Text(f"{done:g} of {whole:g} {unit}", style="dim", no_wrap=True)
        if self._console.width < BAR_FITS:
            return amount
        line = Table.grid(padding=(0, 1))
        line.add_row(ProgressBar(total=whole, completed=done, width=BAR_CHARACTERS), amount)
        return line

    def say(self, line: str) -> None:
        """Print a sentence above the live lines."""
        self._console.print(escape(line), soft_wrap=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live lines away."""
        self._live.stop()


@contextlib.contextmanager
def display(*, verbose: bool) -> Iterator[Display]:
    """Yield what shows runs: live lines on a terminal, plain ones elsewhere and with `verbose`."""
    with LiveDisplay() if sys.stderr.isatty() and not verbose else PlainDisplay(verbose=verbose) as shown:
        yield shown
