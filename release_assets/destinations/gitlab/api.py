"""GitLab's API over exchanges that are bounded in bytes and seconds, without any retry.

python-gitlab bounds each read of an answer, but neither the whole answer nor its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, Answer, exchange, parsed_json, retry_after, seconds_for
from release_assets.destinations.http.kept import KeptConnection
from release_assets.errors import PermanentError, ReleaseError, TransientError, error_for_status
from release_assets.text import one_line, without

PAGE = 100  # entries, the most that GitLab gives
JOB_TOKEN = "CI_JOB_TOKEN"


class TakenError(TransientError):
    """GitLab has such a thing already: an answer that was lost, or somebody else who was quicker."""


@dataclass(frozen=True)
class Api:
    """The API of one project."""

    url: str
    project: str
    token: str | None = field(repr=False)
    token_env: str

    @property
    def path(self) -> str:
        """Return the project's path in the API."""
        return f"/projects/{quote(self.project, safe='')}"

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every request. A job's token has a header of its own."""
        if self.token is None:
            return {}
        if self.token_env == JOB_TOKEN:
            return {"JOB-TOKEN": self.token}
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, doing: str) -> Any:
        """Return the JSON at a path below the project, None where there is none (404)."""
        answer = self.ask("GET", path, seconds=bounds.BOUNDS.github_list_seconds / 5)
        return None if answer.status == 404 else self._json(answer, doing)

    def listed(self, path: str, doing: str) -> Iterator[Any]:
        """Yield the entries of a list, page by page. Raises TransientError where it has no end."""
        mark = "&" if "?" in path else "?"
        for number in range(1, bounds.BOUNDS.github_pages + 1):
            entries = self.send("GET", f"{path}{mark}per_page={PAGE}&page={number}", doing)
            if not isinstance(entries, list):
                raise self.nonsense(doing, "expected a list")
            yield from entries
            if len(entries) < PAGE:
                return
        raise TransientError(f"{self.url}: {doing}: more than {bounds.BOUNDS.github_pages} pages", AGAIN)

    def send(self, method: str, path: str, doing: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send JSON and return the JSON of the answer."""
        data = json.dumps(body).encode() if body is not None else None
        return self._json(self.ask(method, path, data=data, seconds=60.0), doing)

    def upload(self, path: str, file: Path, doing: str) -> None:
        """Put a file."""
        with file.open("rb") as stream:
            answer = exchange(
                "PUT",
                f"{self.url}{self.path}{path}",
                seconds=seconds_for(file.stat().st_size),
                limit=bounds.BOUNDS.github_bytes,
                headers={**self.headers, "Content-Type": "application/octet-stream"},
                data=stream,
            )
        self._json(answer, doing)

    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        connection: KeptConnection | None = None,
    ) -> Answer:
        """Return the answer to one request, whatever its status; over the kept connection, if it works."""
        url = f"{self.url}{self.path}{path}"
        sent = {**self.headers, **(headers or {})}
        if data is not None:
            sent["Content-Type"] = "application/json"
        limit = bounds.BOUNDS.github_bytes
        if connection is not None:
            kept = connection.ask(
                method, url, headers=sent, seconds=bounds.BOUNDS.kept_seconds, limit=limit, data=data
            )
            if kept is not None:
                return kept
        return exchange(method, url, seconds=seconds, limit=limit, headers=sent, data=data)

    def _json(self, answer: Answer, doing: str) -> Any:
        if not 200 <= answer.status < 300:
            raise self.error(answer, doing)
        if not answer.body:
            return None
        try:
            return parsed_json(answer.body)
        except (ValueError, RecursionError) as error:
            raise self.nonsense(doing, str(error)) from None

    def nonsense(self, doing: str, why: str) -> TransientError:
        """Return the error for an answer that is not what GitLab answers."""
        secrets = [self.token] if self.token else []
        words = one_line(without(secrets, why))
        return TransientError(f"{self.url}: {doing}: the answer makes no sense ({words}).", AGAIN)

    def error(self, answer: Answer, doing: str) -> ReleaseError:
        """Return the error for an answer of 300 and more, in GitLab's own words."""
        secrets = [self.token] if self.token else []
        said = one_line(without(secrets, _message(answer.body)))
        problem = f"{self.url}: {doing}: GitLab answered {answer.status}: {said}."
        wait = retry_after(answer.headers, datetime.now(UTC))
        match answer.status:
            case 401 | 403:
                return PermanentError(
                    problem,
                    f"Create a token with the scope `api` and the role Developer for {self.project}, and put "
                    f"it into {self.token_env}.",
                )
            case 404:
                return PermanentError(
                    problem,
                    f"Check gitlab.project in defs.yaml, and that the token in {self.token_env} can see "
                    f"{self.project}.",
                )
            case 409:
                return TakenError(problem, AGAIN)
            case status if 300 <= status < 400:
                target = one_line(answer.headers.get("location", "?"))
                return PermanentError(
                    f"{problem} It has moved to {target}.",
                    "Write the project's new path, or the API's own address, into defs.yaml.",
                )
        remedy = "GitLab's words say what it rejects: change that first."
        return error_for_status(answer.status, problem, remedy, wait=wait)


def _message(body: bytes) -> str:
    """Return what the body of an error says: GitLab writes message, error or error_description."""
    try:
        content = parsed_json(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        return body.decode(errors="replace") or "no message"
    for name in ("message", "error_description", "error"):
        if name in content:
            said = content[name]
            return said if isinstance(said, str) else json.dumps(said)
    return "no message"
