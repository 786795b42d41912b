"""lost_retries: a retry that Dagster promised and lost is launched, once, and nothing else is."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from release_assets.sensors import lost_retries
from release_assets.sensors.lost_retries import is_lost_retry
from release_assets_tests.unit.sensors.conftest import Ticks

PROMISED = {"dagster/will_retry": "true"}
ATTRIBUTES: dict[str, Any] = {
    "project": "sample",
    "package": {"version_file": "sample/__init__.py"},
    "repository": "https://github.com/example/sample.git",
    "github": {"repository": "example/sample"},
    "image": {"repository": "docker.io/example/sample"},
}


def run(run_id: str, tags: dict[str, str]) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="sample_release", run_id=run_id, tags=tags)


# The decision


def test_a_promise_that_nobody_kept_is_lost_after_a_minute() -> None:
    assert is_lost_retry(run("a", PROMISED), ended=100, newest="a", now=161)
    assert not is_lost_retry(run("a", PROMISED), ended=100, newest="a", now=159)


@pytest.mark.parametrize(
    ("tags", "newest"),
    [
        ({}, "a"),
        ({"dagster/will_retry": "false"}, "a"),
        (PROMISED | {"dagster/auto_retry_run_id": "b"}, "a"),
        (PROMISED, "b"),
    ],
    ids=["nothing was promised", "given up", "retried by Dagster", "launched by a maintainer"],
)
def test_a_run_that_somebody_has_dealt_with_is_not_lost(tags: dict[str, str], newest: str) -> None:
    assert not is_lost_retry(run("a", tags), ended=0, newest=newest, now=1000)


# The sensor


@pytest.fixture
def sensor(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    monkeypatch.setattr(lost_retries, "PATIENCE_SECONDS", 0.0)
    return Ticks(instance, ATTRIBUTES, "lost_retries")


def failed(sensor: Ticks, job: str, tag: str, **tags: str) -> str:
    """Record a failed run of the job for a release; its id."""
    instance = sensor.instance
    instance.add_dynamic_partitions("sample_releases", [tag])
    definition = sensor.definitions.resolve_job_def(f"sample_{job}")
    made = instance.create_run_for_job(definition, tags={"dagster/partition": tag} | tags)
    instance.report_run_failed(made)
    return made.run_id


def test_it_launches_the_same_job_for_the_same_release(sensor: Ticks) -> None:
    lost = failed(
        sensor,
        "docker",
        "v1.0.0",
        **PROMISED,
        **{"release_assets/rebuild_tag": "docker-rebuild-v1.0.0", "dagster/sensor_name": "other"},
    )
    [request] = sensor.tick()
    assert request.job_name == "sample_docker"
    assert request.partition_key == "v1.0.0"
    assert request.run_key is not None
    assert lost in request.run_key
    assert request.tags["release_assets/rebuild_tag"] == "docker-rebuild-v1.0.0"
    assert "dagster/will_retry" not in request.tags
    assert "dagster/sensor_name" not in request.tags


def test_it_uses_the_same_run_key_so_that_it_is_launched_once(sensor: Ticks) -> None:
    failed(sensor, "release", "v1.0.0", **PROMISED)
    assert [request.run_key for request in sensor.tick()] == [request.run_key for request in sensor.tick()]


def test_it_leaves_alone_what_a_newer_run_goes_on_with(sensor: Ticks) -> None:
    failed(sensor, "release", "v1.0.0", **PROMISED)
    failed(sensor, "release", "v1.0.0")
    assert sensor.tick() == []


def test_other_releases_are_no_newer_run(sensor: Ticks) -> None:
    failed(sensor, "release", "v1.0.0", **PROMISED)
    failed(sensor, "release", "v1.1.0")
    failed(sensor, "docker", "v1.0.0")
    assert [request.partition_key for request in sensor.tick()] == ["v1.0.0"]


def test_it_is_silent_where_nothing_failed(sensor: Ticks) -> None:
    assert sensor.tick() == []


def test_it_says_that_nothing_is_lost(sensor: Ticks) -> None:
    assert sensor.tick() == []
    assert sensor.said == "no retries promised within a day, none of them lost"


def test_a_maintainer_reads_what_it_is_for(sensor: Ticks) -> None:
    assert sensor.sensor.description is not None
    assert "Launches a run again that was killed and that nobody retried." in sensor.sensor.description
