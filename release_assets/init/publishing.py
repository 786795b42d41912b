"""Read what a workflow publishes, and what of it has no counterpart here. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from release_assets.init.found import GitHubRelease, ImageBuild, Login, Upload
from release_assets.init.images import builds, logins, metadata_images
from release_assets.init.leftovers import not_taken, unknown
from release_assets.init.releases import releases
from release_assets.init.uploads import uploads
from release_assets.init.workflow import Workflow


@dataclass(frozen=True)
class Published:
    """All that one workflow publishes; `left` says in words what has no counterpart."""

    workflow: Workflow
    uploads: tuple[Upload, ...] = ()
    builds: tuple[ImageBuild, ...] = ()
    logins: tuple[Login, ...] = ()
    releases: tuple[GitHubRelease, ...] = ()
    left: tuple[str, ...] = ()


def read_publishing(workflow: Workflow) -> Published | None:
    """Return what a workflow publishes, or None where it publishes nothing."""
    found: list[Upload | ImageBuild | Login | GitHubRelease] = []
    left = [f"{called} is in another repository and was not looked into" for called in workflow.calls]
    images = metadata_images(workflow.steps)
    for step in workflow.steps:
        here: list[Upload | ImageBuild | Login | GitHubRelease] = [
            *uploads(step, workflow.place(step), step.job in workflow.trusted_jobs),
            *builds(step, workflow.place(step), images.get(step.job, ())),
            *logins(step, workflow.place(step)),
            *releases(step, workflow.place(step)),
        ]
        found += here
        words = not_taken(step) if here or step.uses == "docker/metadata-action" else unknown(step)
        left += (f"{step.place}: {sentence}" for sentence in words)
    if not any(isinstance(one, Upload | ImageBuild | GitHubRelease) for one in found):
        return None
    left += _beside_tags(workflow, has_images=any(isinstance(one, ImageBuild) for one in found))
    return Published(
        workflow,
        uploads=tuple(one for one in found if isinstance(one, Upload)),
        builds=tuple(one for one in found if isinstance(one, ImageBuild)),
        logins=tuple(one for one in found if isinstance(one, Login)),
        releases=tuple(one for one in found if isinstance(one, GitHubRelease)),
        left=tuple(f"{workflow.file}: {words}" for words in dict.fromkeys(left)),
    )


def _beside_tags(workflow: Workflow, *, has_images: bool) -> Iterator[str]:
    """Yield what starts the workflow besides tags and releases."""
    if workflow.branches and has_images:
        yield f"images of the branch {', '.join(workflow.branches)} are not built: tags start releases"
    if "schedule" in workflow.events:
        yield "nothing starts on a schedule: `release-assets rebuild TAG --pull` takes a fresh base image"
