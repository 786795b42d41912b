"""Fail a node: in words for a maintainer, retried where that can help.

Dagster has three kinds of retry. The policy below repeats a step within its run. `run_retries` in
dagster.yaml repeats a run whose worker died; it leaves failed steps alone (`retry_on_asset_or_op_failure:
false`), which would only fail again. The sensor `lost_retries` launches what that promised and lost.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

import dagster as dg

from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets.nodes.metadata import timings
from release_assets.nodes.step import Step
from release_assets.text import printable, redact

RETRIES = 4
# 3, 6, 12, 24 s: without jitter, which could let all five attempts fall into one short outage.
RETRY_POLICY = dg.RetryPolicy(max_retries=RETRIES, delay=3, backoff=dg.Backoff.EXPONENTIAL)
# Seconds; an attempt that took longer is repeated once and not four times, so that a server which accepts and
# never answers is told within minutes.
LONG_ATTEMPT = 120.0
LONGEST_WAIT = 900.0  # seconds; what Docker Hub's and GitHub's short limits ask for is less


@contextlib.contextmanager
def clear_failures(step: Step) -> Iterator[None]:
    """Turn what goes wrong in the block into Dagster's failure, after a pause where one was requested.

    Dagster shows the stack of every failure. Ours would hide the cause and the remedy from a person who opens
    the run, so it is left out: Python itself drops it where `sys.tracebacklimit` is 0.
    """
    sys.tracebacklimit = 1000  # Python's default; an attempt before this one may have failed
    try:
        yield
    except ReleaseError as error:
        if is_tried_again(error, step.context.retry_number, time.monotonic() - step.started):
            error = wait_as_asked(error, step.say)
            failure = _failure(error, step, again=isinstance(error, TransientError))
        else:
            failure = _failure(error, step, again=False)
        sys.tracebacklimit = 0
        raise failure from None
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        if not _is_canceled(step):
            raise
        sys.tracebacklimit = 0
        raise dg.Failure("The run was terminated.", allow_retries=False) from None
    except Exception as error:
        # A mistake of ours would be made again: it is shown at once, with its traceback. As text of ours:
        # Dagster would write down the words of every error in the chain, and a library's may hold a token.
        told = printable(redact("".join(traceback.format_exception(error)), step.secrets))
        what = printable(redact(repr(error), step.secrets))
        sys.tracebacklimit = 0
        raise dg.Failure(
            f"release-assets itself failed: {what}\n\nWhat to do: report it with the traceback, which is in "
            "this failure's metadata. Nothing is lost, and it can be materialized again.",
            metadata={"traceback": dg.MetadataValue.text(told), "kind": "mistake"},
            allow_retries=False,
        ) from None


def _is_canceled(step: Step) -> bool:
    """Return True where a person ended the run. Dagster retries after any interrupt, by its policy."""
    run = step.context.instance.get_run_by_id(step.context.run.run_id)
    return run is not None and run.status in {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def is_tried_again(error: ReleaseError, retries: int, seconds: float) -> TypeGuard[TransientError]:
    """Return True where another attempt follows one of so many `seconds`, after so many `retries`."""
    return isinstance(error, TransientError) and retries < (1 if seconds > LONG_ATTEMPT else RETRIES)


def wait_as_asked(
    error: TransientError, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> ReleaseError:
    """Wait as long as the destination requires, and report that first; return the error of this attempt.

    Where that is more than `LONGEST_WAIT`, the error is a PermanentError with the time of the next
    attempt: a run must not sit for hours.
    """
    if error.wait > LONGEST_WAIT:
        when = datetime.now(UTC) + timedelta(seconds=error.wait)
        return PermanentError(
            f"{error.problem} It asks to be left alone for {error.wait:.0f} s.",
            f"Materialize again after {when:%Y-%m-%d %H:%M} UTC. Nothing is lost.",
        )
    if error.wait:
        say(f"{error.problem} It asks for {error.wait:.0f} s of rest: waiting, then trying again.")
        sleep(error.wait)
    return error


def _failure(error: ReleaseError, step: Step, *, again: bool) -> dg.Failure:
    """In the error's words; retried where that can help."""
    problem = printable(redact(error.problem, step.secrets))
    remedy = printable(redact(error.remedy, step.secrets))
    kind = (
        "conflict" if isinstance(error, ConflictError)
        else "permanent" if isinstance(error, PermanentError)
        else "passing"
    )  # fmt: skip
    return dg.Failure(
        description=f"{problem}\n\nWhat to do: {remedy}",
        metadata={
            "problem": problem,
            "what_to_do": remedy,
            "kind": kind,
            **timings(step.seconds, None),
        },
        allow_retries=again,
    )
