"""github_releases: which releases are due for their images, and the sensor on a scripted GitHub."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_assets.errors import TransientError
from release_assets.release import TagPatterns
from release_assets.sensors.github_releases import ImagesDue, images_due
from release_assets_tests.destinations.conftest import ScriptedServer, Told
from release_assets_tests.sensors.conftest import Ticks
from release_assets_tests.strategies import MANY

NONE: frozenset[str] = frozenset()


def due(
    published: Set[str],
    *,
    done: Set[str] | None = NONE,
    waiting: Set[str] = NONE,
    ours: Set[str] = NONE,
    built: Set[str] = NONE,
    in_flight: Set[str] = NONE,
) -> ImagesDue:
    return images_due(
        published,
        done=done,
        waiting=waiting,
        ours=ours,
        built=built,
        in_flight=in_flight,
        patterns=TagPatterns(),
    )


# The decision


def test_what_was_published_before_the_first_look_is_history() -> None:
    assert due({"v1.0", "v1.1"}, done=None) == ImagesDue(launch=[], waiting=[], done=["v1.0", "v1.1"])


def test_what_we_published_ourselves_before_the_first_look_is_due() -> None:
    assert due({"v1.0", "v1.1"}, done=None, ours={"v1.1"}) == ImagesDue(["v1.1"], [], ["v1.0", "v1.1"])


def test_a_new_release_is_due_whoever_published_it() -> None:
    assert due({"v1.0", "v1.1"}, done={"v1.0"}) == ImagesDue(["v1.1"], [], ["v1.0", "v1.1"])


def test_images_that_are_there_are_not_built_again() -> None:
    assert due({"v1.1"}, built={"v1.1"}) == ImagesDue([], [], ["v1.1"])
    assert due({"v1.1"}, done=None, ours={"v1.1"}, built={"v1.1"}) == ImagesDue([], [], ["v1.1"])


def test_images_that_are_being_built_are_waited_for() -> None:
    assert due({"v1.1"}, in_flight={"v1.1"}) == ImagesDue([], ["v1.1"], [])
    # the run failed: nobody else builds them
    assert due(NONE, waiting={"v1.1"}) == ImagesDue(["v1.1"], [], ["v1.1"])
    # it was enough
    assert due(NONE, waiting={"v1.1"}, built={"v1.1"}) == ImagesDue([], [], ["v1.1"])


def test_a_rebuild_in_flight_does_not_make_an_old_release_due() -> None:
    assert due({"v1.0"}, done={"v1.0"}, in_flight={"v1.0"}) == ImagesDue([], [], ["v1.0"])


def test_a_release_that_was_deleted_and_made_again_is_not_due_again() -> None:
    after = due(NONE, done={"v1.0"})
    assert after.done == ["v1.0"]
    assert due({"v1.0"}, done=set(after.done)).launch == []


def test_releases_that_are_none_of_ours_are_nobodys_business() -> None:
    published = {"nightly", "v.3.72", "docker-rebuild-v1.0", "", "v1.0"}
    assert due(published) == ImagesDue(["v1.0"], [], ["v1.0"])


names = st.sampled_from(["v1.0", "v1.1", "v2.0rc1", "test-v1.0", "vx", "docker-rebuild-v1.0"])
some = st.frozensets(names)


@given(some, st.none() | some, some, some, some, some)
@settings(MANY, max_examples=400)
def test_nothing_is_launched_twice_and_nothing_is_forgotten(
    published: Set[str],
    done: Set[str] | None,
    waiting: Set[str],
    ours: Set[str],
    built: Set[str],
    in_flight: Set[str],
) -> None:
    now = due(published, done=done, waiting=waiting, ours=ours, built=built, in_flight=in_flight)
    assert not set(now.launch) & {*built, *in_flight, *(done or ())}
    assert not {*now.launch, *now.done} & set(now.waiting)
    assert set(now.launch) | set(done or ()) <= set(now.done)
    assert published & {"v1.0", "v1.1", "v2.0rc1", "test-v1.0"} <= {*now.done, *now.waiting}
    again = due(published, done=set(now.done), waiting=set(now.waiting), built=built, in_flight=in_flight)
    assert again.launch == []


# The sensor


def page(*tags: str, etag: str = '"1"') -> Told:
    """GitHub's list of releases; a tag that begins with `draft:` is a draft's."""
    releases: list[dict[str, Any]] = [
        {
            "id": number,
            "tag_name": tag.removeprefix("draft:"),
            "draft": tag.startswith("draft:"),
            "prerelease": False,
            "published_at": None if tag.startswith("draft:") else "2026-01-01T00:00:00Z",
            "name": tag,
            "body": "",
            "html_url": f"https://github.example/{tag}",
            "upload_url": "",
            "target_commitish": "main",
            "assets": [],
        }
        for number, tag in enumerate(tags)
    ]
    return Told(
        body=json.dumps(releases).encode(), headers={"Content-Type": "application/json", "ETag": etag}
    )


@pytest.fixture
def sensor(instance: dg.DagsterInstance, server: ScriptedServer) -> Ticks:
    attributes: dict[str, Any] = {
        "project": "sample",
        "repository": "https://git.example/owner/sample.git",
        "package": {},
        "github": {"api_url": server.url, "repository": "owner/sample"},
        "image": {"repository": "docker.io/owner/sample"},
    }
    return Ticks(instance, attributes, "github_releases")


def test_the_first_tick_launches_nothing(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0", "v1.1"))
    assert sensor.tick() == []
    assert sensor.tick() == []


def test_a_release_published_by_a_person_gets_its_images_once(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0"), page("v1.1", "draft:v2.0", "v1.0", etag='"2"'))
    sensor.tick()
    (request,) = sensor.tick()
    assert (request.partition_key, request.run_key) == ("v1.1", "images v1.1")
    assert sensor.partitions == ["v1.1"]
    assert sensor.tick() == []


def test_a_page_that_did_not_change_is_asked_for_by_its_etag(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0"), Told(304))
    sensor.tick()
    assert sensor.tick() == []
    assert sensor.tick() == []
    assert [request.headers.get("if-none-match") for request in server.seen] == [None, '"1"', '"1"']


def test_a_token_with_a_line_break_at_its_end_is_sent_without_it(
    sensor: Ticks, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken\n")
    server.answers(page("v1.0"))
    assert sensor.tick() == []
    assert server.seen[0].headers["authorization"].split()[1:] == ["t0ken"]


def test_an_outage_fails_the_tick_and_forgets_nothing(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0"), Told(503))
    sensor.tick()
    cursor = sensor.cursor
    with pytest.raises(TransientError):
        sensor.tick()
    assert sensor.cursor == cursor
    server.answers(page("v1.1", "v1.0", etag='"2"'))
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]


def test_an_empty_answer_forgets_nothing(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0"), page(etag='"2"'), page("v1.0", etag='"3"'))
    assert [sensor.tick() for _ in range(3)] == [[], [], []]


def test_a_test_release_is_due_when_it_is_on_the_test_index(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page())
    sensor.tick()
    sensor.materialized("pypi_publication", "test-v1.0")
    sensor.materialized("pypi_publication", "v1.0")  # waits for its GitHub release
    assert [request.partition_key for request in sensor.tick()] == ["test-v1.0"]
    assert sensor.tick() == []


def test_a_release_of_ours_from_before_the_first_tick_is_due(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0", "v1.1", "v1.2"))
    sensor.materialized("github_release", "v1.1")
    sensor.materialized("github_release", "v1.2")
    sensor.materialized("manifest_list", "v1.2")
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]


def test_images_that_somebody_builds_by_hand_are_waited_for(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page(), page("v1.0", etag='"2"'), Told(304))
    sensor.tick()
    run = sensor.instance.create_run_for_job(
        sensor.definitions.resolve_job_def("sample_docker"),
        tags={"dagster/partition": "v1.0"},
        asset_selection=frozenset({dg.AssetKey(["sample", "manifest_list"])}),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert sensor.tick() == []
    sensor.instance.report_run_failed(run)
    assert [request.partition_key for request in sensor.tick()] == ["v1.0"]
    assert sensor.tick() == []


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
def test_images_that_a_rebuild_tag_asked_for_are_waited_for(
    sensor: Ticks, server: ScriptedServer, status: dg.DagsterRunStatus
) -> None:
    """A run that a sensor launched has no selection: it makes everything in its job."""
    server.answers(page(), page("v1.0", etag='"2"'), Told(304))
    sensor.tick()
    job = sensor.definitions.resolve_job_def("sample_docker")
    run = sensor.instance.create_run_for_job(job, tags={"dagster/partition": "v1.0"}, status=status)
    assert sensor.tick() == []
    sensor.materialized("manifest_list", "v1.0")
    sensor.instance.delete_run(run.run_id)
    assert sensor.tick() == []
