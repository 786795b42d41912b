"""Before the first thing that cannot be undone, every credential that the release needs is tried."""

from __future__ import annotations

from collections.abc import Callable

from release_assets.assets.image_step import image_registry
from release_assets.assets.step import Step
from release_assets.destinations import github, package_index
from release_assets.errors import PermanentError, TransientError
from release_assets.release import Channel


def check_destinations(step: Step) -> None:
    """Ask every destination of the release whether it would take it.

    Raises PermanentError that names everything that is wrong, at once; TransientError when the only trouble
    is that a destination cannot be asked now.
    """
    project, index = step.project, step.project.index_for(step.release.channel)
    step.require_secrets_of_the_release()
    checks: list[Callable[[], None]] = [
        lambda: package_index.check_access(
            index.upload_url,
            step.secret(index.token_env, f"uploading to {index.upload_url}"),
            token_env=index.token_env,
        )
    ]
    if step.release.channel is not Channel.TEST:
        checks.append(
            lambda: github.check_access(
                github.connect(
                    project.github.api_url, step.secret(project.github.token_env, "the GitHub release")
                ),
                project.github.repository,
                token_env=project.github.token_env,
            )
        )
    if project.image is not None:
        image = project.image
        checks.append(lambda: image_registry(step, image).check_access())
    refusals: list[PermanentError] = []
    unwell: list[TransientError] = []
    for check in checks:
        try:
            check()
        except PermanentError as error:
            refusals.append(error)
        except TransientError as error:
            unwell.append(error)
    if refusals:
        raise PermanentError(
            f"{step.release.tag} cannot be released, and nothing was uploaded now:\n"
            + "\n".join(f"- {error.problem}" for error in refusals),
            " ".join(error.remedy for error in refusals),
        )
    if unwell:
        raise unwell[0]
