"""`release-assets plan TAG`: what a release would do now, with nothing done and no secret needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.markup import escape

from release_assets.cli.options import epilog, json_option, project_option
from release_assets.cli.runs import declared_project, records_instance, refuse_pointer, release_of
from release_assets.cli.tag_lines import move_lines
from release_assets.cli.terminal import columns, duration, print_lines
from release_assets.nodes.preflight import needs
from release_assets.planning.estimate import Estimate, estimate
from release_assets.planning.observed import World
from release_assets.planning.plan import Action, Plan, plan_release
from release_assets.planning.records import recorded_seconds
from release_assets.planning.world import observe, step_of
from release_assets.project import Project
from release_assets.rules.tag_moves import as_rows
from release_assets.rules.tags import Release
from release_assets.secrets import read_secret

MARKS = {
    Action.DO: "[cyan]▸[/]",
    Action.NOTHING: "[green]✓[/]",
    Action.WAITS: "[yellow]‖[/]",
    Action.BLOCKED: "[red]✗[/]",
    Action.UNKNOWN: "[yellow]?[/]",
}


@click.command(epilog=epilog("release-assets plan v1.2.3", "release-assets plan v1.2.3 --json"))
@click.argument("tag")
@project_option
@json_option("Print the plan as one line of JSON.")
def plan(tag: str, project: str | None, as_json: bool) -> None:
    """Show what a release of TAG would do now.

    Each node is shown with what is there already, what would be done, or what blocks it. The floating tags
    are shown with the versions that they would move from and to. How long the release takes is estimated from
    the recorded releases and from what changed since the one before: the Dockerfile, the requirements, code
    only, or nothing.

    Nothing is changed, and no secret is needed. A private destination is shown as not visible. The exit
    status is 1 where something blocks the release.
    """
    declared = declared_project(project)
    release, remote_tags = release_of(declared, tag)
    refuse_pointer(declared, tag, remote_tags)
    with records_instance() as instance:
        world = observe(declared, release, remote_tags, instance)
        planned = plan_release(declared, world, datetime.now(UTC))
        mirror = step_of(declared, tag, remote_tags, instance).mirror
        takes = estimate(planned, world.change, recorded_seconds(instance, declared, remote_tags, mirror))
    secrets = {name: bool(read_secret(name)) for name in _variables(declared, release)}
    if as_json:
        click.echo(json.dumps(_answer(declared, world, planned, takes, secrets)))
    else:
        print_lines(_lines(declared, world, planned, takes, secrets))
    if planned.is_blocked:
        raise click.exceptions.Exit(1)


def _variables(project: Project, release: Release) -> list[str]:
    """Return the names of the secrets that the release needs, where it runs."""
    found = [name for need in needs(project, release.channel) for name in need.secrets]
    return list(dict.fromkeys(found))


def _lines(
    project: Project, world: World, plan: Plan, takes: Estimate, secrets: dict[str, bool]
) -> list[str]:
    release = world.release
    lines = [
        f"{escape(project.project)} {release.version} ({release.channel.value}), tag {escape(release.tag)}",
        f"commit {release.commit}",
        *([f"images from {escape(world.rebuild_tag)}"] if world.rebuild_tag is not None else []),
        "",
        *columns([[MARKS[node.action], escape(node.node), escape(node.what)] for node in plan.nodes]),
    ]
    if plan.moves:
        lines += ["", "Floating tags:", *move_lines(plan.moves, digests=False)]
    for repository, moves in plan.mirror_moves.items():
        if moves:
            lines += ["", f"Floating tags in {escape(repository)}:", *move_lines(moves, digests=False)]
    if world.notes is not None:
        lines += ["", "Release notes:", *(f"  {escape(line)}".rstrip() for line in world.notes.splitlines())]
    lines += ["", *_how_long(world, takes), _secrets(secrets)]
    blocked = [node.node for node in plan.nodes if node.action is Action.BLOCKED]
    if blocked:
        lines.append(f"[red]Blocked: {escape(', '.join(blocked))}.[/]")
    elif all(node.action is Action.NOTHING for node in plan.nodes):
        lines.append("Nothing to do: the release is complete.")
    return lines


def _how_long(world: World, takes: Estimate) -> list[str]:
    """Return how long the release takes, and how that is known."""
    if not takes.total:
        return []
    parts = [f"package {duration(round(takes.package))}"] if takes.package else []
    if takes.images:
        changed = (
            f"{world.change.value} changed since {escape(world.previous)}"
            if world.previous is not None
            else "everything is new"
        )
        known = f"median of {takes.recorded} releases" if takes.recorded else "without records"
        parts.append(f"images {duration(round(takes.images))} ({changed}; {known})")
    return [f"About {duration(round(takes.total))}: {', '.join(parts)}."]


def _secrets(secrets: dict[str, bool]) -> str:
    unset = [name for name, is_set in secrets.items() if not is_set]
    words = f"It needs {', '.join(secrets)}" if secrets else "It needs no secret"
    return f"{words} (unset here: {', '.join(unset)})." if unset else f"{words}."


def _answer(
    project: Project, world: World, plan: Plan, takes: Estimate, secrets: dict[str, bool]
) -> dict[str, Any]:
    release = world.release
    return {
        "project": project.project,
        "tag": release.tag,
        "version": str(release.version),
        "channel": release.channel.value,
        "commit": release.commit,
        "previous": world.previous,
        "changed": world.change.value,
        "blocked": plan.is_blocked,
        "nodes": [{"node": node.node, "action": node.action.value, "what": node.what} for node in plan.nodes],
        "floating_tags": [
            *as_rows(plan.moves),
            *(
                {**row, "repository": repository}
                for repository, moves in plan.mirror_moves.items()
                for row in as_rows(moves)
            ),
        ],
        "notes": world.notes,
        "seconds": {
            "package": round(takes.package, 1),
            "images": round(takes.images, 1),
            "total": round(takes.total, 1),
            "recorded_releases": takes.recorded,
        },
        "secrets": secrets,
    }
