"""Launch what an event made due: the sensor's runs, with its keys, and none that the sensor launches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from release_assets.errors import ReleaseError
from release_assets.sensors.claims import CLAIMED, claim, withdraw
from release_assets.webhook.deliveries import Event
from release_assets.webhook.launch import GraphQL, ProjectLauncher
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.sensors.conftest import Ticks
from release_assets_tests.unit.sensors.conftest import (
    instance as instance,  # the fixtures, for these tests too
)

# Of Dagster's client, about itself.
pytestmark = pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning")

NOWHERE = "http://127.0.0.1:9"  # where nobody listens
PUSHED = Event("tag", "owner/sample", "v1.1")
LAUNCHED = {
    "data": {"launchPipelineExecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "the-run"}}}
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "remote")
    repository.tag("v1.0")
    return repository


Start = Callable[[str], tuple[Ticks, ProjectLauncher]]


@pytest.fixture
def start(instance: dg.DagsterInstance, repository: Repository, server: ScriptedServer) -> Start:
    """Start a sensor of the project, and what launches in its name; Dagster's webserver is scripted."""

    def started(sensor: str) -> tuple[Ticks, ProjectLauncher]:
        attributes: dict[str, Any] = {
            "project": "sample",
            "repository": repository.remote,
            "package": {"name": "sample"},
            "github": {"api_url": server.url, "repository": "owner/sample"},
            "index": {"simple_url": NOWHERE},
            "test_index": {"simple_url": NOWHERE},
            "image": {"repository": "docker.io/owner/sample"},
        }
        ticks = Ticks(instance, attributes, sensor)
        graphql = GraphQL(server.url, lambda _: ("here", "__repository__"))
        return ticks, ProjectLauncher(ticks.project, instance, graphql)

    return started


def launched(server: ScriptedServer) -> list[tuple[str, dict[str, str]]]:
    """Return the jobs and tags of the launches that Dagster's webserver got."""
    params = [
        json.loads(seen.body)["variables"]["executionParams"]
        for seen in server.seen
        if seen.path == "/graphql"
    ]
    return [
        (
            one["selector"]["pipelineName"],
            {tag["key"]: tag["value"] for tag in one["executionMetadata"]["tags"]},
        )
        for one in params
    ]


def answers(server: ScriptedServer) -> None:
    server.answers(Told(200, json.dumps(LAUNCHED).encode(), {"Content-Type": "application/json"}))


def test_a_new_tag_is_launched_with_the_sensors_key(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    sensor, launcher = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    answers(server)
    assert launcher.handle(PUSHED) == "launched v1.1 (run the-run)"
    [(job, tags)] = launched(server)
    assert job == "sample_release"
    [request] = sensor.tick()
    assert tags == {
        "dagster/partition": "v1.1",
        "dagster/run_key": request.run_key,
        "dagster/sensor_name": "sample_release_tags",
    }
    assert "v1.1" in sensor.partitions


def test_a_tag_that_has_a_run_is_not_launched_twice(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    sensor, launcher = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    answers(server)
    launcher.handle(PUSHED)
    _, tags = launched(server)[0]
    sensor.instance.create_run_for_job(sensor.definitions.resolve_job_def("sample_release"), tags=tags)
    assert launcher.handle(PUSHED) == "nothing is new"
    assert len(launched(server)) == 1


def test_the_sensor_leaves_what_is_claimed_and_looks_again(start: Start, repository: Repository) -> None:
    sensor, _ = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    before = sensor.cursor
    claim(sensor.instance, "sample_release_tags", ["release v1.1"])
    assert sensor.tick() == []
    assert sensor.said == CLAIMED
    assert sensor.cursor == before
    withdraw(sensor.instance, "sample_release_tags")
    assert [request.run_key for request in sensor.tick()] == ["release v1.1"]


def test_a_claim_of_a_webhook_that_died_ends(
    start: Start, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor, _ = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    claim(sensor.instance, "sample_release_tags", ["release v1.1"])
    monkeypatch.setattr("release_assets.sensors.claims.CLAIM_SECONDS", 0.0)
    assert [request.run_key for request in sensor.tick()] == ["release v1.1"]


def test_a_tag_that_the_sensor_has_seen_is_left_to_it(
    start: Start, repository: Repository, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the tick is between the record that it wrote and the run that Dagster creates."""
    sensor, launcher = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    answers(server)
    requests: list[dg.RunRequest] = []
    check = GraphQL.check

    def meanwhile(graphql: GraphQL) -> None:
        check(graphql)
        requests.extend(sensor.tick())

    monkeypatch.setattr(GraphQL, "check", meanwhile)
    assert launcher.handle(PUSHED) == "left to the sensor sample_release_tags, which has seen it"
    assert [request.run_key for request in requests] == ["release v1.1"]
    assert launched(server) == []
    assert launcher.handle(PUSHED) == "nothing is new"


def test_what_needs_more_than_a_look_is_left_to_the_sensor(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    sensor, launcher = start("release_tags")
    assert "its first look launches nothing" in launcher.handle(PUSHED)
    sensor.tick()
    repository.commit({"a": "b"})
    repository.tag("v1.0")
    assert "a tag moved" in launcher.handle(PUSHED)
    assert server.seen == []


def test_without_dagsters_webserver_nothing_is_claimed(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    sensor, launcher = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    server.answers(Told(502))
    with pytest.raises(ReleaseError, match="does not answer: HTTPError\nStart dagster-webserver there"):
        launcher.handle(PUSHED)
    assert [request.run_key for request in sensor.tick()] == ["release v1.1"]


def test_a_launch_that_failed_may_be_under_way(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    sensor, launcher = start("release_tags")
    sensor.tick()
    repository.tag("v1.1")
    server.answers(Told(200), Told(504))
    with pytest.raises(ReleaseError, match="did not launch sample_release"):
        launcher.handle(PUSHED)
    assert sensor.tick() == []  # until the claim ends


def test_a_published_release_launches_its_images(start: Start, server: ScriptedServer) -> None:
    tags, _ = start("release_tags")
    tags.tick()
    sensor, launcher = start("github_releases")
    published = Event("release", "owner/sample", "v1.0")
    assert "its first look launches nothing" in launcher.handle(published)
    server.answers(Told(200, b"[]", {"Content-Type": "application/json"}))
    sensor.tick()
    answers(server)
    assert launcher.handle(published) == "launched v1.0 (run the-run)"
    [(job, run_tags)] = launched(server)
    assert job == "sample_docker"
    assert run_tags["dagster/run_key"] == "images v1.0"
    assert run_tags["dagster/sensor_name"] == "sample_github_releases"
    assert launcher.handle(Event("release", "owner/sample", "nightly")) == "nothing is new"
    sensor.materialized("manifest_list", "v1.0")
    assert launcher.handle(published) == "nothing is new"


def test_images_wait_for_the_release_run(
    start: Start, repository: Repository, server: ScriptedServer
) -> None:
    tags, _ = start("release_tags")
    tags.tick()
    sensor, launcher = start("github_releases")
    server.answers(Told(200, b"[]", {"Content-Type": "application/json"}))
    sensor.tick()
    repository.tag("v1.1")
    [request] = tags.tick()
    tags.ran(request, dg.DagsterRunStatus.STARTED)
    said = launcher.handle(Event("release", "owner/sample", "v1.1"))
    assert said == "left to the sensor sample_github_releases: its release runs"
