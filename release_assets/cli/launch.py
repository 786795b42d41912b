"""Launch runs as the UI does: with the code location's origin, and through the queue where a daemon runs.

Dagster has no public function that launches a run (dagster-io/dagster#3612). What `dg.execute_job` runs has
no origin: Overview and the job's page do not list it, and nothing re-executes it (dagster-io/dagster#17707).
So this module sends the UI's own GraphQL mutations to the code location, without a webserver between. It is
the only one of the command line that uses what Dagster does not export.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from release_assets.cli.interruptions import Interruptions
from release_assets.errors import ReleaseError
from release_assets.process import CommandFailedError, started_child
from release_assets.run_launcher import WatchedRunLauncher
from release_assets.text import printable

LOCATION = "release_assets"  # as in workspace.yaml
REPOSITORY = "__repository__"  # as Dagster calls the definitions of a code location
MODULE = "release_assets.definitions"
SOCKET = "socket"
START_SECONDS = 180.0  # for the code server to load the definitions
# A daemon sends a heartbeat every 30 seconds.
HEARTBEAT_SECONDS = 90.0

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""
TERMINATE = """
mutation ($runId: String!) {
  terminateRun(runId: $runId) { __typename ... on TerminateRunFailure { message } ... on Error { message } }
}
"""


@dataclass(frozen=True)
class Location:
    """A code location: its names, and where its server listens, as a workspace.yaml has it; or None."""

    name: str = LOCATION
    repository: str = REPOSITORY
    server: Mapping[str, Any] | None = None


def daemon_is_running(instance: dg.DagsterInstance, now: float | None = None) -> bool:
    """Return True where a daemon that takes runs from the queue has sent a heartbeat lately."""
    heartbeat = instance.get_daemon_heartbeats().get("QUEUED_RUN_COORDINATOR")
    return heartbeat is not None and (now or time.time()) - heartbeat.timestamp < HEARTBEAT_SECONDS


def location_of(instance: dg.DagsterInstance, project: str) -> Location:
    """Return the code location whose sensors looked at the project last, or the one of workspace.yaml.

    A run belongs to a location by its name: under another one, neither daemon nor UI would know it.
    """
    states = [
        state
        for state in instance.all_instigator_state()
        if state.instigator_name == f"{project}_release_tags" and state.instigator_data is not None
    ]
    if not states:
        return Location()
    newest = max(states, key=lambda state: getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0)
    repository = newest.origin.repository_origin
    origin = repository.code_location_origin
    # `dagster dev` and deployments have a code server of their own, which is there already.
    server = {
        key: value
        for key in ("host", "port", "socket", "use_ssl")
        if (value := getattr(origin, key, None)) is not None
    }
    return Location(origin.location_name, repository.repository_name, server or None)


class Launcher:
    """Launches and terminates runs of one code location."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        location: Location,
        workspace: WorkspaceRequestContext,
        interruptions: Interruptions,
        server: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """Use `launcher` below; `server` is the code server, where we started it."""
        self.instance = instance
        self._location = location
        self._workspace = workspace
        self._interruptions = interruptions
        self._server = server
        self.has_started = False

    def launch(
        self, job: str, tag: str, *, nodes: Sequence[dg.AssetKey] = (), tags: Mapping[str, str]
    ) -> str:
        """Submit a run of the job for a release and return its id; of some nodes, or of all without any.

        It is queued, as any other run: `start` it where no daemon does.
        Raises ReleaseError where the code location does not take it.
        """
        selector: dict[str, Any] = {
            "repositoryLocationName": self._location.name,
            "repositoryName": self._location.repository,
            "pipelineName": job,
        }
        if nodes:
            selector["assetSelection"] = [{"path": list(node.path)} for node in nodes]
        run_tags = {"dagster/partition": tag, **tags}
        params = {
            "selector": selector,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in run_tags.items()]},
        }
        with self._interruptions.held():  # a run whose id we never saw could not be ended
            answer = self._send(LAUNCH, params=params)["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise ReleaseError(
                f"the code location {self._location.name} does not run {job}: {_message(answer)}",
                "Reload the code location in Dagster's UI, or restart its server: it may have loaded older "
                "definitions.",
            )
        return str(answer["run"]["runId"])

    def start(self, run_id: str) -> None:
        """Start a queued run in a process of our code server, as the daemon would."""
        self.has_started = True
        with self._interruptions.held():  # Dagster mistakes an interruption for a code server that failed
            try:
                self.instance.launch_run(run_id, self._workspace)
            except dg.DagsterError as error:
                run = self.instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    self.instance.report_run_failed(run, f"it could not be started: {error}")
        self._interruptions.check()

    @property
    def has_lost_server(self) -> bool:
        """True where a run was started here, and nobody is left to say that its worker died."""
        return self.has_started and self._server is not None and self._server.poll() is not None

    def terminate(self, run_id: str) -> str | None:
        """Ask a run to end, wherever it runs; return why it cannot be asked, or None."""
        answer = self._send(TERMINATE, runId=run_id)["terminateRun"]
        return None if answer["__typename"] == "TerminateRunSuccess" else _message(answer)

    def _send(self, mutation: str, **variables: Any) -> dict[str, Any]:
        # Here, since its import lasts as long as the start of the code server: the two happen together.
        from dagster_graphql.schema import create_schema

        result = asyncio.run(
            create_schema().execute_async(mutation, context_value=self._workspace, variable_values=variables)
        )
        if result.errors or result.data is None:
            said = "; ".join(error.message for error in result.errors or [])
            raise ReleaseError(
                f"Dagster refused the request: {said}", "Report it: this version of Dagster differs."
            )
        return dict(result.data)


