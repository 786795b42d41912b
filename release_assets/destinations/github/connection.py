"""PyGithub's requester over connections of ours.

Its own have no bound on an answer's size, repeat a POST on 5xx, and wait without end on uploads.github.com.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView
from typing import Any

from github import Auth
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, Answer, exchange, refuse_bomb, seconds_for
from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line

USER_AGENT = "release-assets"
PAGE = 100  # entries, the most that GitHub gives


def connect(api_url: str, token: str | None) -> Requester:
    """PyGithub's requester for `api_url`, without any retry of its own; None as token reads public things."""
    return _Requester(
        auth=Auth.Token(token) if token else None,
        base_url=api_url.rstrip("/"),
        timeout=30,
        user_agent=USER_AGENT,
        per_page=PAGE,
        verify=True,
        retry=None,
        pool_size=None,
        # GitHub recommends a second between writes to those who make many; a release is five.
        seconds_between_writes=None,
    )


class _Read(RequestsResponse):
    """An answer that has been read already."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self._answer = answer

    def getheaders(self) -> ItemsView[str, str]:
        return self._answer.headers.items()

    def read(self) -> str:
        refuse_bomb(self._answer.body)
        return self._answer.body.decode(errors="replace")


def _read(connection: HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass) -> _Read:
    """Make the request that the connection holds, bounded in bytes and seconds."""
    url = f"{connection.protocol}://{connection.host}:{connection.port}{connection.url}"
    data: Any = connection.input
    size = os.fstat(data.fileno()).st_size if hasattr(data, "fileno") else 0
    answer = exchange(
        connection.verb,
        url,
        seconds=seconds_for(size),
        limit=bounds.BOUNDS.github_bytes,
        headers=connection.headers,
        data=data,
    )
    # PyGithub would drop the query when it follows one, and ask again and again after a 202.
    if answer.status == 202:
        raise TransientError(f"{url} is still being worked on (202).", AGAIN)
    if 300 <= answer.status < 400 and answer.status != 304:
        target = one_line(answer.headers.get("location", "?"))
        raise PermanentError(
            f"{url} answered {answer.status}: it has moved to {target}.",
            "If the repository was renamed or moved, write its new name into the YAML.",
        )
    return _Read(answer)


class _HTTP(HTTPRequestsConnectionClass):
    """For the sandbox, and servers on loopback."""

    def getresponse(self) -> _Read:
        return _read(self)


class _HTTPS(HTTPSRequestsConnectionClass):
    """For api.github.com, uploads.github.com, and GitHub Enterprise."""

    def getresponse(self) -> _Read:
        return _read(self)


class _Requester(Requester):
    """PyGithub's requester, over the connections above."""


# On our own class, so that nobody else's use of PyGithub in the same process is changed.
_Requester.injectConnectionClasses(_HTTP, _HTTPS)
