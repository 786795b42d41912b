"""Whose image a tag points to: somebody else's is never overwritten without a maintainer's word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from release_assets.assets.image_step import ImageSource
from release_assets.assets.step import Step
from release_assets.destinations.http import one_line
from release_assets.destinations.registry import Manifest, Registry, platform_images
from release_assets.errors import ConflictError

REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Owner:
    """What an image tag points to, and the commits that its images were built from."""

    manifest: Manifest
    revisions: frozenset[str]  # "none" for an image that names no commit


def observe_owner(registry: Registry, tag: str) -> Owner | None:
    """Return what the tag points to, None where it does not exist."""
    there = registry.manifest(tag)
    if there is None:
        return None
    return Owner(there, frozenset(label or "none" for label in _revisions(registry, there).values()))


def refuse_foreign(step: Step, reference: str, owner: Owner | None, source: ImageSource) -> None:
    """Return if a release's image may be pushed over what `reference` points to.

    Raises ConflictError, naming both commits, where that was built from another commit than the release's
    or does not say from which. A rebuild tag is a maintainer's word: then whatever is there is replaced.
    """
    if owner is None or owner.revisions == {step.release.commit}:
        return
    what = f"{reference} is {owner.manifest.digest}, built from commit " + one_line(
        ", ".join(sorted(owner.revisions))
    )
    if source.is_rebuild:
        step.say(f"{what}; it is replaced, as {source.description} asks for")
        return
    rebuild_tag = step.project.tags.rebuild.replace("{version}", str(step.release.version))
    raise ConflictError(
        f"{what}, and {step.release.tag} is commit {step.release.commit}",
        "Somebody else pushed that image, or the tag has moved since. To replace it, push the commit to "
        f"build from as the rebuild tag {rebuild_tag}.",
    )


def _revisions(registry: Registry, there: Manifest) -> Mapping[str, str | None]:
    """The commit that each image behind a tag says it was built from, by digest; None where it does not."""
    digests = platform_images(there).values() if there.is_index else [there.digest]
    revisions: dict[str, str | None] = {}
    for digest in digests:
        image = registry.manifest(digest)
        config = (image.parsed().get("config") or {}).get("digest") if image is not None else None
        blob = registry.blob(config) if isinstance(config, str) else None
        revisions[digest] = revision_label(blob) if blob is not None else None
    return revisions


def revision_label(config: bytes) -> str | None:
    """The commit in an image's config; None where there is none, or it is no config."""
    try:
        labels = json.loads(config)["config"]["Labels"]
        return str(labels[REVISION])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
