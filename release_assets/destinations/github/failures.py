"""GitHub's refusals and PyGithub's exceptions as ReleaseErrors."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from github import GithubException, RateLimitExceededException
from github.Requester import Requester

from release_assets.destinations.http import AGAIN, retry_after
from release_assets.errors import PermanentError, ReleaseError, TransientError, error_for_status
from release_assets.text import one_line, without

IMMUTABLE_REMEDY = (
    "What is missing can be added to a new version only. Let release-assets publish the release, or turn off "
    "release immutability in the repository's settings."
)


class TakenError(TransientError):
    """GitHub has such a thing already: an answer that was lost, or somebody else who was quicker."""


class ImmutableError(PermanentError):
    """The release is immutable: GitHub accepts no other files for it."""


class MissingError(PermanentError):
    """GitHub does not show such a thing: it is not there, or not for this token."""


@contextlib.contextmanager
def in_our_words(github: Requester, doing: str, token_env: str) -> Iterator[None]:
    """Turn what PyGithub raises into an error of ours: nothing else leaves this module.

    The original is dropped, since it holds the whole answer, and that may echo the token.
    """
    where = f"{github.base_url}: {doing}"
    try:
        yield
    except GithubException as error:
        raise _error(error, where, token_env, _secrets(github)) from None
    except AssertionError as error:
        raise PermanentError(
            f"{where}: an answer points to an address outside the API, {one_line(str(error))}.",
            "Write the API's own address into api_url; the token is sent to no other.",
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        words = without(_secrets(github), f"{type(error).__name__}: {error}")
        raise TransientError(f"{where}: the answer makes no sense ({one_line(words)}).", AGAIN) from None


def _error(error: GithubException, where: str, token_env: str, secrets: Sequence[str]) -> ReleaseError:
    """Return the error for an answer of 400 and more. Rate limits come with 403 as well as with 429."""
    data = error.data if isinstance(error.data, dict) else {}
    listed = data.get("errors") if isinstance(data.get("errors"), list) else []
    details = [detail for detail in listed or [] if isinstance(detail, dict)]
    message = str(data.get("message") or data.get("data") or "no message")
    words = [message, *(str(detail) for detail in listed or [] if isinstance(detail, str))]
    words += [" ".join(str(value) for value in detail.values()) for detail in details]
    said = one_line(without(secrets, "; ".join(words)))
    problem = f"{where}: GitHub answered {error.status}: {said}."
    headers = error.headers or {}
    pause = _pause(headers, datetime.now(UTC))
    if (
        isinstance(error, RateLimitExceededException)
        or error.status == 429
        or (error.status == 403 and pause)
    ):
        return TransientError(problem, AGAIN, wait=pause)
    if error.status in (401, 403):
        return PermanentError(
            problem,
            f"Check the token in {token_env}: is it valid, and may it write contents of this repository?",
        )
    if error.status == 404:
        return MissingError(
            problem,
            f"Check the repository's name in the YAML, and that the token in {token_env} can see it.",
        )
    # GitHub lists no errors for it.
    if error.status == 422 and re.search(r"\bimmutable release\b", message):
        return ImmutableError(problem, IMMUTABLE_REMEDY)
    if any("immutable release" in str(detail.get("message")) for detail in details):
        return PermanentError(
            problem,
            "An immutable release of this tag was deleted, and GitHub allows no other one: release a new "
            "version.",
        )
    codes = {detail.get("code") for detail in details}
    if error.status == 422 and (not codes or "already_exists" in codes):
        return TakenError(problem, AGAIN)
    kept = error_for_status(error.status, problem, "GitHub's words say what it refuses: change that first.")
    return TransientError(problem, AGAIN, wait=pause) if isinstance(kept, TransientError) else kept


def _pause(headers: Mapping[str, str], now: datetime) -> float:
    """Return the pause in seconds that GitHub requires: Retry-After, or until its limit is reset; else 0."""
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal() and "retry-after" not in headers:
        return min(1e9, max(1.0, float(reset) - now.timestamp()))
    return retry_after(headers, now)


def error_body(text: str) -> dict[str, Any]:
    """Return the JSON object of an error, or its text as PyGithub would wrap it."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(answer := json.loads(text), dict):
            return answer
    return {"data": text}


def _secrets(github: Requester) -> list[str]:
    """Return the token, to be kept out of every message."""
    return [github.auth.token] if github.auth is not None else []
