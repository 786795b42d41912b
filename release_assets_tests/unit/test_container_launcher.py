"""The launcher of the deployment asks the engine for containers in which builds can be isolated."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from release_assets.container_launcher import IsolatingDockerRunLauncher


class Engine(BaseHTTPRequestHandler):
    """Answers what a client asks before it creates a container, and keeps the request."""

    created: list[dict[str, Any]]

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/containers/create"):
            self.created.append(json.loads(body))
        answer = {"ApiVersion": "1.45", "Id": "abc", "Warnings": []}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do  # noqa: N815  (http.server's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The requests for containers that arrive at the engine."""
    requests: list[dict[str, Any]] = []
    handler = type("Handler", (Engine,), {"created": requests})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield requests
        server.shutdown()
        thread.join()


def create(**configuration: Any) -> None:
    launcher = IsolatingDockerRunLauncher(container_kwargs=configuration)
    context = launcher.get_container_context(dg.DagsterRun(job_name="job", run_id="run"))
    client = launcher._get_client(context)
    client.containers.create("image", **context.container_kwargs)
    client.close()


def test_a_run_may_make_namespaces_and_has_no_capabilities(created: list[dict[str, Any]]) -> None:
    create()
    ((host, container),) = [(request["HostConfig"], request) for request in created]
    # An empty list and not a missing one: that is the engine's own.
    assert (host["MaskedPaths"], host["ReadonlyPaths"]) == ([], [])
    assert host["SecurityOpt"] == ["seccomp=unconfined", "apparmor=unconfined", "no-new-privileges"]
    assert host["CapDrop"] == ["ALL"]
    assert "Privileged" not in host
    assert container["Healthcheck"]["Test"] == ["NONE"]


def test_a_run_has_the_mounts_and_the_groups_of_the_daemon(created: list[dict[str, Any]]) -> None:
    create()
    (request,) = created
    assert request["HostConfig"]["VolumesFrom"] == [socket.gethostname()]
    assert request["HostConfig"].get("GroupAdd", []) == [str(group) for group in os.getgroups()]


def test_what_is_configured_comes_first(created: list[dict[str, Any]]) -> None:
    create(mem_limit="1g", cap_drop=[])
    (request,) = created
    assert request["HostConfig"]["Memory"] == 1024**3
    assert "CapDrop" not in request["HostConfig"]
