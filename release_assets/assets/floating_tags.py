"""floating_tags: 1.2, 1 and latest point to this release, where no newer one holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import partial

from packaging.version import Version

from release_assets.destinations import git
from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError
from release_assets.nodes.approval import require_approval_of_images
from release_assets.nodes.image_holders import observe_pointers
from release_assets.nodes.image_step import image_registry, point_tag, published_images, registry_link
from release_assets.nodes.metadata import described, table
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.recorded_digests import recorded_digests
from release_assets.nodes.rollback import ROLLBACK, roll_back
from release_assets.nodes.step import Step
from release_assets.project import Image, Project
from release_assets.rules.image_tags import floating_tags as floating_tags_of
from release_assets.rules.image_tags import image_tag, why_none
from release_assets.rules.tag_moves import Pointer, TagMove, as_rows, moves_forward, overtaken_by


def floating_tags_node(project: Project, image: Image) -> Node:
    """Declare `<project>/floating_tags`, of the image in one of its repositories."""
    return Node(
        work=partial(floating_tags, image=image),
        name=image.floating_tags_node,
        deps=[image.manifest_list_node],
        half="images",
        kinds={"docker"},
        description=described(
            f"Points the floating tags ({', '.join(image.floating_tags) or 'none'}) of {image.repository} to "
            "this release where no newer release holds them. They never move backwards by themselves.",
            needs=[f"{image.username_env} and {image.token_env}"],
            again="a tag that is where it belongs stays there.",
        ),
        pool=project.pool,
    )


def floating_tags(step: Step, image: Image) -> Recorded:
    """Move the floating tags to this release where it is the highest, or back where the run rolls back."""
    release = step.release
    registry = image_registry(step, image)
    if ROLLBACK in step.context.run.tags:
        return roll_back(step, image, registry)
    require_approval_of_images(step)
    own_tag = image_tag(release.version, release.channel)
    with step.stage("observe"):
        own = registry.manifest(own_tag)
        if own is None:
            raise PermanentError(
                f"{registry.repository.reference(own_tag)} is not in the registry",
                f"Materialize {step.project.project}/{image.manifest_list_node} for this partition first.",
            )
        published = published_images(step, step.remote_tags, registry.tags())
        tags = floating_tags_of(release.version, release.channel, image.floating_tags)
        found = observe_pointers(registry, tags, published, release.channel)
    moves = []
    for move in moves_forward(release, own.digest, found, published, recorded_digests(step, image)):
        if not move.is_needed:
            step.say(f"{move.tag} stays: {move.why}")
            moves.append(move)
            continue
        point_tag(step, registry, move.tag, own)
        step.say(f"{move.tag} moved from {move.before or 'nothing'} to {move.after}: {move.why}")
        moves.append(_handed_over(step, registry, move, published))
    return Recorded(
        data_version=hashlib.sha256(_state(moves).encode()).hexdigest(),
        metadata={
            **registry_link(image, step.project, own_tag),
            "image": registry.repository.reference(own_tag),
            "digest": own.digest,
            "moved": ", ".join(move.tag for move in moves if move.is_needed) or "none",
            **({"tags": table(as_rows(moves))} if moves else {"tags": f"none: {why_none(release.channel)}"}),
        },
    )


def _handed_over(step: Step, registry: Registry, move: TagMove, published: Collection[Version]) -> TagMove:
    """Give the tag to a higher release that another daemon published between our look and our move."""
    now = published_images(step, git.observe_tags(step.project.repository), registry.tags())
    newest = overtaken_by(step.release, move.tag, published, now)
    newer = registry.manifest(image_tag(newest, step.release.channel)) if newest is not None else None
    if newer is None:
        return move
    point_tag(step, registry, move.tag, newer)
    after = Pointer(newer.digest, newest)
    step.say(f"{move.tag} moved on to {after}, which was published meanwhile")
    return TagMove(move.tag, move.before, after, f"highest is {newest}")


def _state(moves: Sequence[TagMove]) -> str:
    return "\n".join(f"{move.tag} {move.after.digest if move.after else 'none'}" for move in moves)
