"""floating_tags: 1.2, 1 and latest point to this release, where no newer one holds them."""

from __future__ import annotations

import hashlib

import dagster as dg
from packaging.version import Version

from release_assets.assets.image_step import image_registry, point_tag, published_images
from release_assets.assets.rollback import ROLLBACK, roll_back
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import git
from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError
from release_assets.image_tags import holders, image_tag
from release_assets.project import Image, Project


def floating_tags(
    project: Project, image: Image, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset `<project>/floating_tags`."""

    @release_node(
        project,
        partitions,
        name="floating_tags",
        deps=["manifest_list"],
        kinds={"docker"},
        description="The tags that move to newer releases, never backwards: 1.2, 1 and latest.",
        pool=project.pool,
    )
    def work(step: Step) -> Recorded:
        release = step.release
        registry = image_registry(step, image)
        if ROLLBACK in step.context.run.tags:
            return roll_back(step, registry)
        own_tag = image_tag(release.version, release.channel)
        with step.stage("observe"):
            own = registry.manifest(own_tag)
            published = published_images(step, step.remote_tags, registry.tags())
        if own is None:
            raise PermanentError(
                f"{registry.repository.reference(own_tag)} is not in the registry",
                f"Materialize {project.project}/manifest_list for this partition first.",
            )
        rows: list[dict[str, str]] = []
        for tag, holder in holders(release, published).items():
            with step.stage("observe"):
                before = registry.manifest(tag)
            found = before.digest if before else "none"
            if holder != release.version:
                step.say(f"{tag} stays with {holder}, which is newer")
                rows.append({"tag": tag, "from": found, "to": found, "why": f"held by {holder}"})
                continue
            if found == own.digest:
                rows.append({"tag": tag, "from": found, "to": own.digest, "why": "was there"})
                continue
            point_tag(step, registry, tag, own)
            step.say(f"{tag} moved from {found} to {own.digest}")
            newest = _holder_now(step, registry, tag)
            if newest != release.version:
                # Another daemon published it between our look and our move: it shall not lose the tag to us.
                newer = registry.manifest(image_tag(newest, release.channel)) or own
                point_tag(step, registry, tag, newer)
                step.say(f"{tag} moved on to {newest}, which was published meanwhile: {newer.digest}")
                rows.append({"tag": tag, "from": found, "to": newer.digest, "why": f"highest is {newest}"})
                continue
            rows.append({"tag": tag, "from": found, "to": own.digest, "why": f"highest is {holder}"})
        state = "\n".join(f"{row['tag']} {row['to']}" for row in rows)
        return Recorded(
            data_version=hashlib.sha256(state.encode()).hexdigest(),
            metadata={
                "image": registry.repository.reference(own_tag),
                "digest": own.digest,
                "moved": ", ".join(row["tag"] for row in rows if row["from"] != row["to"]) or "none",
                **({"tags": table(rows)} if rows else {"tags": "none: a prerelease moves no tag"}),
            },
        )

    return work


def _holder_now(step: Step, registry: Registry, tag: str) -> Version:
    """Who the tag belongs to at this moment, by the remote and the registry asked anew."""
    remote_tags = git.observe_tags(step.project.repository)
    return holders(step.release, published_images(step, remote_tags, registry.tags()))[tag]
