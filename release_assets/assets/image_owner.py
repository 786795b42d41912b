"""Whose image a tag points to: somebody else's is never overwritten without a maintainer's word."""

from __future__ import annotations

from release_assets.assets.image_step import ImageSource
from release_assets.assets.step import Step
from release_assets.destinations.http import one_line
from release_assets.destinations.registry import Registry
from release_assets.errors import ConflictError
from release_assets.image_holders import REVISION, labels_of


def refuse_foreign(step: Step, registry: Registry, tag: str, source: ImageSource) -> None:
    """Look at what a release's image tag points to before anything is pushed over it.

    Raises ConflictError, naming both commits, where that was built from another commit than the release's
    or does not say from which. A rebuild tag is a maintainer's word: then whatever is there is replaced.
    """
    with step.stage("observe"):
        there = registry.manifest(tag)
        if there is None:
            return
        revisions = {labels.get(REVISION, "none") for labels in labels_of(registry, there)}
    if revisions == {step.release.commit}:
        return
    what = f"{registry.repository.reference(tag)} is {there.digest}, built from commit " + one_line(
        ", ".join(sorted(revisions))
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
