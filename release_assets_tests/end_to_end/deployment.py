"""compose.yaml on the test's engine, with what an operator sees of it: commands, containers, the UI's API."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from release_assets import process
from release_assets_tests.paths import ROOT
from release_assets_tests.relay import relayed
from tools.sandbox import system
from tools.sandbox.engine import Engine
from tools.sandbox.servers import free_port

HOW_TO = ROOT / "docs" / "how-to" / "deploy-with-compose.md"
OUTSIDE = "outside"  # the name by which containers reach this machine; curl takes localhost for its own
UP_SECONDS = 180
ANSWER_SECONDS = 30
AUTHORITIES = "/etc/release-assets-authorities.pem"


@dataclass(frozen=True)
class Run:
    """A run, as the UI shows it."""

    id: str
    job: str
    status: str
    created: float
    started: float | None
    ended: float | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Deployment:
    """A compose project; `folder` holds what an operator writes: .env, secrets, defs."""

    engine: Engine
    folder: Path
    name: str
    port: int
    secrets: Mapping[str, str] = field(repr=False)

    def compose(self, *arguments: str, timeout: float = UP_SECONDS) -> str:
        """Run `docker compose` and return its output."""
        compose = system.find_program("docker-compose")
        assert compose is not None
        options = ["--project-name", self.name, "--file", "compose.yaml", "--file", "override.yaml"]
        command = [str(compose), *options, *arguments]
        env = system.environment(HOME=str(self.folder), DOCKER_HOST=self.engine.host)
        return process.run(command, env=env, timeout=timeout, directory=self.folder)

    def up(self) -> None:
        """Start everything, and return when all services are healthy."""
        self.compose("up", "--detach", "--no-build", "--wait")

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def run_containers(self, *filters: str) -> list[str]:
        """Return the ids of the containers of runs, also of those that ended."""
        options = [word for one in ("label=dagster/run_id", *filters) for word in ("--filter", one)]
        return self.engine.docker("ps", "--all", "--quiet", *options, timeout=60).split()

    def logs(self, container: str) -> str:
        """Return what a container has printed, to both streams."""
        lines: list[str] = []
        env = system.environment(DOCKER_HOST=self.engine.host)
        process.run(["docker", "logs", container], env=env, timeout=60, on_line=lines.append)
        return "\n".join(lines)

    def kill(self, *containers: str) -> None:
        """Kill containers as a crash would: no policy starts them again."""
        self.engine.docker("kill", *containers, timeout=60)

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer of the UI's API; it may fail for a moment, as after a kill."""
        url = f"http://127.0.0.1:{self.port}/graphql"
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                body = {"query": query, "variables": variables}
                answer = requests.post(url, json=body, timeout=ANSWER_SECONDS).json()
                if "errors" not in answer:
                    return answer["data"]
            except requests.RequestException as error:
                answer = error
            assert time.monotonic() < deadline, answer
            time.sleep(0.5)

    def runs(self, tag: str, project: str = "") -> list[Run]:
        """Return the runs of a release, the oldest first; of one project, or of all."""
        found = self.ask(RUNS_QUERY, tags=[{"key": "dagster/partition", "value": tag}])
        return [
            Run(
                run["runId"],
                run["jobName"],
                run["status"],
                run["creationTime"],
                run["startTime"],
                run["endTime"],
                {one["key"]: one["value"] for one in run["tags"]},
            )
            for run in reversed(found["runsOrError"]["results"])
            if run["jobName"].startswith(project)
        ]

    def steps_at_work(self, tag: str) -> set[str]:
        """Return the nodes of a release that have started and not ended."""
        found = self.ask(RUNS_QUERY, tags=[{"key": "dagster/partition", "value": tag}])
        return {
            step["stepKey"].rpartition("__")[2]
            for run in found["runsOrError"]["results"]
            if run["status"] == "STARTED"
            for step in run["stepStats"]
            if step["startTime"] and not step["endTime"]
        }

    def words(self, tag: str) -> str:
        """Return what the failed runs of a release and the daemon say."""
        said = [
            message
            for run in self.runs(tag)
            for event in self.ask(EVENTS_QUERY, run=run.id)["logsForRun"].get("events", [])
            if event["__typename"] in TOLD
            for message in (event["message"], (event.get("error") or {}).get("message", ""))
        ]
        return "\n".join(said) + self.compose("logs", "--tail", "30", "daemon", "code")

    def has_ticked(self) -> bool:
        """Return True when every sensor has looked at least once."""
        found = self.ask(SENSORS_QUERY)["workspaceOrError"]["locationEntries"]
        states = [
            sensor["sensorState"]["ticks"]
            for entry in found
            for repository in (entry["locationOrLoadError"] or {}).get("repositories", [])
            for sensor in repository["sensors"]
            if sensor["name"] != "release_alerts"
        ]
        return bool(states) and all(ticks and ticks[0]["status"] != "STARTED" for ticks in states)


