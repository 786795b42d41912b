"""Run workers are forked from a process that has loaded everything, and stop when they are told to."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from release_assets.run_launcher import WORKER, is_alive, recorded_worker
from release_assets.run_machine import Machine, this_machine
from release_assets.run_workers import RunWorkers, WorkersError, code_version
from release_assets_tests.hostile_server import hostile_server
from tools.sandbox.servers import free_port, wait_until
from tools.sandbox.stack import Stack

BOUND_SECONDS = 120.0

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on PythonError { message } ... on LaunchRunSuccess { run { runId } }
  }
}
"""
TERMINATE = """
mutation ($run: String!) {
  terminateRun(runId: $run) { __typename ... on TerminateRunFailure { message } }
}
"""


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunWorkers]:
    """Start what workers are forked from; `log` is its standard error."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    ours = os.dup(2)
    with (tmp_path / "log").open("wb") as log:
        os.dup2(log.fileno(), 2)
    started = RunWorkers()
    os.dup2(ours, 2)
    os.close(ours)
    try:
        yield started
    finally:
        started.end()


def parent_of(pid: int) -> int:
    """Return the process id of a process's parent; 0 where it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def test_each_worker_is_a_process_that_imports_nothing(workers: RunWorkers, tmp_path: Path) -> None:
    first, second = workers.start(["--version"]), workers.start(["--version"])
    assert first != second
    assert wait_until(lambda: not (parent_of(first) or parent_of(second)), seconds=10)
    assert (tmp_path / "log").read_text().count(f"dagster, version {dg.__version__}") == 2


def test_without_the_forking_process_there_are_no_workers(workers: RunWorkers) -> None:
    workers.end()
    with pytest.raises(WorkersError, match="no run worker was forked"):
        workers.start(["--version"])


def test_an_upgrade_is_seen_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "site-packages"
    installed.mkdir()
    monkeypatch.setattr("sys.path", [str(installed), str(tmp_path / "gone/site-packages")])
    before = code_version()
    assert code_version() == before
    (installed / "dagster-9.dist-info").mkdir()
    assert code_version() != before


def test_a_retried_runs_tags_name_no_worker_of_the_retry() -> None:
    elsewhere = {"boot": "another", "processes": "pid:[1]", "place": ""}
    tags = {WORKER: json.dumps({"run": "first", "machine": elsewhere, "pid": 1, "since": 0.0})}
    first = recorded_worker(dg.DagsterRun(job_name="job", run_id="first", tags=tags))
    assert first is not None
    assert (first.machine, first.pid) == (Machine("another", "pid:[1]", ""), 1)
    assert not first.is_here
    assert recorded_worker(dg.DagsterRun(job_name="job", run_id="retry", tags=tags)) is None
    assert recorded_worker(dg.DagsterRun(job_name="job", run_id="first")) is None


class Dagster:
    """A daemon and its UI, with a project whose remote never answers."""

    def __init__(self, url: str, instance: dg.DagsterInstance) -> None:
        self._url = url
        self.instance = instance

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the answer of the UI's own API."""
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self._url}/graphql", json=body, timeout=60).json()["data"]
        result: dict[str, Any]
        (result,) = answer.values()
        assert "Success" in result["__typename"], result
        return result

    def launch(self) -> dg.DagsterRun:
        """Launch a run, and return it when its worker has begun."""
        params = {
            "selector": {
                "repositoryLocationName": "release_assets.definitions",
                "repositoryName": "__repository__",
                "pipelineName": "sample_release",
            },
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "v1.0.0"}]},
            "mode": "default",
        }
        run_id = self.ask(LAUNCH, params=params)["run"]["runId"]
        assert wait_until(
            lambda: self.run(run_id).status is dg.DagsterRunStatus.STARTED, seconds=BOUND_SECONDS
        ), self.run(run_id)
        return self.run(run_id)

    def run(self, run_id: str) -> dg.DagsterRun:
        """Return a run as it is now."""
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def terminate(self, run: dg.DagsterRun) -> None:
        """Terminate a run in the UI, and return when it has ended."""
        self.ask(TERMINATE, run=run.run_id)
        assert wait_until(
            lambda: self.run(run.run_id).status is dg.DagsterRunStatus.CANCELED, seconds=BOUND_SECONDS
        ), self.run(run.run_id)


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[Dagster]:
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(hostile_server("silence"))
        definition = {
            "type": "release_assets.ReleaseGraph",
            "attributes": {
                "project": "sample",
                "package": {},
                "repository": f"{remote.url}/sample.git",
                "github": {"repository": "owner/sample"},
            },
        }
        definitions = {"sample": json.dumps(definition)}
        home = Stack.at(tmp_path / "home", definitions=definitions, variables={})
        instance = stack.enter_context(home.instance())
        instance.add_dynamic_partitions("sample_releases", ["v1.0.0"])
        stack.enter_context(home.daemon())
        yield Dagster(stack.enter_context(home.webserver(free_port())), instance)


@pytest.mark.timeout(300)
def test_a_daemon_forks_its_workers_and_ends_them_in_the_ui(dagster: Dagster) -> None:
    run = dagster.launch()
    worker = recorded_worker(run)
    assert worker is not None
    assert (pid := worker.pid) is not None
    assert worker.machine == this_machine()
    assert is_alive(pid, started_before=worker.since)
    assert os.getpgid(pid) == os.getpgid(parent_of(pid))
    health = dagster.instance.run_launcher.check_run_worker_health(run)
    assert health.status.name == "RUNNING"

    started = time.monotonic()
    dagster.terminate(run)
    assert time.monotonic() - started < 20
    assert wait_until(lambda: not is_alive(pid, started_before=worker.since), seconds=10)
    assert dagster.instance.run_launcher.check_run_worker_health(run).status.name == "NOT_FOUND"
    assert dagster.instance.run_launcher.terminate(run.run_id) is False
