"""A dry run of a release's images: each platform's is built from the same files, and nothing is pushed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from release_assets.destinations import buildx
from release_assets.destinations.registry import parse_repository
from release_assets.nodes.image_request import build_request
from release_assets.nodes.image_step import build_secrets, image_source, published_files, wanted_labels
from release_assets.nodes.step import Step
from release_assets.project import Image
from release_assets.rules.wheel_tags import is_for_platform
from release_assets.secrets import read_secret

BUILD_SECONDS = 3 * 3600.0


def try_image(
    step: Step, image: Image, platform: str, *, pull: bool = False, log: Callable[[str], None]
) -> tuple[buildx.BuiltStep, ...]:
    """Build the image of a release for one platform, with its distributions as the context `dist`.

    Return the steps of the build. Raises a ReleaseError with the failing step's name and the end of its
    output.
    """
    source = image_source(step)
    login = [read_secret(variable) for variable in (image.username_env, image.token_env)]
    username, token = login if all(login) else (None, None)
    secrets = build_secrets(step, image)
    with (
        step.folder() as scratch,
        buildx.docker_environment(parse_repository(image.repository), username, token) as env,
    ):
        step.mirror.checkout(source.commit.sha, scratch / "source", log)
        labels, dist = wanted_labels(step, source.commit), _distributions(step, scratch, platform)
        request = build_request(
            step, image, platform, source.commit, labels, scratch, dist, pull=pull, secrets=secrets
        )
        return buildx.try_build(request, env, log=log, secrets=step.secrets, timeout=BUILD_SECONDS)


def _distributions(step: Step, scratch: Path, platform: str) -> Path:
    """Return a folder with the files that were built for the release, else with those that are published."""
    kept = [found for node in step.project.package.distributions for found in step.store.files(node)]
    if not kept or any(found.commit != step.release.commit for found in kept):
        return published_files(step, scratch, platform)
    folder = scratch / "dist"
    folder.mkdir()
    for found in kept:
        if is_for_platform(found.filename, platform):
            step.store.fetch(found, folder)
    return folder
