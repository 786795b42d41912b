"""`release-assets status [TAG]`: the world next to what was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.markup import escape

from release_assets.cli.options import epilog, json_option, project_option
from release_assets.cli.runs import declared_project, observed_releases, records_instance, release_of
from release_assets.cli.terminal import columns, print_lines
from release_assets.nodes.image_step import image_name
from release_assets.planning.comparison import NOT_THERE, Cell, Place, Row, State, compare
from release_assets.planning.observed import Hidden, Images, World
from release_assets.planning.overview import Overview, observe_overview
from release_assets.planning.records import recorded_metadata
from release_assets.planning.world import observe
from release_assets.project import Project
from release_assets.rules.tag_moves import Pointer
from release_assets.rules.warehouse import title

MARKS = {
    State.SAME: "[green]✓[/]",
    State.DIFFERS: "[red]✗[/]",
    State.GONE: "[red]✗[/]",
    State.UNRECORDED: "[cyan]+[/]",
    State.ABSENT: "[dim]-[/]",
    State.HIDDEN: "[yellow]?[/]",
}
STYLES = {
    Cell.YES: "green",
    Cell.ELSEWHERE: "cyan",
    Cell.GONE: "red",
    Cell.PART: "yellow",
    Cell.HIDDEN: "yellow",
}


@click.command(epilog=epilog("release-assets status", "release-assets status v1.2.3 --json"))
@click.argument("tag", required=False)
@project_option
@click.option("--last", default=10, show_default=True, help="How many releases to show without TAG.")
@json_option("Print the same as one line of JSON.")
def status(tag: str | None, project: str | None, last: int, as_json: bool) -> None:
    """Show a release as the world has it, next to what was recorded.

    With TAG, each file on the package index, each file of the GitHub release and each image is shown with the
    value that was recorded and the one that is there now, then which release holds each floating tag.
    The exit status is 1 where something is gone or differs from what was recorded.

    Without TAG, the last releases are shown as a table. `yes` is there and recorded, `elsewhere` is there and
    was not recorded by this Dagster, `part` is incomplete, `gone` was recorded and is not there anymore.

    No secret is needed. A private destination is shown as not visible without its token.
    """
    declared = declared_project(project)
    if tag is None:
        releases, remote_tags = observed_releases(declared)
        with records_instance() as instance:
            overview = observe_overview(declared, releases[:last], remote_tags, instance)
        if as_json:
            click.echo(json.dumps(_as_json(declared, overview)))
        else:
            print_lines(_matrix(declared, overview, len(releases)))
        return
    release, remote_tags = release_of(declared, tag)
    nodes = ["pypi_publication", "github_release"]
    if declared.image is not None:
        nodes += [image_name(platform) for platform in declared.image.platforms]
        nodes += [place.manifest_list_node for place in declared.image.places]
    with records_instance() as instance:
        world = observe(declared, release, remote_tags, instance)
        recorded = {node: recorded_metadata(instance, declared, node, tag) for node in nodes}
    places = compare(declared, world, recorded)
    if as_json:
        click.echo(json.dumps(_answer(declared, world, places)))
    else:
        print_lines(_lines(declared, world, places))
    if any(place.differs for place in places):
        raise click.exceptions.Exit(1)


def _lines(project: Project, world: World, places: list[Place]) -> list[str]:
    release = world.release
    lines = [
        f"{escape(project.project)} {release.version} ({release.channel.value}), tag {escape(release.tag)}",
        f"commit {release.commit}",
    ]
    if (approval := _approval(world)) is not None:
        lines.append(escape(approval))
    for place in places:
        lines += ["", f"[bold]{escape(place.name)}[/]  {escape(place.address)}"]
        if place.hidden is not None:
            lines.append(f"  [yellow]{escape(place.hidden)}[/]")
        elif not place.rows:
            lines.append("  nothing is there, and nothing was recorded")
        lines += columns([cells for row in place.rows for cells in _row(row)], indent=2)
    for repository, pointers in _pointers(world).items():
        lines += ["", f"[bold]Floating tags[/]{f'  {escape(repository)}' if repository else ''}"]
        lines += columns(
            [
                [escape(tag), str(there.version or "an unknown image"), there.digest]
                if there is not None
                else [escape(tag), NOT_THERE]
                for tag, there in pointers.items()
            ],
            indent=2,
        )
    return lines


def _approval(world: World) -> str | None:
    """Return how the release's approval stands, in words; None where the project requires none."""
    approvals = world.approvals
    if approvals is None:
        return None
    if (missing := approvals.missing) is not None:
        return f"waits for an approval: {missing}"
    assert approvals.recorded is not None  # noqa: S101  (nothing else covers it)
    return f"approved by {approvals.recorded.approved_by}: {approvals.recorded.reason}"


