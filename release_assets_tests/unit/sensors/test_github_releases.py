"""github_releases: which releases are due for their images, and the sensor on a scripted GitHub."""

from __future__ import annotations

import json
import time
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_assets.errors import TransientError
from release_assets.rules.tags import TagPatterns
from release_assets.sensors import github_releases, release_half
from release_assets.sensors.github_releases import ImagesDue, images_due
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.strategies import MANY
from release_assets_tests.unit.sensors.conftest import Ticks

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


# While a release of ours is under way


def is_releasing(sensor: Ticks, tag: str) -> dg.DagsterRun:
    """A release run of the tag that has built the sdist."""
    job = sensor.definitions.resolve_job_def("sample_release")
    sensor.materialized("sdist", tag)
    return sensor.instance.create_run_for_job(
        job, tags={"dagster/partition": tag}, status=dg.DagsterRunStatus.STARTED
    )


@pytest.mark.parametrize(
    ("tag", "steps"),
    [("v1.0", ["pypi_publication", "github_release"]), ("test-v1.0", ["pypi_publication"])],
)
def test_the_tick_before_a_publication_waits_for_it(
    sensor: Ticks, server: ScriptedServer, tag: str, steps: list[str]
) -> None:
    server.answers(page(), Told(304))
    sensor.tick()
    is_releasing(sensor, tag)

    def publish() -> None:
        for step in steps:
            time.sleep(0.5)
            sensor.materialized(step, tag)

    with ThreadPoolExecutor() as pool:
        published = pool.submit(publish)
        assert [request.partition_key for request in sensor.tick()] == [tag]
        assert published.done()


