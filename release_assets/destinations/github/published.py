"""The releases that were published lately, for a sensor that asks often."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from github.Requester import Requester

from release_assets.destinations import bounds
from release_assets.destinations.github.connection import PAGE, USER_AGENT, connect
from release_assets.destinations.github.failures import error_body, in_our_words
from release_assets.destinations.github.reading import api_path, entries_of, page_numbers, parsed_release
from release_assets.destinations.http import refuse_bomb
from release_assets.destinations.http.kept import KeptConnection
from release_assets.destinations.releases import Page, PublishedRelease, ReleasesAnswer


def published_releases(
    api_url: str,
    repository: str,
    token: str | None,
    pages: Sequence[Page],
    *,
    token_env: str,
    connection: KeptConnection | None = None,
    turn: int | None = None,
) -> ReleasesAnswer:
    """Return the published releases on all pages that changed since `pages`, which a call before returned.

    A page that did not change costs nothing of GitHub's primary limit. There is an ETag for each, since an
    old draft that is published late stands deep in the list. With a `turn`, which the caller counts up, the
    first page and one other are asked for, and the rest only where one of these has changed.
    The requests use the kept `connection`, if given. Raises as find_release does.
    """
    github = connect(api_url, token)
    releases: list[PublishedRelease] = []
    now: list[Page] = []
    answers: dict[int, tuple[int, Mapping[str, str], str]] = {}

    def ask(number: int) -> tuple[int, Mapping[str, str], str]:
        if number not in answers:
            etag = pages[number - 1].etag if number <= len(pages) else ""
            answers[number] = _page(github, connection, repository, token, number, etag)
        return answers[number]

    doing = f"reading the releases of {repository}"
    with in_our_words(github, doing, token_env):
        if turn is not None and pages:
            others = [2 + turn % (len(pages) - 1)] if len(pages) > 1 else []
            if all(ask(number)[0] == 304 for number in (1, *others)):
                return ReleasesAnswer((), tuple(pages))
        for number in page_numbers(github, doing):
            before = pages[number - 1] if number <= len(pages) else None
            status, headers, text = ask(number)
            if status == 304 and before is not None:
                now.append(before)
            elif status == 200:
                listed = [parsed_release(entry) for entry in entries_of(json.loads(text))]
                # Without their texts, which nobody needs: ten thousand of them are a gigabyte.
                releases += [replace(release, body="") for release in listed if not release.draft]
                now.append(Page(etag=headers.get("etag", ""), full=len(listed) >= PAGE))
            elif status >= 400:
                raise Requester.createException(status, dict(headers), error_body(text))
            else:
                raise ValueError(f"status {status} for what was not asked")
            if not now[-1].full:
                break
    return ReleasesAnswer(tuple(releases), tuple(now))


def _page(
    github: Requester,
    connection: KeptConnection | None,
    repository: str,
    token: str | None,
    number: int,
    etag: str,
) -> tuple[int, Mapping[str, str], str]:
    """Return status, headers and text of the answer for a page, conditional on its ETag."""
    path = f"{api_path(repository)}/releases"
    headers = {"If-None-Match": etag} if etag else {}
    if connection is not None:
        # With the headers of PyGithub, since an ETag may depend on them.
        login = {"Authorization": f"token {token}"} if token else {}
        answer = connection.ask(
            "GET",
            f"{github.base_url}{path}?per_page={PAGE}&page={number}",
            headers={"User-Agent": USER_AGENT, **login, **headers},
            seconds=bounds.BOUNDS.kept_seconds,
            limit=bounds.BOUNDS.github_bytes,
        )
        # What it does with a redirect is better told by a request of its own.
        if answer is not None and (answer.status in (200, 304) or answer.status >= 400):
            refuse_bomb(answer.body)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, answer.body.decode(errors="replace")
    status, found, text = github.requestJson(
        "GET", path, parameters={"per_page": PAGE, "page": number}, headers=headers
    )
    return status, found, text


def is_published(api_url: str, repository: str, token: str | None, tag: str, *, token_env: str) -> bool:
    """Return whether the tag has a published release, a draft being none. Raises as find_release does."""
    github = connect(api_url, token)
    with in_our_words(github, f"reading the release of {tag} in {repository}", token_env):
        path = f"{api_path(repository)}/releases/tags/{quote(tag, safe='')}"
        status, headers, text = github.requestJson("GET", path)
        if status not in (200, 404):
            raise Requester.createException(status, headers, error_body(text))
    return status == 200