@contextlib.contextmanager
def launcher(instance: dg.DagsterInstance, project: str, interruptions: Interruptions) -> Iterator[Launcher]:
    """Yield what launches runs of a project, with a code server that ends with the block.

    Where the daemon's own code server answers, no other one is started. Raises ReleaseError where the
    definitions cannot be loaded.
    """
    location = location_of(instance, project)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="release-assets-")))
        if location.server is not None and daemon_is_running(instance):
            workspace = stack.enter_context(_workspace(instance, location, location.server, folder))
            if _load_error(workspace, location) is None:
                yield Launcher(instance, location, workspace, interruptions)
                return
        if isinstance(instance.run_launcher, WatchedRunLauncher):
            instance.run_launcher.forks = False
        child = stack.enter_context(_code_server(location, folder))
        server = {"host": "localhost", "socket": str(folder / SOCKET)}
        workspace = stack.enter_context(_workspace(instance, location, server, folder))
        if (error := _load_error(workspace, location)) is not None:
            raise _not_loaded(error)
        launches = Launcher(instance, location, workspace, interruptions, child)
        yield launches
        if not launches.has_started:
            child.kill()  # nothing runs in it, and it takes a second to end by itself


@contextlib.contextmanager
def _code_server(location: Location, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a code server inside the block, whose children are the runs started here; yield its process."""
    socket = folder / SOCKET
    argv = [
        *(sys.executable, "-m", "dagster", "api", "grpc", "--socket", str(socket)),
        *("--module-name", MODULE, "--location-name", location.name, "--log-level", "warning"),
    ]
    log = folder / "log"
    try:
        # All of our environment: as with the daemon, the definitions and the runs need its secrets.
        with (
            log.open("w") as output,
            started_child(
                argv, env=os.environ, stdout=output.fileno(), stderr=output.fileno(), dies_with_us=True
            ) as child,
        ):
            import dagster_graphql.schema  # noqa: F401  (see _send)

            deadline = time.monotonic() + START_SECONDS
            while not socket.exists():
                if child.poll() is not None or time.monotonic() > deadline:
                    lines = printable(log.read_text(errors="replace")).splitlines()
                    raise _not_loaded("\n".join(lines[-10:]) or "the code server ended without a message")
                time.sleep(0.05)
            yield child
    except CommandFailedError as error:
        raise _not_loaded(str(error)) from None


@contextlib.contextmanager
def _workspace(
    instance: dg.DagsterInstance, location: Location, server: Mapping[str, Any], folder: Path
) -> Iterator[WorkspaceRequestContext]:
    """Yield Dagster's view of one code location, whose server is running."""
    file = folder / "workspace.yaml"
    entry = {"grpc_server": {**server, "location_name": location.name}}
    file.write_text(yaml.safe_dump({"load_from": [entry]}), encoding="utf-8")
    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(file)])) as process:
        yield process.create_request_context()


def _load_error(workspace: WorkspaceRequestContext, location: Location) -> str | None:
    entry = workspace.get_location_entry(location.name)
    if entry is None:
        return "it is missing"
    return entry.load_error.message if entry.load_error is not None else None


def _not_loaded(said: str) -> ReleaseError:
    return ReleaseError(
        f"Dagster cannot load {MODULE}: {said.strip()}",
        "Run `release-assets check` to see what is wrong with the projects' defs.yaml.",
    )


def _message(answer: Mapping[str, Any]) -> str:
    errors = [error["message"] for error in answer.get("errors") or []]
    return str(answer.get("message") or "; ".join(errors) or answer["__typename"])
