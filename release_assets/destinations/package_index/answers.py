"""The meaning of an index's status codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from release_assets.destinations.http import AGAIN, Answer, retry_after
from release_assets.errors import ReleaseError, TransientError, error_for_status
from release_assets.text import one_line

CLOSED_REMEDY = "Its operators have closed it for now: watch its status page, then materialize again."
CLOSED = re.compile(r"read.?only|temporarily disabled", re.IGNORECASE)


def raise_for_status(answer: Answer, remedy: str) -> None:
    """Raise unless the answer is a 200."""
    if answer.status == 200:
        return
    problem = f"{one_line(answer.url)} answered {answer.status} {one_line(answer.reason)}".rstrip() + "."
    if answer.status < 400:
        raise TransientError(problem, AGAIN)
    if answer.status == 403 and CLOSED.search(answer.reason):
        raise TransientError(problem, CLOSED_REMEDY)
    wait = retry_after(answer.headers, datetime.now(UTC))
    raise for_status(answer.status, problem, remedy, wait=wait)


def for_status(status: int, problem: str, remedy: str, *, wait: float = 0.0) -> ReleaseError:
    """Return the error for a status of 400 and more; `remedy` is for those that stay as they are."""
    error = error_for_status(status, problem, remedy)
    return TransientError(problem, AGAIN, wait=wait) if isinstance(error, TransientError) else error
