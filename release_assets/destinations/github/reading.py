"""Reading releases: one by its tag or its id, and lists page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from github.Requester import Requester

from release_assets.destinations import bounds
from release_assets.destinations.github.connection import PAGE
from release_assets.destinations.github.failures import MissingError, in_our_words
from release_assets.destinations.http import AGAIN
from release_assets.destinations.releases import PublishedRelease, ReleaseAsset
from release_assets.errors import TransientError
from release_assets.text import one_line

T = TypeVar("T")


def find_release(
    github: Requester, repository: str, tag: str, *, token_env: str
) -> tuple[PublishedRelease | None, tuple[PublishedRelease, ...]]:
    """Return the release of `tag`, drafts included, and the other ones of the same tag.

    A POST that was repeated leaves two: the published one is taken, else the oldest.
    Raises TransientError or PermanentError: an outage is not the absence of a release.
    """
    found = [
        release
        for release in _listed(github, f"{api_path(repository)}/releases", parsed_release, token_env)
        if release.tag == tag
    ]
    if not found:
        return None, ()
    best, *others = sorted(found, key=lambda release: (release.draft, release.id))
    return _with_assets(github, repository, best, token_env), tuple(others)


def release_by_id(github: Requester, repository: str, number: int, token_env: str) -> PublishedRelease:
    """Return a release as it is now."""
    with in_our_words(github, f"reading release {number} of {repository}", token_env):
        _, answer = github.requestJsonAndCheck("GET", f"{api_path(repository)}/releases/{number}")
        release = parsed_release(answer)
    return _with_assets(github, repository, release, token_env)


def has_tag(github: Requester, repository: str, tag: str, *, token_env: str) -> bool:
    """Return whether GitHub has the git tag. Raises as find_release does."""
    try:
        with in_our_words(github, f"reading the tag {tag} of {repository}", token_env):
            github.requestJsonAndCheck("GET", f"{api_path(repository)}/git/ref/tags/{quote(tag)}")
    except MissingError:
        return False
    return True


def _with_assets(
    github: Requester, repository: str, release: PublishedRelease, token_env: str
) -> PublishedRelease:
    """Return the release with its whole list of assets, half-uploaded ones included."""
    url = f"{api_path(repository)}/releases/{release.id}/assets"
    return replace(release, assets=tuple(_listed(github, url, _asset, token_env)))


def _listed(github: Requester, url: str, read: Callable[[Any], T], token_env: str) -> Iterator[T]:
    """Yield the entries of a list, page by page, so that those that nobody keeps take no memory."""
    doing = f"reading {url}"
    for number in page_numbers(github, doing):
        with in_our_words(github, doing, token_env):
            _, page = github.requestJsonAndCheck("GET", url, parameters={"per_page": PAGE, "page": number})
            entries = [read(entry) for entry in entries_of(page)]
        yield from entries
        if len(entries) < PAGE:
            break


def page_numbers(github: Requester, doing: str) -> Iterator[int]:
    """1, 2, 3, … as far as GitHub's lists go. Raises TransientError when reading them takes too long."""
    deadline = time.monotonic() + bounds.BOUNDS.github_list_seconds
    for number in range(1, bounds.BOUNDS.github_pages + 1):
        if time.monotonic() > deadline:
            said = f"{number - 1} pages took longer than {bounds.BOUNDS.github_list_seconds:.0f} s."
            raise TransientError(f"{github.base_url}: {doing}: {said}", AGAIN)
        yield number


def entries_of(answer: Any) -> list[Any]:
    """Return a list out of GitHub's JSON; an answer that is none must not pass for an empty one."""
    if not isinstance(answer, list):
        raise TypeError(f"a list was asked for, not a {type(answer).__name__}")
    return answer


def parsed_release(answer: Any) -> PublishedRelease:
    """Return a release out of GitHub's JSON. Raises KeyError, TypeError or ValueError where it is none."""
    return PublishedRelease(
        id=int(answer["id"]),
        tag=str(answer["tag_name"]),
        url=_link(answer["html_url"]),
        name=str(answer["name"] or ""),
        body=str(answer["body"] or ""),
        draft=bool(answer["draft"]),
        prerelease=bool(answer["prerelease"]),
        assets=tuple(_asset(asset) for asset in answer["assets"]),
        published_at=None if answer["published_at"] is None else str(answer["published_at"]),
        # A template: https://uploads.github.com/…/assets{?name,label}
        upload_url=str(answer["upload_url"]).partition("{")[0],
        immutable=bool(answer.get("immutable")),  # GitHub Enterprise may not say it
    )


def _asset(answer: Any) -> ReleaseAsset:
    """Return an asset out of GitHub's JSON; raises as parsed_release does. Old assets have no digest."""
    digest = answer.get("digest")
    return ReleaseAsset(
        id=int(answer["id"]),
        name=str(answer["name"]),
        size=int(answer["size"]),
        state=one_line(str(answer["state"])),
        digest=None if digest is None else one_line(str(digest)),
        url=_link(answer["browser_download_url"]),
    )


def _link(url: Any) -> str:
    """Return a URL that people may be shown, and click on. Raises ValueError where it is none."""
    link = one_line(str(url))
    if not link.startswith(("https://", "http://")):
        raise ValueError(f"{link!r} is not a link")
    return link


def api_path(repository: str) -> str:
    """Return the API's path of `owner/name`."""
    return f"/repos/{quote(repository, safe='/')}"
