"""The releases that were published lately, for a sensor that asks often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from github.Requester import Requester

from release_assets.destinations.github.connection import PAGE, connect
from release_assets.destinations.github.failures import error_body, in_our_words
from release_assets.destinations.github.model import PublishedRelease
from release_assets.destinations.github.reading import api_path, entries_of, page_numbers, parsed_release


@dataclass(frozen=True)
class Page:
    """What the sensor keeps of one page of releases: its ETag ("" where there was none), and whether it was
    full, so that there may be another one after it."""

    etag: str
    full: bool


@dataclass(frozen=True)
class ReleasesAnswer:
    """The published releases on the pages that changed, and what to ask with the next time."""

    releases: tuple[PublishedRelease, ...]
    pages: tuple[Page, ...]


def published_releases(
    api_url: str, repository: str, token: str | None, pages: Sequence[Page], *, token_env: str
) -> ReleasesAnswer:
    """The published releases on all pages that changed since `pages`, which is what came back the last time.

    A page that did not change costs nothing of GitHub's primary limit. There is an ETag for each, since an
    old draft that is published late stands deep in the list. Raises as find_release does.
    """
    github = connect(api_url, token)
    releases: list[PublishedRelease] = []
    now: list[Page] = []
    url = f"{api_path(repository)}/releases"
    doing = f"reading the releases of {repository}"
    with in_our_words(github, doing, token_env):
        for number in page_numbers(github, doing):
            before = pages[number - 1] if number <= len(pages) else None
            status, headers, text = github.requestJson(
                "GET",
                url,
                parameters={"per_page": PAGE, "page": number},
                headers={"If-None-Match": before.etag} if before is not None and before.etag else {},
            )
            if status == 304 and before is not None:
                now.append(before)
            elif status == 200:
                listed = [parsed_release(entry) for entry in entries_of(json.loads(text))]
                # Without their texts, which nobody needs: ten thousand of them are a gigabyte.
                releases += [replace(release, body="") for release in listed if not release.draft]
                now.append(Page(etag=headers.get("etag", ""), full=len(listed) >= PAGE))
            elif status >= 400:
                raise Requester.createException(status, headers, error_body(text))
            else:
                raise ValueError(f"status {status} for what was not asked")
            if not now[-1].full:
                break
    return ReleasesAnswer(tuple(releases), tuple(now))
