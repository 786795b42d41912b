"""`release-assets check`: what a release will need, tried now, with what to do where it is not there."""

from __future__ import annotations

import json
import os
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
from release_assets.cli.runs import declared_projects
from release_assets.destinations import buildx, git, github, package_index
from release_assets.destinations.registry import Registry, parse_repository
from release_assets.errors import ReleaseError
from release_assets.process import printable, redact
from release_assets.project import Image, PackageIndex, Project, is_loopback
from release_assets.release import release_versions

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
    for channel, index in (("index", project.index), ("test_index", project.test_index)):
        token = os.environ.get(index.token_env, "").strip()
        if_not: Literal["warning", "failed"] = "failed" if channel == "index" else "warning"
        if not token:
            yield _missing(name, channel, [index.token_env], if_not)
        else:
            yield Look(name, channel, _index(name, channel, index, token), (token,), if_not)
    token = os.environ.get(project.github.token_env, "").strip()
    if token:
        yield Look(name, "github", lambda: _github(project, token), (token,))
    else:
        yield _missing(name, "github", [project.github.token_env], "failed")
    if project.image is not None:
        yield from _image_looks(name, project.image)


def _image_looks(name: str, image: Image) -> Iterator[Look]:
    username = os.environ.get(image.username_env, "").strip()
    token = os.environ.get(image.token_env, "").strip()
    host = parse_repository(image.repository).host
    if (username and token) or (is_loopback(f"//{host}") and not (username or token)):
        yield Look(name, "registry", lambda: _registry(name, image, username, token), (token,))
    else:
        missing = [
            variable
            for variable, value in ((image.username_env, username), (image.token_env, token))
            if not value
        ]
        yield _missing(name, "registry", missing, "failed")
    for platform in image.platforms:
        yield Look(name, platform, _platform(name, image, platform))


def _missing(project: str, what: str, variables: list[str], state: Literal["warning", "failed"]) -> Look:
    row = Row(
        project, what, state, f"{' and '.join(variables)} not set",
        "Set it where Dagster's code server and runs can see it.",
    )  # fmt: skip
    return Look(project, what, lambda: iter([row]))


def _git(project: Project) -> Iterator[Row]:
    tags = git.observe_tags(project.repository)
    versions = release_versions(tags, project.tags.patterns)
    newest = f", the newest {max(versions)}" if versions else ""
    yield Row(project.project, "git", "ok", f"{project.repository}: {len(versions)} releases{newest}")


def _index(name: str, channel: str, index: PackageIndex, token: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        package_index.check_access(index.upload_url, token, token_env=index.token_env)
        package_index.observe(index.simple_url, name)
        yield Row(name, channel, "ok", f"{index.upload_url} takes the token in {index.token_env}")

    return rows


def _github(project: Project, token: str) -> Iterator[Row]:
    there = project.github
    github.check_access(github.connect(there.api_url, token), there.repository, token_env=there.token_env)
    yield Row(project.project, "github", "ok", f"{there.repository} takes the token in {there.token_env}")


def _registry(name: str, image: Image, username: str, token: str) -> Iterator[Row]:
    Registry(
        parse_repository(image.repository),
        username=username or None,
        token=token or None,
        username_env=image.username_env,
        token_env=image.token_env,
    ).check_access()
    yield Row(name, "registry", "ok", f"{image.repository} may be pushed to")


def _platform(name: str, image: Image, platform: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        with buildx.docker_environment(parse_repository(image.repository), None, None) as env:
            engine = buildx.observe_engine(image.builders.get(platform), env)
            buildx.check_platform(engine, platform)
        yield Row(name, platform, "ok", f"{engine.name} runs it")

    return rows
