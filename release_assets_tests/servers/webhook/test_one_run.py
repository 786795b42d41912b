"""The webhook next to a real daemon: an event that arrives both ways, twice or never makes one run."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
import requests

from release_assets.alerts.outbox import read_outbox
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.webhook.test_deliveries import CREATED, PUSH, SECRET, headers
from tools.sandbox.servers import answers, free_port, running_server, wait_until
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.timeout(200)

NOWHERE = "http://127.0.0.1:9"  # where nobody listens: the runs start, and fail
OFFSETS = (0.3, 1.7, 4.2)  # seconds: the daemon looks every five


@contextlib.contextmanager
def webhook(stack: Stack, dagster_url: str) -> Iterator[str]:
    port = free_port()
    with running_server(
        "webhook",
        [
            *(str(Path(sys.executable).with_name("release-assets")), "webhook"),
            *("--port", str(port), "--dagster-url", dagster_url),
        ],
        env={**stack.env, "GITHUB_WEBHOOK_SECRET": SECRET},
        log=stack.home / "webhook.log",
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/healthz"),
    ):
        yield f"http://127.0.0.1:{port}"


def deliver(url: str, event: str, payload: Mapping[str, object], delivery: str) -> int:
    body = json.dumps(payload).encode()
    answer = requests.post(f"{url}/github", data=body, headers=headers(body, event, delivery), timeout=5)
    return answer.status_code


def runs(instance: dg.DagsterInstance, tag: str) -> list[dg.RunRecord]:
    of_tag = dg.RunsFilter(job_name="sample_release", tags={"dagster/partition": tag})
    return list(instance.get_run_records(of_tag))


def start_of(instance: dg.DagsterInstance, tag: str) -> float:
    """Return when the tag's run started, in seconds since 1970."""
    deadline = time.monotonic() + 60
    while not (found := runs(instance, tag)) or found[0].start_time is None:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found[0].start_time


def has_looked_for_alerts(stack: Stack) -> bool:
    with stack.instance() as instance:
        return read_outbox(instance).since is not None


def test_webhook_and_sensor_make_one_run(tmp_path: Path, server: ScriptedServer) -> None:
    repository = Repository(tmp_path / "remote")
    attributes = {
        "project": "sample",
        "repository": repository.remote,
        "package": {"name": "sample"},
        "github": {"api_url": NOWHERE, "repository": "me/sample"},
        "index": {"upload_url": NOWHERE, "simple_url": NOWHERE},
        "alerts": {"targets_env": ["ALERTS_HERE"]},
    }
    server.answers(Told(200))
    variables = {"ALERTS_HERE": f"json://{server.url.removeprefix('http://')}/a-token"}
    definition = json.dumps({"type": "release_assets.ReleaseGraph", "attributes": attributes})
    stack = Stack.at(tmp_path / "home", definitions={"sample": definition}, variables=variables)
    with stack.daemon(), stack.webserver(free_port()) as ui, webhook(stack, ui) as url:
        stack.wait_for_first_ticks({"sample_release_tags"})
        assert wait_until(lambda: has_looked_for_alerts(stack), seconds=60)
        with stack.instance() as instance:
            seconds = []
            for number, offset in enumerate(OFFSETS):
                tag = f"v1.{number}.0"
                time.sleep(offset)
                pushed = time.time()
                repository.tag(tag)
                assert deliver(url, "push", PUSH | {"ref": f"refs/tags/{tag}"}, f"push {tag}") == 202
                assert deliver(url, "create", CREATED | {"ref": tag}, f"create {tag}") == 202
                seconds.append(start_of(instance, tag) - pushed)
            repository.tag("v2.0.0")  # its event is lost
            start_of(instance, "v2.0.0")
            time.sleep(6)  # one more tick: it finds the runs of all tags
            for tag in (*(f"v1.{number}.0" for number in range(len(OFFSETS))), "v2.0.0"):
                [record] = runs(instance, tag)
                assert record.dagster_run.tags["dagster/run_key"] == f"release {tag}"
                assert record.dagster_run.tags["dagster/sensor_name"] == "sample_release_tags"
            # The runs fail: there are no tokens. Each failure is told, once.
            assert wait_until(lambda: bool(server.seen), seconds=60)
        titles = [json.loads(seen.body)["title"] for seen in server.seen]
        assert sum(title.startswith("sample v1.0.0: a credential is refused") for title in titles) == 1
        said = (stack.home / "webhook.log").read_text()
        assert "launched v1." in said
        assert SECRET not in said
        assert min(seconds) < 2.0, (seconds, said)
