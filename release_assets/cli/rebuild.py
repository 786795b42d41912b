"""`release-assets rebuild TAG`: the images of a release again, then its manifest list and floating tags."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click
import dagster as dg
from rich.markup import escape

from release_assets.cli.options import (
    SECRETS,
    dry_run_option,
    epilog,
    json_option,
    project_option,
    verbose_option,
)
from release_assets.cli.runs import declared_project, release_of, runs_of
from release_assets.cli.tag_lines import move_lines
from release_assets.cli.terminal import print_lines
from release_assets.cli.trial import try_images
from release_assets.nodes.image_step import image_name
from release_assets.nodes.recorded_digests import recorded_digests
from release_assets.planning.observed import Hidden
from release_assets.planning.plan import PENDING
from release_assets.planning.world import observe_images, step_of
from release_assets.project import Image, Project
from release_assets.rules.tag_moves import TagMove, as_rows, moves_forward
from release_assets.rules.tags import Release


@click.command(
    epilog=epilog(
        'release-assets rebuild v1.2.3 --pull --reason "CVE-2026-12345 in the base image"',
        "release-assets rebuild v1.2.3 --platform linux/arm64 --dry-run",
        secrets=SECRETS,
    )
)
@click.argument("tag")
@project_option
@click.option(
    "--platform", "platforms", multiple=True, help="Build this platform's image only. May be repeated."
)
@click.option("--pull", is_flag=True, help="Pull the base images again, for a fix in one of them.")
@click.option("--reason", default="release-assets rebuild", help="Say why. It is recorded with the images.")
@dry_run_option("Build the images, push nothing, and show what would move.")
@json_option("Print the old and new digests as one line of JSON.")
@verbose_option
def rebuild(
    tag: str,
    project: str | None,
    platforms: tuple[str, ...],
    pull: bool,
    reason: str,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Build the images of TAG's release again, from its newest rebuild tag where it has one.

    The version and the files on the package index stay. Only the images change, and the floating tags that
    point to them follow.
    """
    declared = declared_project(project)
    if declared.image is None:
        raise click.UsageError(f"{declared.project} declares no image.")
    of_project = declared.image.platforms
    for platform in platforms:
        if platform not in of_project:
            raise click.UsageError(f"{platform!r} is not among the platforms: {', '.join(of_project)}.")
    release, remote_tags = release_of(declared, tag)
    images = [image_name(platform) for platform in platforms or of_project]
    places = declared.image.places
    lists = [place.manifest_list_node for place in places]
    floating = [place.floating_tags_node for place in places]
    with runs_of(declared, verbose=verbose) as runs:
        if dry_run:
            try_images(runs, release, remote_tags, declared.image, platforms or of_project, pull=pull)
            moves = {
                place.repository: _moves(declared, place, release, remote_tags, runs.instance)
                for place in places
            }
            _say_what_would_move(declared, release, moves, as_json=as_json)
            return
        view = runs.run(
            f"{declared.project}_docker",
            release.tag,
            nodes=["version", *images, *lists, *floating, "summary"],
            tags={"release_assets/reason": reason, **({"release_assets/pull": "true"} if pull else {})},
        )
    metadata = {name: node.metadata for name, node in view.nodes.items()}
    digests = [
        {
            "image": str(metadata[node]["image"]),
            "before": str(metadata[node].get("previous_digest", "none")),
            "after": str(metadata[node]["digest"]),
        }
        for node in (*images, *lists)
    ]
    moved = str(metadata[floating[0]]["moved"])
    in_mirrors = {place.repository: str(metadata[place.floating_tags_node]["moved"]) for place in places[1:]}
    if as_json:
        click.echo(
            json.dumps(
                {
                    "project": declared.project,
                    "tag": tag,
                    "dry_run": False,
                    "images": digests,
                    "moved": moved,
                    **({"moved_in_mirrors": in_mirrors} if in_mirrors else {}),
                }
            )
        )
        return
    lines = []
    for row in digests:
        lines += [escape(row["image"]), f"  {row['before']} →", f"  {row['after']}"]
    lines.append(f"Floating tags moved: {escape(moved)}.")
    lines += [f"Floating tags moved in {escape(name)}: {escape(tags)}." for name, tags in in_mirrors.items()]
    print_lines(lines)


def _moves(
    project: Project,
    image: Image,
    release: Release,
    remote_tags: Mapping[str, str],
    instance: dg.DagsterInstance,
) -> list[TagMove] | Hidden:
    """Return where the floating tags of one repository would go when the images had been built again."""
    step = step_of(project, release.tag, remote_tags, instance)
    images = observe_images(project, image, release, remote_tags, frozenset(recorded_digests(step, image)))
    if isinstance(images, Hidden):
        return images
    own = {images.whole.digest} if images.whole is not None else set()
    return moves_forward(release, PENDING, images.floating, images.published, {*images.earlier, *own})


def _say_what_would_move(
    project: Project, release: Release, moves: Mapping[str, list[TagMove] | Hidden], *, as_json: bool
) -> None:
    """Print what would move, by repository."""
    if as_json:
        tags = [
            {**row, **({"repository": name} if len(moves) > 1 else {})}
            for name, found in moves.items()
            for row in (as_rows(found) if isinstance(found, list) else [])
        ]
        click.echo(
            json.dumps({"project": project.project, "tag": release.tag, "dry_run": True, "tags": tags})
        )
        return
    lines = ["[green]✓[/] the images can be built; nothing was pushed"]
    for name, found in moves.items():
        where = f" in {escape(name)}" if len(moves) > 1 else ""
        if isinstance(found, Hidden):
            lines.append(f"What would move{where}: {escape(found.why)}")
        elif found:
            lines += [f"Floating tags{where}:", *move_lines(found, digests=False)]
    print_lines(lines)
