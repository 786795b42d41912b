"""Everything of Dagster's is killed in the middle of a release; started again, it goes on by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from release_assets.sandbox.stack import Stack
from release_assets_tests.chaos.kills import kill_everything_of
from release_assets_tests.maintainer import NewMaintainer, Stands

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

NOTICED_SECONDS = 45.0  # after the restart: the next look of run monitoring, on a busy machine
SLOW_BACKEND = """\
import time
from flit_core.buildapi import *  # noqa: F403
from flit_core import buildapi

def build_sdist(*arguments):
    time.sleep(8)
    return buildapi.build_sdist(*arguments)
"""


def test_a_stack_that_was_killed_in_a_build_releases_after_its_restart(
    new: NewMaintainer,
    package_stands: Stands,
    tmp_path: Path,
) -> None:
    maintainer = new(package_stands)
    definition = json.dumps({"type": "release_assets.ReleaseGraph", "attributes": maintainer.attributes})
    stack = Stack.at(
        tmp_path / "home", definitions={maintainer.name: definition}, variables=maintainer.variables
    )
    key = dg.AssetKey([maintainer.name, "github_release"])
    with stack.instance() as instance:
        with stack.daemon():
            stack.wait_for_first_ticks({f"{maintainer.name}_release_tags"})
            maintainer.commit("1.0.0", **{"backend.py": SLOW_BACKEND})
            pyproject = (maintainer.repository.path / "pyproject.toml").read_text()
            slow = pyproject.replace(
                'build-backend = "flit_core.buildapi"', 'build-backend = "backend"\nbackend-path = ["."]'
            )
            included = '\n[tool.flit.sdist]\ninclude = ["backend.py"]\n'
            maintainer.repository.commit({"pyproject.toml": slow + included})
            maintainer.repository.tag("v1.0.0")
            wait_for(lambda: steps_at_work(instance) == ["sdist"], 60)
            assert kill_everything_of(stack.home) >= 3  # daemon, code server, run worker
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED
        with stack.daemon():
            restarted = time.monotonic()
            wait_for(lambda: has_failed(instance, run.run_id), NOTICED_SECONDS)
            noticed = time.monotonic() - restarted
            wait_for(lambda: "v1.0.0" in instance.get_materialized_partitions(key), 120)
        print(f"noticed after {noticed:.1f} s, released after {time.monotonic() - restarted:.1f} s")
    assert len(maintainer.served()) == 2
    assert list(maintainer.github_releases()) == ["v1.0.0"]


def wait_for(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def steps_at_work(instance: dg.DagsterInstance) -> list[str]:
    return [
        step.step_key.rpartition("__")[2]
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        for step in instance.get_run_step_stats(run.run_id)
        if step.start_time is not None and step.end_time is None
    ]


def has_failed(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status is dg.DagsterRunStatus.FAILURE
