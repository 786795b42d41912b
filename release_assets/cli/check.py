"""`release-assets check`: what a release will need, tried now, with what to do where it is missing."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import click
from rich.console import Console
from rich.markup import escape

from release_assets.cli.runs import declared_project
from release_assets.definitions import declarations, projects_folder
from release_assets.errors import DeclarationError
from release_assets.project import Project
from release_assets.readiness import machine
from release_assets.readiness.project import looks as project_looks
from release_assets.readiness.row import Look, Row, State

MARKS: dict[State, str] = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}
EXPORT = "export RELEASE_ASSETS_DEFS=$PWD/defs"


@click.command()
@click.option("--project", help="Check only this project and the machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as one line of JSON.")
def check(project: str | None, as_json: bool) -> None:
    """Try everything that a release will need, with requests that change nothing.

    Reads the projects from the directory that RELEASE_ASSETS_DEFS names, and the secrets from the variables
    that they name. Exit status 0: everything is there, warnings apart. 1: something is missing. 2: there is
    no project, or one is invalid.

    \b
    Example:
        RELEASE_ASSETS_DEFS=$PWD/defs release-assets check --project mypackage
    """
    projects, invalid = _projects()
    if project is not None and project not in projects and not invalid:
        declared_project(project)  # raises, with the names that there are
    chosen = [declared for declared in projects.values() if project in {None, declared.project}]
    with ThreadPoolExecutor(8) as threads:
        looks = [*machine.looks(chosen), *(look for declared in chosen for look in project_looks(declared))]
        rows = [*invalid, *(row for answer in threads.map(Look.answer, looks) for row in answer)]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows]))
    else:
        _print(rows)
    if invalid:
        sys.exit(2)
    if any(row.state == "failed" for row in rows):
        sys.exit(1)


def _projects() -> tuple[dict[str, Project], list[Row]]:
    """Return the valid projects, and a row for each that is not, or for there being none."""
    row = Row("", "projects", "projects", "failed", "")
    try:
        projects, errors = declarations()
    except DeclarationError as error:
        return {}, [replace(row, words=error.problem, remedy=error.remedy, command=EXPORT)]
    if not projects and not errors:
        variable = "RELEASE_ASSETS_DEFS"
        unset = "" if os.environ.get(variable) else f"{variable} is unset, and "
        words = f"there is no project: {unset}{projects_folder()} has no defs.yaml below it"
        remedy = f"Set {variable} to a directory with one subdirectory per project, each with a defs.yaml."
        return {}, [replace(row, words=words, remedy=remedy, command=EXPORT)]
    keys = "release-assets schema --markdown"
    return projects, [replace(row, words=one.problem, remedy=one.remedy, command=keys) for one in errors]


def _print(rows: list[Row]) -> None:
    """Print the rows by project, and how many of each state there are. No line is folded or cut."""
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(row.what) for row in rows)
    group = None
    for row in rows:
        if row.project != group:
            group = row.project
            console.print(f"\n[bold]{escape(group or 'projects')}[/]")
        indent = " " * (width + 6)
        words = escape(row.words).replace("\n", f"\n{indent}")
        console.print(f"  {MARKS[row.state]} {row.what:<{width}}  {words}")
        if row.state != "ok":
            for text, style in ((row.remedy, "dim"), (row.command and f"$ {row.command}", "cyan")):
                if text:
                    console.print(f"{indent}[{style}]{escape(text)}[/]")
    counts = Counter(row.state for row in rows)
    warnings = f"{counts['warning']} warning{'' if counts['warning'] == 1 else 's'}"
    console.print(f"\n{counts['ok']} ok, {warnings}, {counts['failed']} failed")
