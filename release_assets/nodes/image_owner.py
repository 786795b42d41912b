"""Refuse to overwrite an image that was not built from this release."""

from __future__ import annotations

from dataclasses import dataclass

from release_assets.destinations.registry import Manifest, Registry
from release_assets.errors import ConflictError
from release_assets.nodes.image_holders import REVISION, labels_of
from release_assets.nodes.image_step import ImageSource
from release_assets.nodes.step import Step
from release_assets.text import one_line


@dataclass(frozen=True)
class Owner:
    """The image that a tag points to, and the commits that its images were built from."""

    manifest: Manifest
    revisions: frozenset[str]  # "none" for an image that names no commit


def observe_owner(registry: Registry, tag: str) -> Owner | None:
    """Return what the tag points to, None where it does not exist."""
    there = registry.manifest(tag)
    if there is None:
        return None
    return Owner(there, frozenset(labels.get(REVISION, "none") for labels in labels_of(registry, there)))


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