def test_a_tick_waits_no_longer_than_the_next_one_takes(
    sensor: Ticks, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(page(), Told(304))
    sensor.tick()
    monkeypatch.setattr(github_releases, "LINGER_SECONDS", 0.5)
    run = is_releasing(sensor, "v1.0")
    started = time.monotonic()
    assert sensor.tick() == []
    assert 0.5 <= time.monotonic() - started < 3
    sensor.instance.report_run_failed(run)
    monkeypatch.setattr(github_releases, "LINGER_SECONDS", 60.0)  # nothing is waited for anymore
    assert sensor.tick() == []


# How often GitHub is asked


class Clock:
    """The time of day, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(github_releases, "time", made)
    return made


def test_github_is_asked_every_ten_seconds_though_the_sensor_ticks_every_five(
    sensor: Ticks, server: ScriptedServer, clock: Clock
) -> None:
    server.answers(page("v1.0"), Told(304))
    for _ in range(7):
        sensor.tick()
        clock.now += 5
    assert len(server.seen) == 4
    assert sensor.said == "1 release, none new; the newest is v1.0"


def test_github_is_not_asked_more_often_because_it_fails(
    sensor: Ticks, server: ScriptedServer, clock: Clock
) -> None:
    server.answers(page("v1.0"), Told(304))
    sensor.tick()
    server.answers(Told(503))
    asked = len(server.seen)
    for number in range(1, 7):
        clock.now += 5
        if number % 2:
            sensor.tick()
        else:
            with pytest.raises(TransientError):
                sensor.tick()
    assert len(server.seen) - asked == 3


def test_a_release_of_ours_is_due_without_asking_github(
    sensor: Ticks, server: ScriptedServer, clock: Clock
) -> None:
    server.answers(page("v1.0"), Told(304))
    sensor.tick()
    clock.now += 5
    sensor.materialized("github_release", "v1.1")
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]
    assert len(server.seen) == 1
    clock.now += 5
    assert sensor.tick() == []


def test_two_requests_are_enough_for_a_long_list(sensor: Ticks, server: ScriptedServer, clock: Clock) -> None:
    """2,000 releases are 20 pages. The first one is asked for, and the others in turns."""
    pages = [page(*(f"v{number}.{n}" for n in range(100)), etag=f'"{number}"') for number in range(20)]
    server.answers(*pages, page(), Told(304))
    sensor.tick()
    assert sensor.cursor is not None
    assert len(sensor.cursor) < 400
    asked = len(server.seen)
    for _ in range(20):
        clock.now += 10
        assert sensor.tick() == []
    numbers = [parse_qs(urlsplit(request.path).query)["page"][0] for request in server.seen[asked:]]
    assert numbers[::2] == ["1"] * 20
    assert set(numbers[1::2]) == {str(number) for number in range(2, 22)}


def test_an_old_draft_that_is_published_late_is_found_on_its_page(
    sensor: Ticks, server: ScriptedServer, clock: Clock
) -> None:
    first, second = (f"v2.{n}" for n in range(100)), ("v1.0", "draft:v0.9")
    server.answers(page(*first), page(*second, etag='"2"'), Told(304), page("v1.0", "v0.9", etag='"3"'))
    sensor.tick()
    clock.now += 10
    assert [request.partition_key for request in sensor.tick()] == ["v0.9"]


# Images wait for the release


@pytest.fixture
def both(sensor: Ticks, server: ScriptedServer, tmp_path: Path) -> tuple[Repository, Ticks, Ticks]:
    """A repository, and both sensors of its project after their first looks."""
    repository = Repository(tmp_path / "remote")
    attributes = sensor.project.model_dump() | {"repository": repository.remote}
    release_tags = Ticks(sensor.instance, attributes, "release_tags")
    sensor = Ticks(sensor.instance, attributes, "github_releases")
    server.answers(page())
    release_tags.tick()
    sensor.tick()
    return repository, release_tags, sensor


@pytest.mark.parametrize("is_tag_seen_first", [True, False])
def test_images_of_a_tag_wait_for_its_release_however_both_are_seen(
    both: tuple[Repository, Ticks, Ticks], server: ScriptedServer, is_tag_seen_first: bool
) -> None:
    """A person publishes a release on GitHub's page, which makes the tag in the same moment."""
    repository, release_tags, github = both
    repository.tag("v1.0")
    server.answers(page("v1.0", etag='"2"'), Told(304))
    if not is_tag_seen_first:
        assert github.tick() == []
        assert "the images of v1.0 wait: the sensor release_tags has not seen its tag yet" in github.said
    (request,) = release_tags.tick()
    assert github.tick() == []
    assert "the images of v1.0 wait: its release run is about to start" in github.said
    run = release_tags.ran(request, dg.DagsterRunStatus.STARTED)
    assert github.tick() == []
    assert "the images of v1.0 wait: its release runs" in github.said
    github.materialized("github_release", "v1.0")
    assert [due.partition_key for due in github.tick()] == ["v1.0"]
    github.instance.report_run_failed(run)  # whatever becomes of it
    assert github.tick() == []


def test_images_wait_while_a_failed_release_is_not_made_good(
    both: tuple[Repository, Ticks, Ticks], server: ScriptedServer
) -> None:
    repository, release_tags, github = both
    repository.tag("v1.0")
    server.answers(page("v1.0", etag='"2"'), Told(304))
    (request,) = release_tags.tick()
    release_tags.ran(request, dg.DagsterRunStatus.FAILURE)
    for _ in range(2):
        assert github.tick() == []
    assert "the images of v1.0 wait: its release run failed; retry it, or" in github.said
    github.materialized("github_release", "v1.0")
    assert [due.partition_key for due in github.tick()] == ["v1.0"]


def test_a_release_of_an_old_tag_gets_its_images_at_once(
    both: tuple[Repository, Ticks, Ticks], server: ScriptedServer
) -> None:
    """Its tag was there before the first look, so that no release run is to be waited for."""
    repository, _, github = both
    repository.tag("v0.9")
    release_tags = Ticks(github.instance, github.project.model_dump(), "release_tags")
    release_tags.tick()
    server.answers(page("v0.9", etag='"2"'), Told(304))
    assert [due.partition_key for due in github.tick()] == ["v0.9"]


def test_a_release_of_a_pointer_gets_no_images(
    both: tuple[Repository, Ticks, Ticks], server: ScriptedServer
) -> None:
    repository, release_tags, github = both
    for tag in ("v1", "v1.0.3"):
        repository.tag(tag)
    (request,) = release_tags.tick()
    release_tags.ran(request, dg.DagsterRunStatus.SUCCESS)
    server.answers(page("v1", "v1.0.3", etag='"2"'), Told(304))
    assert [due.partition_key for due in github.tick()] == ["v1.0.3"]
    assert github.tick() == []
    assert "v1 is skipped: it only points to v1.0.3" in github.said


def test_no_tag_is_waited_for_that_the_sensor_of_the_tags_never_sees(
    both: tuple[Repository, Ticks, Ticks], server: ScriptedServer
) -> None:
    """A run that was deleted by hand is not waited for, either."""
    repository, release_tags, github = both
    repository.tag("v1.0")
    (request,) = release_tags.tick()
    run = release_tags.ran(request, dg.DagsterRunStatus.SUCCESS)
    github.instance.delete_run(run.run_id)
    server.answers(page("v1.0", etag='"2"'), Told(304))
    assert github.tick() == []
    with pytest.MonkeyPatch.context() as later:
        later.setattr(release_half, "CREATION_SECONDS", 0.0)
        assert [due.partition_key for due in github.tick()] == ["v1.0"]


def test_images_wait_for_the_approval_of_their_release(sensor: Ticks, server: ScriptedServer) -> None:
    """Somebody with GitHub's token publishes a release: that alone builds nothing."""
    sensor = Ticks(
        sensor.instance,
        sensor.project.model_dump(mode="json") | {"publish": {"approval": "required"}},
        "github_releases",
    )
    server.answers(page(), page("v1.0", etag='"2"'), Told(304))
    sensor.tick()
    assert sensor.tick() == []
    assert "the images of v1.0 wait: nobody has approved it" in sensor.said
    sensor.materialized("approval", "v1.0")
    assert [due.partition_key for due in sensor.tick()] == ["v1.0"]


def test_several_releases_get_their_images_in_the_order_of_their_versions(
    sensor: Ticks, server: ScriptedServer
) -> None:
    server.answers(page(), page("v4.2.0", "v4.10.0", "v4.1.0rc1", etag='"2"'))
    sensor.tick()
    assert [due.partition_key for due in sensor.tick()] == ["v4.1.0rc1", "v4.2.0", "v4.10.0"]
    assert sensor.instance.get_dynamic_partitions("sample_releases") == ["v4.1.0rc1", "v4.2.0", "v4.10.0"]


def test_a_cursor_that_holds_every_release_is_understood(sensor: Ticks, server: ScriptedServer) -> None:
    """As release-assets 0.1 wrote it."""
    sensor.cursor = json.dumps({"done": ["v1.0"], "waiting": [], "pages": [{"etag": '"1"', "full": False}]})
    server.answers(Told(304), page("v1.1", "v1.0", etag='"2"'))
    assert sensor.tick() == []
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]


def test_a_lost_record_builds_nothing_old(sensor: Ticks, server: ScriptedServer) -> None:
    server.answers(page("v1.0"), page("v1.1", "v1.0", etag='"2"'))
    sensor.tick()
    gone = {f"release_assets/sample/github_releases/{slot}": "gone" for slot in (0, 1)}
    sensor.instance.daemon_cursor_storage.set_cursor_values(gone)
    assert sensor.tick() == []
    assert "the record of the releases is lost" in sensor.said
    server.answers(page("v1.2", "v1.1", "v1.0", etag='"3"'))
    assert [request.partition_key for request in sensor.tick()] == ["v1.2"]
