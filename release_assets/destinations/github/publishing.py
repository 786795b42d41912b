"""Publishing a release: what is sent to GitHub, and in which order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from github import UnknownObjectException
from github.Requester import Requester

from release_assets.destinations import bounds
from release_assets.destinations.github.failures import (
    IMMUTABLE_REMEDY,
    ImmutableError,
    MissingError,
    TakenError,
    in_our_words,
)
from release_assets.destinations.github.plan import ReleasePlan, fitting_body, release_plan
from release_assets.destinations.github.reading import (
    api_path,
    find_release,
    has_tag,
    parsed_release,
    release_by_id,
)
from release_assets.destinations.http import AGAIN
from release_assets.destinations.releases import PublishedRelease, WantedAsset, WantedRelease
from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line


def publish_release(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    *,
    token_env: str,
    log: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[PublishedRelease, dict[str, float]]:
    """Make the release what is wanted: draft, assets, publish; whatever is there already is kept.

    Returns the release as observed at the end, and the seconds for `draft`, `assets` and `publish`. After a
    request whose outcome is not known, GitHub is looked at again before anything else is sent. An immutable
    release is returned as it is, and what it can never get is logged.
    Raises ConflictError or PermanentError at once, TransientError after the last attempt that the
    bounds allow.
    """
    started = time.monotonic()
    seconds = {"draft": 0.0, "assets": 0.0, "publish": 0.0}
    # A list may not show yet what was made a moment ago, so a release that is known is asked for by its id.
    known: int | None = None
    may_have_others, is_immutable = False, False
    rejected = ""
    for attempt in range(bounds.BOUNDS.github_attempts):
        try:
            if known is None:
                observed, others = find_release(github, repository, wanted.tag, token_env=token_env)
                for other in others:
                    log(f"{wanted.tag} has another release: {_named(other)}")
                may_have_others |= bool(others)
            else:
                observed = release_by_id(github, repository, known, token_env)
            if release_plan(observed, wanted).create:
                may_have_others = True  # a list may not show yet what somebody else drafts
                observed = _draft(github, repository, wanted, token_env, seconds, log)
            assert observed is not None  # noqa: S101  (else the plan was to create it)
            observed = replace(observed, immutable=observed.immutable or is_immutable)
            known = observed.id
            plan = release_plan(observed, wanted)
            if not plan.is_done:
                _complete(github, repository, observed, wanted, plan, token_env, seconds, log)
                observed = release_by_id(github, repository, known, token_env)
            plan = release_plan(observed, wanted)
            if plan.is_done:
                if plan.lacking:
                    log(f"warning: {lacking_words(observed.url, plan.lacking)}")
                if may_have_others:
                    _delete_our_other_drafts(github, repository, wanted, token_env, log)
                return observed, seconds
            problem = TransientError(
                f"{github.base_url}: {observed.url} is not complete, though GitHub took it all.", AGAIN
            )
        except TakenError as error:
            if error.problem == rejected:  # it is not there, and GitHub rejects it for another reason
                raise PermanentError(error.problem, "GitHub's words say what it rejects.") from None
            rejected = error.problem
            known, problem = None, error  # another release of the tag was published: that is the one
        except TransientError as error:
            problem = error
        except ImmutableError as error:
            if is_immutable:
                raise
            # The answers of an older GitHub do not say it, or a person published our draft a moment ago.
            is_immutable, problem = True, TransientError(error.problem, error.remedy)
            log(error.problem)
            continue
        except MissingError as error:
            if known is None:
                raise
            # A copy of GitHub's database that is late; or another daemon has published, and deleted ours.
            problem = TransientError(error.problem, AGAIN)
            known = known if attempt < 2 else None
        pause = max(2.0**attempt, problem.wait)
        is_over = time.monotonic() - started > bounds.BOUNDS.github_attempts_seconds
        if (
            attempt == bounds.BOUNDS.github_attempts - 1
            or is_over
            or pause > bounds.BOUNDS.github_pause_seconds
        ):
            break
        log(f"{problem.problem} Looking again in {pause:.0f} s.")
        sleep(pause)
    raise problem


def lacking_words(url: str, lacking: Sequence[str]) -> str:
    """Return what an immutable release can never get, and what to do about it."""
    return f"{url} is immutable and lacks {', '.join(lacking)} for good. {IMMUTABLE_REMEDY}"


def _draft(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    token_env: str,
    seconds: dict[str, float],
    log: Callable[[str], None],
) -> PublishedRelease:
    """Return a new draft of the release, adding to `seconds`."""
    target = _target(github, repository, wanted, token_env)
    with _timed(seconds, "draft"), in_our_words(github, f"drafting {wanted.tag}", token_env):
        log(f"drafting the release {wanted.tag} in {repository}")
        text = _text(None, wanted, target) | {"draft": True}
        _, answer = github.requestJsonAndCheck("POST", f"{api_path(repository)}/releases", input=text)
        return parsed_release(answer)


def _complete(
    github: Requester,
    repository: str,
    observed: PublishedRelease,
    wanted: WantedRelease,
    plan: ReleasePlan,
    token_env: str,
    seconds: dict[str, float],
    log: Callable[[str], None],
) -> None:
    """Do what the plan says with a release that is there, adding to `seconds`."""
    releases = f"{api_path(repository)}/releases"
    with _timed(seconds, "assets"):
        for old in plan.delete:
            with in_our_words(github, f"deleting the asset {one_line(old.name)} of {wanted.tag}", token_env):
                log(f"deleting {one_line(old.name)}, asset {old.id}, {old.size} bytes in state {old.state}")
                with contextlib.suppress(UnknownObjectException):  # gone already
                    github.requestJsonAndCheck("DELETE", f"{releases}/assets/{old.id}")
        for asset in plan.upload:
            with in_our_words(github, f"uploading the asset {asset.name} of {wanted.tag}", token_env):
                log(f"attaching {asset.name}, {asset.size} bytes")
                _upload(github, observed.upload_url, asset)
    if plan.publish:
        target = _target(github, repository, wanted, token_env)
        with _timed(seconds, "publish"), in_our_words(github, f"publishing {wanted.tag}", token_env):
            log(f"publishing the release {wanted.tag}")
            latest = "true" if wanted.latest and not wanted.prerelease else "false"
            text = _text(observed, wanted, target) | {"draft": False, "make_latest": latest}
            github.requestJsonAndCheck("PATCH", f"{releases}/{observed.id}", input=text)


def _delete_our_other_drafts(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    token_env: str,
    log: Callable[[str], None],
) -> None:
    """Delete drafts of the tag that nobody but us can have made: they have our title and our text.

    A draft whose answer was lost, or that a second daemon made at the same moment, would stay.
    """
    _, others = find_release(github, repository, wanted.tag, token_env=token_env)
    for other in others:
        if other.draft and (other.name, other.body) == (wanted.name, fitting_body(wanted.body)):
            with in_our_words(github, f"deleting {_named(other)}", token_env):
                log(f"deleting what is left over of {wanted.tag}: {_named(other)}")
                with contextlib.suppress(UnknownObjectException):  # gone already
                    github.requestJsonAndCheck("DELETE", f"{api_path(repository)}/releases/{other.id}")


def _target(github: Requester, repository: str, wanted: WantedRelease, token_env: str) -> dict[str, str]:
    """Return the commit for GitHub to put the tag on; nothing where GitHub has the tag.

    There it is of no use, and GitHub requires `Workflows: write` for it where the commit's workflows differ
    from the default branch's (cli/cli#9514).
    """
    if has_tag(github, repository, wanted.tag, token_env=token_env):
        return {}
    return {"target_commitish": wanted.commit}


def _text(
    observed: PublishedRelease | None, wanted: WantedRelease, target: Mapping[str, str]
) -> dict[str, Any]:
    """Return what is sent about the release; a title and a text that are there already are kept."""
    return {
        **target,
        "tag_name": wanted.tag,
        "name": (observed.name if observed else "") or wanted.name,
        "body": (observed.body if observed else "") or fitting_body(wanted.body),
        "prerelease": wanted.prerelease,
    }


def _upload(github: Requester, upload_url: str, asset: WantedAsset) -> None:
    """Attach one file. PyGithub lets the token out to hosts of the API's own domain only."""
    with asset.path.open("rb") as file:
        github.requestMemoryBlobAndCheck(
            "POST",
            upload_url,
            parameters={"name": asset.name},
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(asset.size)},
            file_like=file,
        )


def _named(release: PublishedRelease) -> str:
    """Return a release in words."""
    return f"{'draft' if release.draft else 'release'} {release.id}, {release.url}"


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the block takes to those of its stage, also when it fails."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] += time.monotonic() - started
