"""A run that is terminated in the UI: build and push stop at once, here and inside the engine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import yaml

from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.registry_proxy import Refusal, registry_proxy
from tools.sandbox.engine import Engine
from tools.sandbox.servers import free_port, wait_until
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.timeout(300)

BOUND_SECONDS = 5.0

# One platform is at work in a RUN while the other pushes.
DOCKERFILE = """\
FROM python:3.12-slim
COPY README.md /readme
RUN test "$(uname -m)" = aarch64 || sleep {seconds}
"""

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


def asked(url: str, query: str, **variables: Any) -> dict[str, Any]:
    """The answer of the UI's own API."""
    body = {"query": query, "variables": variables}
    answer = requests.post(f"{url}/graphql", json=body, timeout=60).json()["data"]
    result: dict[str, Any]
    (result,) = answer.values()
    assert "Success" in result["__typename"], result
    return result


def processes(*marks: str) -> list[str]:
    """The command lines on this machine, engines included, that hold one of the marks."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if any(mark in line for mark in marks):
            found.append(line)
    return found


@dataclass(frozen=True)
class StalledRegistry:
    """A registry that takes no blob of a build until the test is over."""

    host: str
    pushed_to: threading.Event


@contextlib.contextmanager
def stalled_registry(upstream: str) -> Iterator[StalledRegistry]:
    asked, pushed_to, over = threading.Event(), threading.Event(), threading.Event()

    def rule(method: str, path: str) -> Refusal | None:
        if method == "DELETE":  # the preflight has asked whether it may push, and takes that back
            asked.set()
        if method == "POST" and "/blobs/uploads" in path and asked.is_set():
            pushed_to.set()
            over.wait(120)
            return Refusal(503)
        return None

    with registry_proxy(upstream, rule) as host:
        try:
            yield StalledRegistry(host, pushed_to)
        finally:
            over.set()


def duration(maintainer: Maintainer) -> str:
    """Seconds for a `sleep` that no other has."""
    return f"900.{int(maintainer.name[-8:], 16)}"


@pytest.fixture
def maintainer(new: NewMaintainer, image_stands: Stands, engine: Engine) -> Maintainer:
    """A maintainer whose build would take longer than any test."""
    if not engine.is_here():
        pytest.skip("the engine's processes are on another machine")
    maintainer = new(image_stands, dockerfile="")
    files = {
        "Dockerfile": DOCKERFILE.format(seconds=duration(maintainer)),
        "README.md": maintainer.name,
    }
    maintainer.tag("v1.0.0", "1.0.0", **files)
    return maintainer


def behind(host: str, maintainer: Maintainer) -> dict[str, Any]:
    """The project's attributes with its registry at another address, base images included."""
    real, image = maintainer.registry.repository.host, maintainer.attributes["image"]
    contexts = {name: where.replace(real, host) for name, where in image["build_contexts"].items()}
    moved = {"repository": image["repository"].replace(real, host), "build_contexts": contexts}
    return {**maintainer.attributes, "image": {**image, **moved}}


def said_by(instance: dg.DagsterInstance, run: str) -> str:
    """The event log of a run."""
    return "\n".join(entry.user_message for entry in instance.all_logs(run))


def test_a_terminated_run_stops_build_and_push_without_a_rest(maintainer: Maintainer, tmp_path: Path) -> None:
    name = maintainer.name
    marks = (f"sleep {duration(maintainer)}", f"/tests/{name}:1.0.0-")
    params = {
        "selector": {
            "repositoryLocationName": "release_assets.definitions",
            "repositoryName": "__repository__",
            "pipelineName": f"{name}_docker",
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "v1.0.0"}]},
        "mode": "default",
    }
    with contextlib.ExitStack() as stack:
        registry = stack.enter_context(stalled_registry(maintainer.registry.repository.host))
        definition = {"type": "release_assets.ReleaseGraph", "attributes": behind(registry.host, maintainer)}
        dagster = Stack.at(
            tmp_path / "home", definitions={name: yaml.safe_dump(definition)}, variables=maintainer.variables
        )
        instance = stack.enter_context(dagster.instance())
        stack.enter_context(dagster.daemon())
        url = stack.enter_context(dagster.webserver(free_port()))
        instance.add_dynamic_partitions(f"{name}_releases", ["v1.0.0"])
        run = asked(url, LAUNCH, params=params)["run"]["runId"]

        def at_work() -> bool:
            lines = processes(*marks)
            # The RUN, as a process of its own, and two clients.
            sleeping = any(line.startswith("sleep") for line in lines)
            return sleeping and registry.pushed_to.is_set() and len(lines) > 2

        def is_canceled() -> bool:
            found = instance.get_run_by_id(run)
            return found is not None and found.status is dg.DagsterRunStatus.CANCELED

        assert wait_until(at_work, seconds=60), said_by(instance, run)
        started = time.monotonic()
        asked(url, TERMINATE, run=run)
        assert wait_until(lambda: not processes(*marks), seconds=30), processes(*marks)
        seconds = time.monotonic() - started
        assert wait_until(is_canceled, seconds=30), said_by(instance, run)
        print(f"no process after {seconds:.1f} s, canceled after {time.monotonic() - started:.1f} s")
        assert seconds < BOUND_SECONDS
    assert maintainer.registry.tags() == set()
