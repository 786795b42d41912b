"""Everything of Dagster's is killed in the middle of a release; started again, it goes on by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from tools.chaos.processes import kill_everything_of, processes_of
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.timeout(400)

NOTICED_SECONDS = 45.0  # after the restart: the next look of run monitoring, on a busy machine
SLOW_BACKEND = """\
import time
from flit_core.buildapi import *  # noqa: F403
from flit_core import buildapi

def build_sdist(*arguments):
    time.sleep(8)
    return buildapi.build_sdist(*arguments)
"""


def test_a_stack_killed_in_a_build_releases_after_its_restart(
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


def test_a_daemon_killed_in_a_tick_releases_each_tag_once(
    new: NewMaintainer,
    package_stands: Stands,
    tmp_path: Path,
) -> None:
    """Of four tags that one tick has found some are launched already, and its cursor is not kept yet."""
    maintainer = new(package_stands)
    definition = json.dumps({"type": "release_assets.ReleaseGraph", "attributes": maintainer.attributes})
    stack = Stack.at(
        tmp_path / "home", definitions={maintainer.name: definition}, variables=maintainer.variables
    )
    versions = [f"1.{minor}.0" for minor in range(4)]
    sensor = f"{maintainer.name}_release_tags"
    with stack.instance() as instance:
        with stack.daemon():
            stack.wait_for_first_ticks({sensor})
            commits = {version: maintainer.commit(version) for version in versions}
            daemon = next(process for process in processes_of(stack.home) if "run" in process.cmdline())
            for version, commit in commits.items():
                maintainer.repository.tag(f"v{version}", commit)
            wait_for(lambda: instance.get_runs_count() > 0, 60, pause=0.002)
            daemon.suspend()
            launched = instance.get_runs_count()
            kill_everything_of(stack.home)
        assert 0 < launched < len(versions)
        with stack.daemon():
            key = dg.AssetKey([maintainer.name, "github_release"])
            tags = {f"v{version}" for version in versions}
            wait_for(lambda: instance.get_materialized_partitions(key) == tags, 240)
        # A run that was killed is launched once more by Dagster; the sensor itself launched each tag once.
        asked_for = [run.tags["dagster/run_key"] for run in instance.get_runs() if run.parent_run_id is None]
    assert sorted(asked_for) == [f"release v{version}" for version in versions]
    assert len(maintainer.served()) == 2 * len(versions)
    assert sorted(maintainer.github_releases()) == sorted(tags)


def wait_for(is_so: Callable[[], bool], seconds: float, *, pause: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(pause)


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
