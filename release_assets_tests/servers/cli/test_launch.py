"""A run of the command line next to a daemon and a UI: queued, listed and executed again like any other."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import requests

from release_assets.cli.launch import Location, daemon_is_running, location_of
from release_assets.run_launcher import recorded_worker
from release_assets_tests.terminal import Terminal, publish
from tools.sandbox.servers import free_port
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.timeout(300)

RUNS = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }
"""
AGAIN = """
mutation ($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = requests.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60)
    return answer.json()["data"]


@pytest.fixture(scope="module")
def released(shelf: Terminal) -> Terminal:
    for version in ("1.0.0", "1.1.0"):
        publish(shelf.maintainer, version)
    return shelf


def test_beside_a_daemon_it_is_queued_and_the_ui_shows_it(released: Terminal) -> None:
    maintainer = released.maintainer
    stack = Stack(Path(released.env["DAGSTER_HOME"]), released.env)
    with stack.daemon(), stack.webserver(free_port()) as ui:
        stack.wait_for_first_ticks({f"{maintainer.name}_release_tags"})
        ended = released.run("rollback", "v1.1.0", "--yes")
        assert ended.returncode == 0, ended.stderr
        assert maintainer.digest("latest") == maintainer.digest("1.0.0")

        with stack.instance() as instance:
            (run,) = instance.get_runs(dg.RunsFilter(job_name=f"{maintainer.name}_docker"), limit=1)
            # Under the name that this daemon and this UI have for the code location.
            assert run.remote_job_origin is not None
            assert run.remote_job_origin.location_name == "release_assets.definitions"
            # The daemon has launched it: the command has no process of its own left.
            worker = recorded_worker(run)
            assert worker is not None
            assert worker.pid is not None
        of_job = {
            "pipelineName": f"{maintainer.name}_docker",
            "tags": [{"key": ".dagster/repository", "value": "__repository__@release_assets.definitions"}],
        }
        (listed,) = ask(ui, RUNS, filter=of_job)["runsOrError"]["results"]
        assert listed == {"runId": run.run_id, "status": "SUCCESS"}
        again = ask(ui, AGAIN, params={"parentRunId": run.run_id, "strategy": "ALL_STEPS"})
        assert again["launchRunReexecution"]["__typename"] == "LaunchRunSuccess", again


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and never answer; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interruption_ends_the_run_and_says_what_is_safe(
    released: Terminal, tmp_path: Path, number: signal.Signals
) -> None:
    """The run waits for a registry that never answers."""
    name = released.maintainer.name
    with silent_server() as port:
        defs = tmp_path / name / "defs.yaml"
        defs.parent.mkdir()
        text = (Path(released.env["RELEASE_ASSETS_DEFS"]) / name / "defs.yaml").read_text()
        defs.write_text(re.sub(r"localhost:\d+/tests", f"localhost:{port}/tests", text))
        # As long as a daemon was here lately, the queue would be left to it.
        home = tmp_path / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text((Path(released.env["DAGSTER_HOME"]) / "dagster.yaml").read_text())
        env = {**released.env, "RELEASE_ASSETS_DEFS": str(tmp_path), "DAGSTER_HOME": str(home)}
        command = subprocess.Popen(
            [Path(sys.executable).with_name("release-assets"), "rebuild", "v1.0.0"],
            env=env,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert command.stderr is not None
        for line in command.stderr:
            if line.startswith("▸ version"):
                break
        children = psutil.Process(command.pid).children(recursive=True)
        assert children
        command.send_signal(number)
        _, said = command.communicate(timeout=90)
    assert command.returncode == 1
    assert "was ended by you" in said
    assert "Run the same command again: it continues from there." in said
    assert "Traceback" not in said
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        assert run.is_finished
    deadline = time.monotonic() + 10
    while alive := [child for child in children if child.is_running()]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def test_without_a_daemon_the_location_is_that_of_workspace_yaml(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert not daemon_is_running(instance)
        assert location_of(instance, "mypackage") == Location("release_assets", "__repository__", None)
