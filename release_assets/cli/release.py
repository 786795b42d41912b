"""`release-assets release TAG`: the whole release, from here, in the same Dagster instance."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from rich.markup import escape

from release_assets.cli.launch import daemon_is_running
from release_assets.cli.options import (
    SECRETS,
    dry_run_option,
    epilog,
    json_option,
    project_option,
    verbose_option,
)
from release_assets.cli.run_view import RunView
from release_assets.cli.runs import Runs, declared_project, refuse_pointer, release_of, runs_of
from release_assets.cli.terminal import columns, duration, print_lines
from release_assets.cli.trial import try_images
from release_assets.nodes.summary import summarize, summary_text
from release_assets.planning.plan import Action, Plan, plan_release
from release_assets.planning.world import observe
from release_assets.project import Project
from release_assets.rules.tags import Release
from release_assets.sensors.github_releases import UNFINISHED

PUBLISHES = ("approval", "pypi_publication", "github_release")


@click.command(
    epilog=epilog(
        "release-assets release v1.2.3",
        "release-assets release v1.2.3 --dry-run",
        secrets=SECRETS,
    )
)
@click.argument("tag")
@project_option
@click.option("--reason", default="release-assets release", help="Say why. It is recorded with the runs.")
@dry_run_option("Build everything, and publish nothing.")
@json_option("Print what was published as one line of JSON.")
@verbose_option
def release(tag: str, project: str | None, reason: str, dry_run: bool, as_json: bool, verbose: bool) -> None:
    """Release TAG: the package index, the GitHub release, the images and the floating tags.

    The tag has to be on the remote. The runs are recorded in DAGSTER_HOME and shown in Dagster's UI like any
    other. Where a daemon is running, they go through its queue. Where none is, this command runs them.

    What is there already is left as it is, so a release that failed continues where it stopped: run the same
    command again. Ctrl-C ends the run. What was published until then stays.
    """
    declared = declared_project(project)
    started = time.monotonic()
    found, remote_tags = release_of(declared, tag)
    refuse_pointer(declared, tag, remote_tags)
    with runs_of(declared, verbose=verbose) as runs:
        if dry_run:
            views, plan = _dry_run(runs, found, remote_tags, reason)
        else:
            views, plan = _release(runs, found, remote_tags, reason), None
        seconds = time.monotonic() - started
        if plan is not None:
            lines = _would_do(runs.project, found, plan, seconds)
        elif any(map(is_waiting, views)):
            lines = _waiting(found, seconds)
        else:
            lines = _published(runs, found, seconds)
    metadata = {name: node.metadata for view in views for name, node in view.nodes.items()}
    warnings = [warning for view in views for warning in view.warnings]
    if as_json:
        click.echo(json.dumps(_answer(declared, found, views, metadata, warnings, plan, seconds)))
        return
    if plan is not None or any(map(is_waiting, views)):  # the summary of a release has them
        lines += [f"[yellow]![/] {escape(warning)}" for warning in warnings]
    print_lines(lines)


def _release(runs: Runs, release: Release, remote_tags: Mapping[str, str], reason: str) -> list[RunView]:
    """Run both halves of a release, or follow the runs that a sensor has launched for it."""
    name = runs.project.project
    views = [_half(runs, f"{name}_release", release.tag, f"release {release.tag}", "release_tags", reason)]
    if runs.project.image is None or is_waiting(views[0]):
        return views
    return [*views, *images_half(runs, release, remote_tags, reason)]


def images_half(runs: Runs, release: Release, remote_tags: Mapping[str, str], reason: str) -> list[RunView]:
    """Build the images of a published release, or follow the run that does; none where all are there."""
    name = runs.project.project
    # Asked again: nothing is built where the images of this very release are there and in their place.
    plan = plan_release(
        runs.project, observe(runs.project, release, remote_tags, runs.instance), datetime.now(UTC)
    )
    if plan.needs(node.node for node in plan.nodes if node.node not in (*_builds(runs.project), *PUBLISHES)):
        job, key = f"{name}_docker", f"images {release.tag}"
        return [_half(runs, job, release.tag, key, "github_releases", reason)]
    runs.display.say("the images and the floating tags are there already")
    return []


def is_waiting(view: RunView) -> bool:
    """Return True where the run ended before anything was published: it waits for an approval."""
    node = view.nodes.get("approval")
    return node is not None and not node.metadata


def _half(runs: Runs, job: str, tag: str, key: str, sensor: str, reason: str) -> RunView:
    """Follow the run of this half that is at work already, or launch it.

    Where a daemon is running, it carries the run key that the sensor would give it. The sensor then launches
    no second one for the same tag.
    """
    of_tag = dg.RunsFilter(job_name=job, statuses=UNFINISHED, tags={"dagster/partition": tag})
    if unfinished := runs.instance.get_runs(of_tag, limit=1):
        runs.display.say(f"following run {unfinished[0].run_id}, which was launched before")
        return runs.follow(unfinished[0].run_id)
    tags = {"release_assets/reason": reason}
    if daemon_is_running(runs.instance):
        tags |= {"dagster/run_key": key, "dagster/sensor_name": f"{runs.project.project}_{sensor}"}
    return runs.run(job, tag, tags=tags)


def _dry_run(
    runs: Runs, release: Release, remote_tags: Mapping[str, str], reason: str
) -> tuple[list[RunView], Plan]:
    """Build the distributions and the images; return the runs and what a release would do then."""
    project = runs.project
    tags = {"release_assets/reason": f"{reason} (dry run)"}
    views = [runs.run(f"{project.project}_release", release.tag, nodes=_builds(project), tags=tags)]
    if project.image is not None:
        views.append(try_images(runs, release, remote_tags, project.image, project.image.platforms))
    world = observe(project, release, remote_tags, runs.instance)
    return views, plan_release(project, world, datetime.now(UTC))


def _published(runs: Runs, release: Release, seconds: float) -> list[str]:
    """Return the summary that the UI shows, each thing that one copies on a line of its own."""
    found = summarize(runs.project, release.tag, release.version, release.channel, runs.instance)
    head = f"[green]✓[/] released {escape(runs.project.project)} {release.version} in {duration(seconds)}"
    text = summary_text(found)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):  # the page of a GitHub job
        with Path(page).open("a") as summary:
            summary.write(f"{text}\n")
    return [head, "", *(escape(line) for line in text.splitlines())]


def _waiting(release: Release, seconds: float) -> list[str]:
    return [
        f"[yellow]‖[/] built {release.version} in {duration(seconds)}; it waits for an approval",
        f"Check what was built, then run `release-assets approve {escape(release.tag)}`.",
    ]


def _builds(project: Project) -> list[str]:
    """Return the nodes that build, and publish nothing."""
    return ["version", *project.package.distributions]


def _would_do(project: Project, release: Release, plan: Plan, seconds: float) -> list[str]:
    """Return what a release would still do after everything was built."""
    rows = [
        [escape(node.node), escape(node.what)]
        for node in plan.nodes
        if node.node not in _builds(project) and node.action is not Action.NOTHING
    ]
    head = f"[green]✓[/] built {release.version} in {duration(seconds)}; nothing was published"
    return [
        head,
        "A release would:" if rows else "A release has nothing left to do.",
        *columns(rows, indent=2),
    ]


def _answer(
    project: Project,
    release: Release,
    views: list[RunView],
    metadata: Mapping[str, Mapping[str, Any]],
    warnings: list[str],
    plan: Plan | None,
    seconds: float,
) -> dict[str, Any]:
    names = ("pypi_publication", "package"), ("github_release", "release"), ("manifest_list", "digest")
    answer: dict[str, Any] = {
        "project": project.project,
        "tag": release.tag,
        "version": str(release.version),
        "commit": release.commit,
        "dry_run": plan is not None,
        "seconds": round(seconds, 1),
        "runs": [view.run_id for view in views if view.run_id],
        "nodes": {
            name: {"state": node.state.value, "seconds": round(node.seconds(time.time()), 1)}
            for view in views
            for name, node in view.nodes.items()
        },
        "warnings": warnings,
        "waits": any(map(is_waiting, views)),
    }
    if plan is not None:
        answer["plan"] = {node.node: node.what for node in plan.nodes if node.action is not Action.NOTHING}
    else:
        answer["published"] = {
            name: str(metadata[node][name]) for node, name in names if name in metadata.get(node, {})
        }
    return answer
