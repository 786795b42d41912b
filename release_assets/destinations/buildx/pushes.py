"""Build an image once and push it to several repositories, of which one may fail.

BuildKit pushes to all in one build, one after the other, and the first that fails ends it. Then each
repository is tried alone: the layers come from the builder's own cache. The rest is copied from there later,
by the assets of the manifest lists.
"""

from __future__ import annotations

from collections.abc import Callable

from release_assets.destinations.buildx.image_build import BuildResult, PushError
from release_assets.destinations.buildx.progress import Log
from release_assets.destinations.buildx.request import BuildRequest
from release_assets.destinations.registry import Repository
from release_assets.errors import ReleaseError


def pushed_somewhere(
    request: BuildRequest, build: Callable[[BuildRequest], BuildResult], log: Log
) -> tuple[BuildResult, Repository, dict[Repository, ReleaseError]]:
    """Return the build's result, a repository that has it, and the error of each that failed by itself.

    `build` builds and pushes, and raises PushError where one of several repositories failed. Without a
    repository that accepts the image, the error of the first one is raised.
    """
    try:
        return build(request), request.repository, {}
    except PushError as error:
        log(f"warning: {error.problem}")
        failed: dict[Repository, ReleaseError] = dict.fromkeys(error.named, error)
    # Those that the error names come last.
    for repository in sorted(request.repositories, key=lambda one: one in failed):
        log(f"pushing to {repository.host}/{repository.name} alone")
        # The builder has just made every layer, and the cache in a repository that fails would not end.
        try:
            result = build(request.alone(repository))
        except ReleaseError as error:
            failed[repository] = error
        else:
            return result, repository, {one: why for one, why in failed.items() if one != repository}
    raise failed[request.repository]
