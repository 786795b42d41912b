"""`release-assets check`: what a release will need, tried now, with what to do where it is not there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from release_assets import isolation
from release_assets.assets.preflight import Need, needs
from release_assets.cli.runs import declared_projects
from release_assets.destinations import buildx, git, package_index
from release_assets.destinations.registry import parse_repository
from release_assets.errors import ReleaseError
from release_assets.process import environment, printable, redact
from release_assets.project import Image, Project, Scan
from release_assets.release import Channel, release_versions
from release_assets.secrets import read_secrets

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


@dataclass(frozen=True)
class Row:
    """One thing that a release needs, how it stands, and what to do."""

    project: str
    what: str
    state: Literal["ok", "warning", "failed"]
    words: str
    remedy: str = ""


@click.command()
@click.option("--project", help="Only this project.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as one line of JSON.")
def check(project: str | None, as_json: bool) -> None:
    """Try everything that a release will need, with requests that change nothing."""
    projects = declared_projects()
    if project is not None and project not in projects:
        raise click.UsageError(f"there is no project {project}; there are {', '.join(projects) or 'none'}")
    rows = list(_machine())
    with ThreadPoolExecutor(8) as threads:
        looks = [
            threads.submit(_look, look)
            for declared in projects.values()
            if project in {None, declared.project}
            for look in _looks(declared)
        ]
        rows += [row for look in looks for row in look.result()]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows]))
    else:
        shown = Table(box=None, show_header=False, pad_edge=False)
        for row in rows:
            words = escape(row.words) + (f"\n[dim]{escape(row.remedy)}[/]" if row.remedy else "")
            shown.add_row(MARKS[row.state], row.project, row.what, words)
        Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(shown)
    if any(row.state == "failed" for row in rows):
        sys.exit(1)


def _look(look: Look) -> list[Row]:
    """What a look found; its failure as a row, in the words of the release itself."""
    try:
        return list(look.rows())
    except ReleaseError as error:
        problem, remedy = (printable(redact(text, look.secrets)) for text in (error.problem, error.remedy))
        return [Row(look.project, look.what, look.if_not, problem, remedy)]


@dataclass(frozen=True)
class Look:
    """A thing to look at; `if_not` is its state where it cannot be had."""

    project: str
    what: str
    rows: Callable[[], Iterator[Row]]
    secrets: tuple[str, ...] = ()
    if_not: Literal["warning", "failed"] = "failed"


def _machine() -> Iterator[Row]:
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        yield Row(
            "", "DAGSTER_HOME", "warning", "is not set: what Dagster records is thrown away",
            "Let it name a folder, and copy dagster.yaml there.",
        )  # fmt: skip
    elif not Path(home, "dagster.yaml").is_file():
        yield Row(
            "", "DAGSTER_HOME", "warning", f"{home} has no dagster.yaml: runs of one project may overlap",
            "Copy the dagster.yaml of release-assets there.",
        )  # fmt: skip
    else:
        yield Row("", "DAGSTER_HOME", "ok", home)
    if isolation.is_available():
        yield Row("", "isolation", "ok", "build code runs in bubblewrap, and sees neither files nor secrets")
    else:
        yield Row(
            "", "isolation", "warning",
            "build code is not isolated: it can read the files of this user and the secrets of its parents",
            "Install bubblewrap (apt install bubblewrap); in a container, allow user namespaces.",
        )  # fmt: skip


def _looks(project: Project) -> Iterator[Look]:
    name = project.project
    yield Look(name, "git", lambda: _git(project))
    # Asked by the very functions of a release's preflight, so that the two cannot disagree.
    pages = {"index": project.index.simple_url, "test_index": project.test_index.simple_url}
    asked = {need.what: need for channel in Channel for need in needs(project, channel)}
    for need in asked.values():
        secrets = tuple(read_secrets(need.secrets))
        # Whoever makes no test releases needs no token for them.
        if_not: Literal["warning", "failed"] = "warning" if need.what == "test_index" else "failed"
        yield Look(name, need.what, _asked(name, need, pages.get(need.what)), secrets, if_not)
    if project.image is not None:
        for platform in project.image.platforms:
            yield Look(name, platform, _platform(name, project.image, platform))
        if (scan := project.image.scan) is not None:
            yield Look(name, "scan", lambda: _scan(name, scan))


def _asked(name: str, need: Need, simple_url: str | None) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        words = need.ask()
        if simple_url is not None:  # a release has looked at its page long before
            package_index.observe(simple_url, name)
        yield Row(name, need.what, "ok", words)

    return rows


def _git(project: Project) -> Iterator[Row]:
    tags = git.observe_tags(project.repository)
    versions = release_versions(tags, project.tags.patterns)
    newest = f", the newest {max(versions)}" if versions else ""
    yield Row(project.project, "git", "ok", f"{project.repository}: {len(versions)} releases{newest}")


def _platform(name: str, image: Image, platform: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        with buildx.docker_environment(parse_repository(image.repository), None, None) as env:
            engine = buildx.observe_engine(image.builders.get(platform), env)
            buildx.check_platform(engine, platform)
        yield Row(name, platform, "ok", f"{engine.name} runs it")

    return rows


def _scan(name: str, scan: Scan) -> Iterator[Row]:
    program = scan.command[0]
    if shutil.which(program, path=environment()["PATH"]):
        yield Row(name, "scan", "ok", f"{program} is installed")
    else:
        yield Row(
            name, "scan", "failed", f"{program} is not installed, and image: scan: in defs.yaml asks for it",
            "Install it where images are checked: without its word no floating tag moves.",
        )  # fmt: skip
