"""Exchange requests with a registry: log in by its challenges, follow redirects, explain its errors."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO
from urllib.parse import urlencode, urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, MEBIBYTE, Answer, exchange, retry_after
from release_assets.destinations.registry.challenges import parse_challenges
from release_assets.destinations.registry.manifest import json_object
from release_assets.destinations.registry.refusals import Refusal, code_of, refusal_error
from release_assets.destinations.registry.repository import Repository
from release_assets.destinations.registry.urls import joined, origin, shown
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.project import is_loopback
from release_assets.text import one_line, without

REJECTED = "The registry's words say what it rejects. Check the image's repository in the YAML."


class Connection:
    """The requests to one image repository, with its login."""

    def __init__(
        self,
        repository: Repository,
        *,
        username: str | None,
        token: str | None,
        username_env: str,
        token_env: str,
    ) -> None:
        """Without user and token it is asked as anybody; the variables' names are for the errors."""
        self.repository = repository
        self._username, self._token = username, token
        self._variables = f"{username_env} and {token_env}"
        self._authorization: str | None = None

    @property
    def _secrets(self) -> list[str]:
        """Return what an answer must not bring into a log: our token, and the one that was issued for it."""
        issued = (self._authorization or "").partition(" ")[2]
        return [secret for secret in (self._token, issued) if secret]

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        rejected: str = REJECTED,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """Send a request to a path of the repository; the answer's body goes into `file` if given."""
        url = f"{self.repository.api_url}/v2/{self.repository.name}{path}"
        return self._ask_url(
            method,
            url,
            headers=headers or {},
            data=data,
            rejected=rejected,
            seconds=seconds,
            limit=limit,
            file=file,
        )

    def _ask_url(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | BinaryIO | None = None,
        rejected: str = REJECTED,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """Send a request, again with a token when the registry requires one. A 404 of a GET is an answer.

        A HEAD is not redirected: where its answer would come from, there is something.
        """
        ask = partial(
            self._exchange, method, headers=headers, data=data, seconds=seconds, limit=limit, file=file
        )
        answer = ask(url)
        if answer.status == 401 and "www-authenticate" in answer.headers:
            # Also when there was a token: they live for minutes only.
            self._authorization = self._met_challenge(answer)
            if self._authorization is not None:
                answer = ask(url)
        for _ in range(bounds.BOUNDS.redirects):
            target = answer.headers.get("location")
            if method != "GET" or answer.status not in (301, 302, 303, 307, 308) or target is None:
                break
            there = joined(answer.url, target)
            if not self._may_send_us_to(there):
                raise PermanentError(
                    f"{shown(url)} redirects to {shown(there)}, which is not https and not followed",
                    "Check the image's repository in the YAML, and ask the registry's operators.",
                )
            answer = ask(there)
        is_read = method in {"GET", "HEAD"}
        if 200 <= answer.status < 300 or (answer.status == 404 and is_read):
            return answer
        if method == "HEAD" and 300 <= answer.status < 400:
            return answer
        raise self._error(method, answer, rejected)

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | BinaryIO | None = None,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """One bounded exchange; only the registry itself sees the credentials, not the storage behind it."""
        if data is not None and not isinstance(data, bytes):
            data.seek(0)  # it was sent once before, without a login
        ours = self._authorization and origin(url) == origin(self.repository.api_url)
        authorization = {"Authorization": self._authorization} if ours and self._authorization else {}
        try:
            return exchange(
                method,
                url,
                seconds=bounds.BOUNDS.registry_seconds if seconds is None else seconds,
                limit=bounds.BOUNDS.registry_bytes if limit is None else limit,
                headers={**headers, **authorization},
                data=data,
                sink=file,
            )
        except ReleaseError as error:
            # The query of a redirect is a signature that opens the storage.
            raise type(error)(error.problem.replace(url, shown(url)), error.remedy) from None

    def _may_send_us_to(self, url: str) -> bool:
        """Allow https anywhere; http between servers of this machine, or within a registry without TLS."""
        here = self.repository.api_url
        return urlsplit(url).scheme == "https" or (
            urlsplit(url).scheme == "http"
            and ((is_loopback(url) and is_loopback(here)) or origin(url) == origin(here))
        )

    def _met_challenge(self, refusal: Answer) -> str | None:
        """Return the Authorization header that one of a 401's challenges is met with; None without a login.

        Bearer is met with a token as in the distribution project's token authentication (Docker Hub, GHCR),
        and goes before Basic, as in docker and containerd.
        Raises PermanentError where every challenge is of another scheme or leads where no login is sent.
        """
        challenges = parse_challenges(refusal.headers["www-authenticate"])
        schemes = [challenge.scheme for challenge in challenges]
        if challenges and not {"bearer", "basic"} & set(schemes):
            raise PermanentError(
                f"{self.repository.api_url} offers only {one_line(', '.join(schemes))} to authenticate",
                "release-assets uses Basic and Bearer: ask the registry's operators to offer one of them.",
            )
        basic = None
        if self._username is not None and self._token is not None:
            basic = "Basic " + base64.b64encode(f"{self._username}:{self._token}".encode()).decode()
        unusable = None
        for challenge in challenges:
            if challenge.scheme != "bearer":
                continue
            # Relative to the request, as every reference in an answer.
            named = challenge.parameters.get("realm", "")
            realm = joined(refusal.url, named) if named else ""
            if self._may_send_us_to(realm):
                return self._issued_token(realm, challenge.parameters.get("service"), basic)
            unusable = named
        if "basic" in schemes and basic is not None:
            return basic
        if unusable is not None:
            raise PermanentError(
                f"{self.repository.api_url} names {one_line(repr(unusable))} as the place for a token, which "
                "is not https",
                "Credentials are not sent there. Check the image's repository in the YAML, and ask the "
                "registry's operators.",
            )
        return None

    def _issued_token(self, realm: str, service: str | None, login: str | None) -> str:
        """Return the header with a token that the realm issued, for a login or for anybody."""
        # For anybody, a scope that includes push is refused altogether by some.
        scope = f"repository:{self.repository.name}:{'pull,push' if login else 'pull'}"
        query = {"service": service, "scope": scope} if service else {"scope": scope}
        answer = exchange(
            "GET",
            f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}",
            seconds=bounds.BOUNDS.registry_seconds,
            limit=MEBIBYTE,
            headers={"Authorization": login} if login else {},
        )
        if answer.status != 200:
            raise self._error("GET", answer)
        content = json_object(answer.body) or {}
        token = content.get("token") or content.get("access_token")
        if not isinstance(token, str):
            raise TransientError(f"{shown(realm)} answered no token", AGAIN)
        return f"Bearer {token}"

    def _error(self, method: str, answer: Answer, rejected: str = REJECTED) -> ReleaseError:
        """Return the error for an answer of 300 and more, with the registry's own words."""
        code, words = _code_and_words(answer.body)
        said = one_line(
            without(self._secrets, f"{code}: {words}" if code else words)
        )  # JSON hid it in escapes
        problem = f"{method} {shown(answer.url)} answered {answer.status} {one_line(answer.reason)}".rstrip()
        problem += f": {said}" if said else ""
        wait = retry_after(answer.headers, datetime.now(UTC))
        if self._username is None or self._token is None:
            login = f"Set {self._variables}: the registry requires authentication."
        else:
            login = f"Check {self._variables}: they must be allowed to pull and push in this repository."
        return refusal_error(
            Refusal(answer.status, code_of(code), words, wait),
            problem,
            self.repository,
            login=login,
            rejected=rejected,
            missing=f"Create {self.repository.name} in the registry first, or check the image's repository "
            "in the YAML.",
        )


def _code_and_words(body: bytes) -> tuple[str, str]:
    """Return the first code of the distribution spec in an error's body, or "", and what the body says."""
    errors = (json_object(body) or {}).get("errors")
    if isinstance(errors, list) and errors and all(isinstance(error, dict) for error in errors):
        others = [f"{error.get('code')}: {error.get('message', '')}" for error in errors[1:]]
        return str(errors[0].get("code")), "; ".join([str(errors[0].get("message", "")), *others])
    return "", body.decode(errors="replace")
