"""Steps of a run work at the same time, each in a process that was forked from the run's worker."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.

import os
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from release_assets.executor import START_METHOD, parallel_executor

SECONDS = 30.0
loaded: list[str] = []  # what a worker has in memory and an interpreter of its own would not


@dg.op(out=dg.Out(dg.Nothing), retry_policy=dg.RetryPolicy(max_retries=1))
def here(context: dg.OpExecutionContext) -> None:
    """Fail once, then wait for the other."""
    _meet(context, "there")


@dg.op(out=dg.Out(dg.Nothing))
def there(context: dg.OpExecutionContext) -> None:
    """Wait for the other."""
    _meet(context, "here")


def _meet(context: dg.OpExecutionContext, other: str) -> None:
    name = context.op.name
    folder = Path(os.environ["MEETING"])
    print(f"{name} is {os.getpid()} of {os.getppid()} and has {loaded}")
    if name == "here" and not context.retry_number:
        raise ValueError("the first attempt")
    (folder / name).touch()
    deadline = time.monotonic() + SECONDS
    while not (folder / other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other} did not come")
        time.sleep(0.05)


@dg.job(executor_def=parallel_executor)
def meeting() -> None:
    """Two steps that succeed only together."""
    here()
    there()


@pytest.mark.skipif(sys.platform != "linux", reason="forking is for Linux")
def test_steps_are_forked_from_the_worker_and_work_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert START_METHOD == {"fork": {}}
    monkeypatch.setenv("MEETING", str(tmp_path))
    monkeypatch.setattr(sys.modules[__name__], "loaded", ["the code location"])
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.execute_job(dg.reconstructable(meeting), instance=instance)
        assert result.success
        events = [event.event_type_value for event in result.all_events]
        assert events.count("STEP_UP_FOR_RETRY") == 1
        logs = [file.read_text() for file in sorted(tmp_path.rglob("*.out"))]
    told = [line for log in logs for line in log.splitlines()]
    assert len(told) == 3  # each attempt has a log of its own
    assert all(line.endswith(f" of {os.getpid()} and has ['the code location']") for line in told), told
