"""`make chaos`: random kills over both halves of releases, and the fault matrix, on the sandbox."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from release_assets_tests.maintainer import NewMaintainer, Stands
from tools.chaos.judge import count, leaks, leaks_in_graphql, leaks_in_registry
from tools.chaos.kills import Lane, Release
from tools.chaos.matrix import Row, cells, run_cell
from tools.chaos.watching import watching
from tools.sandbox import sandbox
from tools.sandbox.servers import free_port

CELLS_AT_ONCE = 8  # most of a cell's time is waiting


@dataclass(frozen=True)
class Result:
    """All that came of it."""

    rows: list[Row]
    releases: list[Release]
    looks: int  # at floating tags, while releases were killed
    wrong: list[str]  # besides what rows and releases say

    @property
    def is_whole(self) -> bool:
        """Nothing was lost, doubled or leaked."""
        return not (
            self.wrong or any(row.wrong for row in self.rows) or any(made.wrong for made in self.releases)
        )


@click.command()
@click.option("--kills", default=100, show_default=True, help="How many kills; 0 leaves them out.")
@click.option("--seed", default=1, show_default=True, help="Of the moments and victims of the kills.")
@click.option("--lanes", default=3, show_default=True, help="Projects that are killed at the same time.")
@click.option("--matrix/--no-matrix", default=True, show_default=True, help="The fault matrix.")
@click.option("--state", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Write everything to this file.")
def main(kills: int, seed: int, lanes: int, matrix: bool, state: Path, as_json: Path | None) -> None:
    """Kill releases and spoil their destinations; exit status 0 if nothing was lost, doubled or leaked."""
    started = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - started:7.1f} s  {line}", err=True)

    with sandbox(state, say=say) as running, tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        stands = Stands.of(running)
        new = NewMaintainer(Path(folder))
        rows: list[Row] = []
        filling = threading.Thread(target=lambda: rows.extend(_fill(stands, new, say)))
        if matrix:
            filling.start()
        releases, looks, wrong = kill(new, stands, Path(folder), kills, seed, lanes, say)
        if matrix:
            filling.join()
        wrong += _leaks_of(new, stands, Path(folder))
    result = Result(rows, releases, looks, wrong)
    if as_json:
        as_json.write_text(json.dumps(asdict(result), indent=1))
    click.echo(markdown(result, seed))
    sys.exit(0 if result.is_whole and len(rows) == (len(cells()) if matrix else 0) else 1)


def _fill(stands: Stands, new: NewMaintainer, say: Callable[[str], None]) -> Iterable[Row]:
    """Every cell's row, as they come. The longest waits begin first."""
    order = sorted(cells(), key=lambda cell: (cell.passes, cell.kind not in {"silence", "stale", "trickle"}))
    with ThreadPoolExecutor(CELLS_AT_ONCE) as pool:
        for future in as_completed([pool.submit(run_cell, cell, stands, new) for cell in order]):
            row = future.result()
            cell = row.cell
            how = "passing" if cell.passes else "for good"
            say(f"{cell.destination} {cell.kind} {how}: {row.outcome}, {row.seconds:.0f} s {row.wrong or ''}")
            yield row


def kill(
    new: NewMaintainer,
    stands: Stands,
    folder: Path,
    kills: int,
    seed: int,
    lanes: int,
    say: Callable[[str], None],
    victims: Sequence[str] | None = None,
) -> tuple[list[Release], int, list[str]]:
    """Kill so many times; the releases, how often floating tags were looked at, and what was wrong there."""
    if kills == 0:
        return [], 0, []
    made = [Lane(new, stands, folder, seed * 1000 + number, say) for number in range(lanes)]

    def enough() -> bool:
        return sum(len(release.kills) for lane in made for release in lane.releases) >= kills

    with ExitStack() as stack:
        watched = stack.enter_context(watching(made, stands.secrets))
        with ThreadPoolExecutor(lanes) as pool:
            for lane in [
                pool.submit(lane.run, enough, *([tuple(victims)] if victims else [])) for lane in made
            ]:
                if failed := lane.exception():
                    watched.wrong.append(f"a lane ended early: {failed!r}")
    with made[0].stack.webserver(free_port()) as url:
        watched.wrong += leaks_in_graphql(url, stands.secrets)
    return [release for lane in made for release in lane.releases], watched.looks, watched.wrong