def _row(row: Row) -> list[list[str]]:
    """Return one line where both sides are the same, else one for each side."""
    what = escape(row.what)
    recorded, now = (escape(value) if value else NOT_THERE for value in (row.recorded, row.now))
    match row.state:
        case State.SAME:
            return [[MARKS[row.state], what, "recorded and there", now]]
        case State.UNRECORDED:
            return [[MARKS[row.state], what, "there, not recorded", now]]
        case State.HIDDEN:
            return [[MARKS[row.state], what, "recorded", recorded]]
        case _:
            return [[MARKS[row.state], what, "recorded", recorded], ["", "", "now", now]]


def _pointers(world: World) -> dict[str, Mapping[str, Pointer | None]]:
    """Return where the floating tags point, by mirror; those of the image's own repository are under ""."""
    return {
        repository: found.floating
        for repository, found in {"": world.images, **world.mirrors}.items()
        if isinstance(found, Images) and found.floating
    }


def _answer(project: Project, world: World, places: list[Place]) -> dict[str, Any]:
    release = world.release
    return {
        "project": project.project,
        "tag": release.tag,
        "version": str(release.version),
        "channel": release.channel.value,
        "commit": release.commit,
        "approval": _approval(world),
        "differs": any(place.differs for place in places),
        "places": [
            {
                "place": place.name,
                "address": place.address,
                "hidden": place.hidden,
                "rows": [
                    {"what": row.what, "recorded": row.recorded, "now": row.now, "state": row.state.value}
                    for row in place.rows
                ],
            }
            for place in places
        ],
        "floating_tags": [
            {
                "tag": tag,
                "digest": there.digest if there is not None else None,
                "version": str(there.version) if there is not None and there.version is not None else None,
                **({"repository": repository} if repository else {}),
            }
            for repository, pointers in _pointers(world).items()
            for tag, there in pointers.items()
        ],
        "hidden": isinstance(world.images, Hidden),
    }


def _matrix(project: Project, overview: Overview, releases: int) -> list[str]:
    if not overview.rows:
        return [f"{escape(project.project)} has no release tag in {escape(project.repository)}."]
    heads = ["release", title(project.index.upload_url), project.page.host]
    heads += ["images", "holds"] if project.image is not None else []
    rows = [[f"[bold]{escape(head)}[/]" for head in (*heads, "last run")]]
    for row in overview.rows:
        cells = [escape(row.tag), _styled(row.index), _styled(row.github)]
        if project.image is not None:
            cells += [_styled(row.images), escape(", ".join(row.holds)) or "-"]
        rows.append([*cells, escape(row.run) or "-"])
    lines = columns(rows)
    lines += [f"[yellow]?[/] {escape(what)}: {escape(why)}" for what, why in overview.hidden.items()]
    if releases > len(overview.rows):
        lines.append(f"[dim]{releases - len(overview.rows)} older releases are not shown (--last).[/]")
    return lines


def _styled(found: Cell | None) -> str:
    if found is None:
        return "-"
    style = STYLES.get(found)
    return f"[{style}]{found.value}[/]" if style else found.value


def _as_json(project: Project, overview: Overview) -> dict[str, Any]:
    return {
        "project": project.project,
        "hidden": dict(overview.hidden),
        "releases": [
            {
                "tag": row.tag,
                "version": str(row.version),
                "index": row.index.name.lower(),
                "github": row.github.name.lower() if row.github is not None else None,
                "images": row.images.name.lower() if row.images is not None else None,
                "holds": list(row.holds),
                "last_run": row.run or None,
            }
            for row in overview.rows
        ],
    }