TOLD = {"EngineEvent", "ExecutionStepFailureEvent", "RunFailureEvent"}
RUNS_QUERY = """query ($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) { ... on Runs { results {
  runId jobName status creationTime startTime endTime tags { key value }
  stepStats { stepKey startTime endTime } } } } }"""
EVENTS_QUERY = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  __typename ... on MessageEvent { message } ... on EngineEvent { error { message } }
  ... on ExecutionStepFailureEvent { error { message } } } } } }"""
SENSORS_QUERY = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories { sensors { name sensorState { ticks(limit: 1) { status } } } }
  } } } } } }"""


def wait_for(is_so: Callable[[], bool], seconds: float, said: Callable[[], str] = str) -> None:
    """Return when it is so; fail with what is said after so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, said()
        time.sleep(0.3)


def prepare(folder: Path, secret_values: Mapping[str, str], socket: Path) -> None:
    """Run the how-to's commands up to the start, for an engine at this socket; root needs no sudo."""
    sudo = folder / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    env = system.environment(**secret_values)
    env["PATH"] = f"{sudo.parent}:{env['PATH']}"
    section = HOW_TO.read_text().partition("## Prepare")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        command = block.replace("/var/run/docker.sock", str(socket))
        process.run(["sh", "-euc", command], env=env, timeout=60, directory=folder)
    assert {file.stat().st_mode & 0o777 for file in (folder / "secrets").iterdir()} == {0o600}


@contextlib.contextmanager
def deployed(
    engine: Engine,
    folder: Path,
    *,
    images: Mapping[str, str],
    definitions: Mapping[str, Any],
    secret_values: Mapping[str, str],
    ports: list[int],
    look_seconds: int,
) -> Iterator[Deployment]:
    """Yield a deployment that is prepared as the how-to says and not started; it is gone after the block.

    Differences to an operator's: images by `images` (variables of compose.yaml), run monitoring every
    `look_seconds`, known gateways, and in each container that releases, this machine's loopback `ports` under
    the names localhost and outside.
    """
    # What is left of a test that was killed must not be in the way of the next.
    third = 2 * secrets.randbelow(128)
    prefixes = {"control": f"10.213.{third}", "runs": f"10.213.{third + 1}"}
    gateways = {network: f"{prefix}.1" for network, prefix in prefixes.items()}
    shutil.copy(ROOT / "compose.yaml", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for project, attributes in definitions.items():
        file = folder / "defs" / project / "defs.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"type": "release_assets.ReleaseGraph", "attributes": attributes}))
    prepare(folder, secret_values, Path(engine.host.removeprefix("unix://")))
    files = {file.name: file.read_text().strip() for file in (folder / "secrets").iterdir()}
    folder.chmod(0o755)
    instance = folder / "deploy" / "compose" / "dagster.yaml"
    settings = yaml.safe_load(instance.read_text())
    settings["run_monitoring"]["poll_interval_seconds"] = look_seconds
    launcher = settings["run_launcher"]["config"]
    launcher["container_kwargs"]["extra_hosts"] = dict.fromkeys(("localhost", OUTSIDE), gateways["runs"])
    authorities = os.environ.get("SSL_CERT_FILE")
    mounted = []
    if authorities:
        launcher["env_vars"].append(f"SSL_CERT_FILE={AUTHORITIES}")
        mounted = [f"{authorities}:{AUTHORITIES}:ro"]
    instance.write_text(yaml.safe_dump(settings))
    hosts = [f"{host}:{gateways['control']}" for host in ("localhost", OUTSIDE)]
    outside = {"extra_hosts": hosts, "volumes": mounted}
    override = {
        "services": {"code": outside, "daemon": outside, "release-assets": outside},
        "networks": {
            network: {"ipam": {"config": [{"subnet": f"{prefix}.0/24", "gateway": gateways[network]}]}}
            for network, prefix in prefixes.items()
        },
    }
    (folder / "override.yaml").write_text(json.dumps(override))
    port = free_port()
    name = f"release-assets-test-{secrets.token_hex(3)}"
    variables = {
        **images,
        "COMPOSE_PROJECT_NAME": name,
        "DOCKER_SOCKET": engine.host.removeprefix("unix://"),
        "RELEASE_ASSETS_PORT": str(port),
    }
    with (folder / ".env").open("a") as settings_file:
        settings_file.writelines(f"{key}={value}\n" for key, value in variables.items())
    deployment = Deployment(engine, folder, name, port, files)
    try:
        deployment.compose("create", "--no-build")
        with relayed(gateways.values(), ports):
            yield deployment
    finally:
        if left := deployment.run_containers(f"network={name}_runs"):
            engine.docker("rm", "--force", *left, timeout=60)
        deployment.compose("--profile", "commands", "down", "--volumes", "--timeout", "5")