def _leaks_of(new: NewMaintainer, stands: Stands, folder: Path) -> list[str]:
    """Secrets in any file that a Dagster kept, or in anything that can be pulled."""
    found = leaks((file for file in folder.rglob("*") if file.is_file()), stands.secrets)
    for maintainer in new.made:
        if "image" in maintainer.attributes:
            found += leaks_in_registry(maintainer, stands.secrets)
    return found


def markdown(result: Result, seed: int) -> str:
    """Return the tables, for a terminal and for the documentation."""
    lines = []
    if result.releases:
        lines += _table_of_kills(result)
    if result.rows:
        lines += _table_of_cells(result.rows)
    verdict = "nothing was lost, doubled or leaked" if result.is_whole else "NOT everything is right:"
    lines.append(f"Seed {seed}: {verdict}")
    lines += [f"- {wrong}" for wrong in result.wrong]
    lines += [f"- {made.version}: {wrong}" for made in result.releases for wrong in made.wrong]
    lines += [f"- {row.cell}: {wrong}" for row in result.rows for wrong in row.wrong]
    return "\n".join(lines)


def _table_of_kills(result: Result) -> list[str]:
    kills = [(kill, release) for release in result.releases for kill in release.kills]
    lines = [
        f"{len(kills)} kills in {len(result.releases)} releases, "
        f"with {result.looks} looks at floating tags meanwhile.",
        "",
        "| killed | half | kills | nodes that were at work | outcome | seconds to converge "
        "| duplicates | losses |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for victim, half in sorted({(kill.victim, kill.job) for kill, _ in kills}):
        these = [(kill, made) for kill, made in kills if (kill.victim, kill.job) == (victim, half)]
        nodes = [kill.nodes for kill, _ in these]
        counted = "; ".join(f"{node}: {nodes.count(node)}" for node in sorted(set(nodes)))
        wrong = [finding for _, made in these for finding in made.wrong]
        whole = sum(not made.wrong for _, made in these)
        seconds = [made.seconds for kill, made in these if kill is made.kills[-1] and not made.wrong]
        took = f"{statistics.median(seconds):.0f}, at most {max(seconds):.0f}" if seconds else "—"
        lines.append(
            f"| {victim} | {half} | {len(these)} | {counted} | {whole} of {len(these)} whole "
            f"| {took} | {_counts(wrong, 'doubled', 'lost')} |"
        )
    again = sum(release.launched_again for release in result.releases)
    return [
        *lines,
        "",
        "Seconds are from a release's last kill to its end, median and longest. "
        f"Runs that a maintainer had to launch, since Dagster's retries were used up: {again}. "
        f"Leaks found at the end: {count(result.wrong, 'leaked')}.",
        "",
    ]


def _table_of_cells(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| destination | fault | lasts | outcome | seconds | seconds again | tries again | requests hit "
        "| duplicates | losses | leaks |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda row: (row.cell.destination, row.cell.kind, not row.cell.passes)):
        cell, lasts = row.cell, "a while" if row.cell.passes else "for good"
        again = f"{row.again:.0f}" if row.again else "—"
        lines.append(
            f"| {cell.destination} | {cell.kind} | {lasts} | {row.outcome} | {row.seconds:.0f} | {again} "
            f"| {row.retries} | {row.hits} | {_counts(row.wrong, 'doubled', 'lost', 'leaked')} |"
        )
    return [*lines, ""]


def _counts(wrong: Sequence[str], *kinds: str) -> str:
    """Return the last columns."""
    return " | ".join(str(count(wrong, kind)) for kind in kinds)


if __name__ == "__main__":
    main()
