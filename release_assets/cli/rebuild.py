"""`release-assets rebuild TAG`: the images of a release again, then its manifest list and floating tags."""

from __future__ import annotations

import json

import click
from rich.markup import escape

from release_assets.cli.options import json_option, project_option, verbose_option
from release_assets.cli.runs import declared_project, release_of, runs_of
from release_assets.cli.terminal import print_lines
from release_assets.nodes.image_step import image_name


@click.command()
@click.argument("tag")
@project_option
@click.option(
    "--platform", "platforms", multiple=True, help="Build this platform's image only. May be repeated."
)
@click.option("--pull", is_flag=True, help="Pull the base images again, for a fix in one of them.")
@click.option("--reason", default="release-assets rebuild", help="Say why. It is recorded with the images.")
@json_option("Print the old and new digests as one line of JSON.")
@verbose_option
def rebuild(
    tag: str,
    project: str | None,
    platforms: tuple[str, ...],
    pull: bool,
    reason: str,
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
    release, _ = release_of(declared, tag)
    images = [image_name(platform) for platform in platforms or of_project]
    with runs_of(declared, verbose=verbose) as runs:
        view = runs.run(
            f"{declared.project}_docker",
            release.tag,
            nodes=["version", *images, "manifest_list", "floating_tags"],
            tags={"release_assets/reason": reason, **({"release_assets/pull": "true"} if pull else {})},
        )
    metadata = {name: node.metadata for name, node in view.nodes.items()}
    digests = [
        {
            "image": str(metadata[node]["image"]),
            "before": str(metadata[node].get("previous_digest", "none")),
            "after": str(metadata[node]["digest"]),
        }
        for node in (*images, "manifest_list")
    ]
    moved = str(metadata["floating_tags"]["moved"])
    if as_json:
        click.echo(json.dumps({"project": declared.project, "tag": tag, "images": digests, "moved": moved}))
        return
    lines = []
    for row in digests:
        lines += [escape(row["image"]), f"  {row['before']} →", f"  {row['after']}"]
    print_lines([*lines, f"Floating tags moved: {escape(moved)}."])
