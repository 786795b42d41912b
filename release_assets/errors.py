"""The errors of a release, by what helps: a retry, or a person."""

from __future__ import annotations

from http import HTTPStatus


class ReleaseError(Exception):
    """A release cannot go on. Says what, where, why, and what to do next, in words for a maintainer."""

    def __init__(self, problem: str, remedy: str) -> None:
        """`problem` names the thing, the place and the values; `remedy` is what to do next."""
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}\n{remedy}")


class PermanentError(ReleaseError):
    """The same attempt would fail the same way: a wrong credential, a refused file, a mismatch."""


class DeclarationError(PermanentError):
    """A project's defs.yaml is invalid; names the file, the line and the key, and never a value."""


class ConflictError(PermanentError):
    """The destination holds something else under our name; never overwritten, both sides are named."""


class TransientError(ReleaseError):
    """The destination failed or is unreachable; a retry may succeed."""

    def __init__(self, problem: str, remedy: str, *, wait: float = 0.0) -> None:
        """`wait` is the seconds until a retry, as the destination requires; 0 where it names none."""
        self.wait = wait
        super().__init__(problem, remedy)


def error_for_status(status: int, problem: str, remedy: str, *, wait: float = 0.0) -> ReleaseError:
    """Return the error for an HTTP status of 400 and more; `wait` is its Retry-After, in seconds.

    Transient are the answers of a server that failed (5xx), is busy (429) or was too slow (408, 425);
    anything else would be answered the same way again.
    """
    busy = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in busy:
        return TransientError(problem, remedy, wait=wait)
    return PermanentError(problem, remedy)
