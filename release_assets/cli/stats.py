"""`release-assets stats`: how the last releases went, from Dagster's records."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.markup import escape

from release_assets.cli.options import epilog, json_option, project_option
from release_assets.cli.runs import dagster_instance, declared_project, declared_projects
from release_assets.cli.terminal import columns, duration, print_lines
from release_assets.figures.compute import Figure, figures
from release_assets.figures.observed import ObservedRun
from release_assets.figures.records import RunReader

DAY = 86400.0
MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: " "}


@click.command(epilog=epilog("release-assets stats", "release-assets stats --last 50 --json"))
@project_option
@click.option(
    "--last",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many releases to look at, the newest first.",
)
@json_option("Print the same as one line of JSON.")
def stats(project: str | None, last: int, as_json: bool) -> None:
    """Show how the last releases went: success rate, durations, cache hit rate, lead time, retries.

    Without --project, every project is shown. The figures are computed from Dagster's records in
    DAGSTER_HOME. A run that was killed counts as failed, one that a person ended does not count. Durations
    and times are medians.

    The exit status is 0 also where a target is missed.
    """
    names = sorted(declared_projects()) if project is None else [declared_project(project).project]
    with dagster_instance() as instance:
        reader = RunReader(instance)
        runs = {name: reader.last_runs(name, last) for name in names}
    now = time.time()
    if as_json:
        answers = [_as_json(name, runs[name], figures(runs[name], now)) for name in names]
        click.echo(json.dumps({"projects": answers}))
        return
    for number, name in enumerate(names):
        print_lines([*([""] if number else []), *_lines(name, runs[name], figures(runs[name], now))])


def _lines(project: str, runs: Sequence[ObservedRun], computed: Sequence[Figure]) -> list[str]:
    if not runs:
        return [f"{escape(project)}: no release was tried here yet."]
    tags = list(dict.fromkeys(run.tag for run in runs))
    span = tags[0] if len(tags) == 1 else f"{tags[0]} back to {tags[-1]}"
    rows = [[f"[bold]{head}[/]" for head in ("figure", "value", "worst", "target", "samples")]]
    rows += [
        [
            escape(figure.title),
            _shown(figure, figure.value),
            _shown(figure, figure.worst),
            _target(figure),
            str(figure.samples),
        ]
        for figure in computed
    ]
    return [f"{escape(project)}: {len(tags)} releases, {escape(span)}, in {len(runs)} runs", *columns(rows)]


def _shown(figure: Figure, value: float | None) -> str:
    if value is None:
        return "-"
    if figure.is_ratio:
        return f"{value:.1%}"
    if not figure.name.endswith("_seconds"):
        return f"{value:g}"
    return f"{value / DAY:.1f} days" if value >= 2 * DAY else duration(value)


def _target(figure: Figure) -> str:
    if figure.target is None:
        return "-"
    sign = "≥" if figure.is_ratio else "≤"
    shown = f"{figure.target:.0%}" if figure.is_ratio else duration(round(figure.target))
    return f"{MARKS[figure.is_met]} {sign} {shown}"


def _as_json(project: str, runs: Sequence[ObservedRun], computed: Sequence[Figure]) -> dict[str, Any]:
    return {
        "project": project,
        "releases": list(dict.fromkeys(run.tag for run in runs)),
        "runs": len(runs),
        "figures": [
            {
                "name": figure.name,
                "labels": dict(figure.labels),
                "value": figure.value,
                "worst": figure.worst,
                "target": figure.target,
                "met": figure.is_met,
                "samples": figure.samples,
            }
            for figure in computed
        ],
    }
