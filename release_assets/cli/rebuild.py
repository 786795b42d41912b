"""`release-assets rebuild TAG`: the images of a release again, then its manifest list and floating tags."""

from __future__ import annotations

import json

import click

from release_assets.assets.image_step import image_name
from release_assets.cli.runs import declared_project, release_tag, run_docker_job


@click.command()
@click.argument("tag")
@click.option("--project", help="Which project, where there are several.")
@click.option("--platform", "platforms", multiple=True, help="Only this platform's image; may be repeated.")
@click.option("--pull", is_flag=True, help="Pull the base images fresh, for a fix in one of them.")
@click.option("--reason", default="release-assets rebuild", help="Why; it is recorded with the images.")
@click.option("--json", "as_json", is_flag=True, help="Print the old and new digests as one line of JSON.")
def rebuild(
    tag: str, project: str | None, platforms: tuple[str, ...], pull: bool, reason: str, as_json: bool
) -> None:
    """Build the images of TAG's release again, from its newest rebuild tag where it has one.

    The version stays, and so do the files on the package index: only the images change.
    """
    declared = declared_project(project)
    of_project = declared.image.platforms if declared.image else []
    for platform in platforms:
        if platform not in of_project:
            raise click.UsageError(f"{platform} is not among the platforms: {', '.join(of_project)}")
    images = [image_name(platform) for platform in platforms or of_project]
    metadata = run_docker_job(
        declared,
        release_tag(declared, tag),
        ["version", *images, "manifest_list", "floating_tags"],
        {"release_assets/reason": reason, **({"release_assets/pull": "true"} if pull else {})},
    )
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
    for row in digests:
        click.echo(f"{row['image']}\n  {row['before']} → {row['after']}")
    click.echo(f"floating tags moved: {moved}")
