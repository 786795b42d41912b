"""Every node's treatment of an error: how long it waits, and what it reports."""

from __future__ import annotations

import pytest

from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.nodes.failures import LONG_ATTEMPT, LONGEST_WAIT, is_tried_again, wait_as_asked


def test_a_pause_that_was_asked_for_is_said_and_then_kept() -> None:
    said: list[str] = []
    slept: list[float] = []
    error = TransientError("GET x answered 429.", "again", wait=30)
    assert wait_as_asked(error, said.append, slept.append) is error
    assert said == ["GET x answered 429. It asks for 30 s of rest: waiting, then trying again."]
    assert slept == [30]


def test_without_a_pause_nothing_is_said() -> None:
    said: list[str] = []
    slept: list[float] = []
    wait_as_asked(TransientError("GET x failed.", "again"), said.append, slept.append)
    assert (said, slept) == ([], [])


def test_a_pause_of_hours_is_an_error_with_the_time_of_its_end() -> None:
    slept: list[float] = []
    error = wait_as_asked(
        TransientError("GET x answered 429.", "", wait=LONGEST_WAIT + 1), print, slept.append
    )
    assert isinstance(error, PermanentError)
    assert "It asks to be left alone for 901 s." in error.problem
    assert error.remedy.startswith("Materialize again after 2")
    assert slept == []


@pytest.mark.parametrize(
    ("error", "retries", "seconds", "again"),
    [
        (TransientError("no answer", ""), 0, 1, True),
        (TransientError("no answer", ""), 3, 1, True),
        (TransientError("no answer", ""), 4, 1, False),
        (TransientError("no answer", ""), 0, LONG_ATTEMPT + 1, True),
        (TransientError("no answer", ""), 1, LONG_ATTEMPT + 1, False),
        (PermanentError("refused", ""), 0, 1, False),
    ],
)
def test_transient_errors_are_retried_less_after_long_attempts(
    error: ReleaseError, retries: int, seconds: float, again: bool
) -> None:
    assert is_tried_again(error, retries, seconds) is again
