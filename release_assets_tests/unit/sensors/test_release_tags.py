"""release_tags: the decision for any tags, and the sensor on a real repository."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_assets.destinations import tag_look
from release_assets.errors import PermanentError
from release_assets.rules.pointers import pointers
from release_assets.rules.tags import MalformedTag, ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.sensors.attempts import Move
from release_assets.sensors.release_tags import Rebuild, TagChanges, tag_changes
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.strategies import examples, tags
from release_assets_tests.unit.sensors.conftest import Ticks

PATTERNS = TagPatterns()
NOWHERE = "http://127.0.0.1:9"  # where nobody listens
A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


# The decision


def test_the_first_look_makes_partitions_and_launches_nothing() -> None:
    observed = {"v1.0": A, "test-v1.1": A, "docker-rebuild-v1.0": B, "nightly": A}
    assert tag_changes(observed, None, PATTERNS) == TagChanges(partitions=["v1.0", "test-v1.1"])


def test_a_repository_that_was_empty_before_releases_its_first_tag() -> None:
    assert tag_changes({"v1.0": A}, {}, PATTERNS) == TagChanges(partitions=["v1.0"], releases=["v1.0"])


def test_new_release_and_test_tags_are_released_however_late_they_come() -> None:
    observed = {"v2.0": A, "v1.0.1": B, "test-v3.0": B}
    assert tag_changes(observed, {"v2.0": A}, PATTERNS) == TagChanges(
        partitions=["v1.0.1", "test-v3.0"], releases=["v1.0.1", "test-v3.0"]
    )


def test_new_tags_start_in_the_order_of_their_versions() -> None:
    observed = {"v4.10.0": A, "v4.1.0rc1": B, "v4.2.0": C, "v4.1.0": D, "test-v4.1.1": D}
    in_order = ["v4.1.0rc1", "v4.1.0", "test-v4.1.1", "v4.2.0", "v4.10.0"]
    assert tag_changes(observed, None, PATTERNS).partitions == in_order
    changes = tag_changes(observed, {}, PATTERNS)
    assert changes.releases == changes.partitions == in_order


@pytest.mark.parametrize("seen", [None, {}], ids=["first look", "later"])
def test_moving_tags_beside_a_release_are_pointers(seen: dict[str, str] | None) -> None:
    observed = {"v1": A, "v1.2": A, "v1.2.3": A}
    changes = tag_changes(observed, seen, PATTERNS)
    assert changes.partitions == ["v1.2.3"]
    assert changes.remarks == [
        "tag v1 is skipped: it only points to v1.2.3",
        "tag v1.2 is skipped: it only points to v1.2.3",
    ]


def test_a_pointer_that_moves_before_its_new_release_comes_is_no_release() -> None:
    """`git push --force origin v1`, and a moment later `git push origin v1.2.4`."""
    seen = {"v1": A, "v1.2.3": A}
    changes = tag_changes({"v1": B, "v1.2.3": A}, seen, PATTERNS)
    assert (changes.releases, changes.moves) == ([], [])
    after = tag_changes({"v1": B, "v1.2.3": A, "v1.2.4": B}, {**seen, "v1": B}, PATTERNS)
    assert after.releases == ["v1.2.4"]


def test_a_moving_tag_that_comes_on_another_commit_is_no_release() -> None:
    """`v1` is made for the first time, on the commit after the release."""
    changes = tag_changes({"v1.2.3": A, "v1": B, "v1.2.4rc1": C}, {"v1.2.3": A}, PATTERNS)
    assert changes.partitions == changes.releases == ["v1.2.4rc1"]
    assert changes.remarks == [
        "tag v1 is skipped: v1.2.3 was there before it, so it is a tag that moves. "
        "Run `release-assets release v1` where it is a release"
    ]


def test_another_name_of_a_released_version_is_a_pointer() -> None:
    changes = tag_changes({"v1.0": A, "v1.0.0": A}, {"v1.0": A}, PATTERNS)
    assert changes.releases == []
    assert changes.remarks == ["tag v1.0.0 is skipped: it only points to v1.0"]


def test_what_was_seen_is_not_looked_at_again() -> None:
    seen = {"v1.0": A, "vx": A, "docker-rebuild-v1.0": A, "docker-rebuild-v9": A}
    assert tag_changes(seen, seen, PATTERNS) == TagChanges()
    assert tag_changes({}, seen, PATTERNS) == TagChanges()


def test_a_release_tag_that_moved_is_a_move() -> None:
    changes = tag_changes({"v1.0": B, "v2.0": C}, {"v1.0": A, "v2.0": C}, PATTERNS)
    assert changes == TagChanges(moves=[Move("v1.0", A, B, is_newest=False)])
    changes = tag_changes({"v1.0": A, "v2.0": B}, {"v1.0": A, "v2.0": C}, PATTERNS)
    assert changes == TagChanges(moves=[Move("v2.0", C, B, is_newest=True)])


def test_a_malformed_tag_is_told_and_skipped() -> None:
    for seen in (None, {"v1.0": A}):
        assert tag_changes({"v1.0": A, "v.3.72": B}, seen, PATTERNS).remarks == [
            "tag v.3.72 is skipped: '.3.72' is not a version by PEP 440"
        ]
    assert tag_changes({"v.3.72": B}, {"v.3.72": A}, PATTERNS) == TagChanges()


def test_a_rebuild_tag_asks_for_the_images_of_its_release() -> None:
    observed = {"v1.0": A, "docker-rebuild-v1.0": B}
    assert tag_changes(observed, {"v1.0": A}, PATTERNS) == TagChanges(
        partitions=["v1.0"], rebuilds=[Rebuild("docker-rebuild-v1.0", B, "v1.0")]
    )


def test_a_rebuild_tag_that_comes_with_its_release_waits_for_it() -> None:
    observed = {"v1.0": A, "docker-rebuild-v1.0": B}
    assert tag_changes(observed, {}, PATTERNS) == TagChanges(
        partitions=["v1.0"],
        releases=["v1.0"],
        remarks=["tag docker-rebuild-v1.0 is skipped: the release of v1.0 builds its images"],
    )


def test_a_rebuild_tag_that_moved_is_a_new_rebuild() -> None:
    seen = {"v1.0": A, "docker-rebuild-v1.0": A}
    changes = tag_changes({**seen, "docker-rebuild-v1.0": B}, seen, PATTERNS)
    assert changes.rebuilds == [Rebuild("docker-rebuild-v1.0", B, "v1.0")]
    assert changes.releases == []


def test_a_rebuild_tag_finds_its_release_however_the_version_is_written() -> None:
    observed = {"v1.2.0-rc.1": A, "docker-rebuild-v1.2rc1": B}
    assert tag_changes(observed, {"v1.2.0-rc.1": A}, PATTERNS).rebuilds == [
        Rebuild("docker-rebuild-v1.2rc1", B, "v1.2.0-rc.1")
    ]


def test_a_rebuild_tag_without_a_release_is_told() -> None:
    observed = {"docker-rebuild-v1.0": B, "test-v1.0": A}
    assert tag_changes(observed, {"test-v1.0": A}, PATTERNS) == TagChanges(
        remarks=["tag docker-rebuild-v1.0 is skipped: no release tag has version 1.0"]
    )


observations = st.dictionaries(tags, st.sampled_from([A, B]), max_size=8)


@given(observations, st.none() | observations)
@examples(600)
def test_no_tags_raise_and_nothing_is_released_that_was_ever_seen(
    observed: dict[str, str], seen: dict[str, str] | None
) -> None:
    changes = tag_changes(observed, seen, PATTERNS)
    assert not set(changes.releases) & set(seen or {})
    assert {*changes.releases, *(rebuild.release for rebuild in changes.rebuilds)} <= {*changes.partitions}
    assert set(changes.partitions) <= set(observed)
    assert (
        not {*changes.partitions, *(move.tag for move in changes.moves)} & pointers(observed, PATTERNS).keys()
    )
    for partition in changes.partitions:
        tag = parse_tag(partition, PATTERNS)
        assert isinstance(tag, ParsedTag)
        assert tag.kind is not TagKind.REBUILD
    if seen is None:
        assert changes.releases == []
        assert changes.rebuilds == []


@given(tags)
@examples(10_000)
def test_no_new_tag_raises_in_the_sensor_or_makes_a_run_that_cannot_be(name: str) -> None:
    changes = tag_changes({name: A}, {}, PATTERNS)
    assert changes.releases == changes.partitions == ([name] if is_release(name) else [])
    assert all("\n" not in remark or "\n" in name for remark in changes.remarks)


@given(st.lists(observations, max_size=4))
@examples(300)
def test_whatever_comes_and_goes_no_tag_is_released_twice_at_a_commit(looks: list[dict[str, str]]) -> None:
    released: list[str] = []
    rebuilt: list[Rebuild] = []
    seen: dict[str, str] = {}
    for observed in looks:
        changes = tag_changes(observed, seen, PATTERNS)
        released += changes.releases
        rebuilt += changes.rebuilds
        assert all(
            move.before == seen[move.tag] != move.after == observed[move.tag] for move in changes.moves
        )
        seen |= observed
        assert tag_changes(observed, seen, PATTERNS) == TagChanges()
    assert len(released) == len(set(released))
    assert set(released) <= {name for look in looks for name in look if is_release(name)}


def is_release(name: str) -> bool:
    tag = parse_tag(name, PATTERNS)
    return isinstance(tag, ParsedTag) and tag.kind is not TagKind.REBUILD


# The sensor


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "remote")


StartTicks = Callable[..., Ticks]


@pytest.fixture
def start(instance: dg.DagsterInstance, repository: Repository) -> StartTicks:
    """Makes the sensor of a project with images, or as changed."""

    def ticks(**changes: Any) -> Ticks:
        attributes = {
            "project": "sample",
            "repository": repository.remote,
            "package": {"name": "sample"},
            "github": {"api_url": NOWHERE, "repository": "owner/sample"},
            "index": {"simple_url": NOWHERE},
            "test_index": {"simple_url": NOWHERE},
            "image": {"repository": "docker.io/owner/sample"},
        }
        return Ticks(instance, attributes | changes, "release_tags")

    return ticks


def test_the_first_tick_adds_partitions_and_launches_nothing(
    repository: Repository, start: StartTicks
) -> None:
    for tag in ("v1.0", "v1.1rc1", "test-v1.1", "docker-rebuild-v1.0", "v.3.72", "nightly"):
        repository.tag(tag)
    sensor = start()
    assert sensor.tick() == []
    assert sensor.partitions == ["test-v1.1", "v1.0", "v1.1rc1"]


def test_a_new_tag_is_released_once(repository: Repository, start: StartTicks) -> None:
    repository.tag("v1.0")
    sensor = start()
    sensor.tick()
    repository.commit({"a": "a"})
    repository.tag("v1.1", annotated=True)
    (request,) = sensor.tick()
    assert (request.job_name, request.partition_key) == ("sample_release", "v1.1")
    assert request.run_key == "release v1.1"
    assert sensor.partitions == ["v1.0", "v1.1"]
    assert sensor.tick() == []


def test_tags_pushed_while_nobody_looked_are_all_released(repository: Repository, start: StartTicks) -> None:
    sensor = start()
    sensor.tick()
    pushed = ["v4.10.0", "v4.1.0rc1", "v4.2.0", "test-v5.0", "v4.0.9"]
    for tag in pushed:
        repository.commit({})
        repository.tag(tag)
    requests = sensor.tick()
    in_order = ["v4.0.9", "v4.1.0rc1", "v4.2.0", "v4.10.0", "test-v5.0"]
    assert [request.partition_key for request in requests] == in_order
    assert sensor.instance.get_dynamic_partitions("sample_releases") == in_order
    assert {request.job_name for request in requests} == {"sample_release"}
    assert sensor.tick() == []


def test_ten_thousand_tags_of_any_kind_in_one_push_are_no_trouble(
    repository: Repository, start: StartTicks
) -> None:
    pushed = made_up_tags(10_000)
    sensor = start()
    sensor.tick()
    refs = "".join(f"{repository.first} refs/tags/{name}\n" for name in pushed)
    (repository.path / ".git" / "packed-refs").write_text(refs, encoding="utf-8")
    requests = sensor.tick()
    parsed = {name: parse_tag(name, PATTERNS) for name in pushed}
    asked_for = {tag.name: tag for tag in parsed.values() if isinstance(tag, ParsedTag)}
    moving = pointers(dict.fromkeys(pushed, repository.first), PATTERNS)
    releases = {name for name, tag in asked_for.items() if tag.kind is not TagKind.REBUILD} - moving.keys()
    assert len(releases) > 2_000
    assert sum(isinstance(tag, MalformedTag) for tag in parsed.values()) > 3_000
    assert {request.partition_key for request in requests if request.job_name == "sample_release"} == releases
    assert len({request.run_key for request in requests}) == len(requests)
    assert set(sensor.partitions) == releases
    assert sensor.tick() == []


def made_up_tags(number: int) -> list[str]:
    """Return tags that git accepts, the same each time: half are versions, the others nearly or nothing."""
    chance = random.Random(1)  # noqa: S311
    made: set[str] = set()
    while len(made) < number:
        prefix = chance.choice(["v", "v", "test-v", "docker-rebuild-v", ""])
        numbers = ".".join(str(chance.randint(0, 40)) for _ in range(chance.randint(1, 4)))
        end = chance.choice(["", "", "rc1", "-rc.1", ".post2", "-1", ".dev0", "a1", "+local"])
        noise = "".join(
            chance.choices("0123456789.-_+!abcdehloprstvwxV\u0661\u017f\u2028", k=chance.randint(1, 9))
        )
        name = prefix + chance.choice([numbers + end, noise])
        if not re.search(r"\.\.|^[.-]|\.(lock)?$", name):
            made.add(name)
    return sorted(made)


def test_a_remote_that_is_gone_fails_the_tick_and_forgets_nothing(
    repository: Repository, start: StartTicks, tmp_path: Path
) -> None:
    repository.tag("v1.0")
    sensor = start()
    sensor.tick()
    cursor = sensor.cursor
    repository.tag("v1.1")
    shutil.move(repository.path, tmp_path / "away")
    with pytest.raises(PermanentError, match="git cannot use"):
        sensor.tick()
    assert sensor.cursor == cursor
    shutil.move(tmp_path / "away", repository.path)
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]


def test_a_malformed_tag_is_reported_once(
    repository: Repository, start: StartTicks, capfd: pytest.CaptureFixture[str]
) -> None:
    sensor = start()
    sensor.tick()
    repository.tag("vr0.6.0rc1")
    repository.tag("v1.0")
    assert [request.partition_key for request in sensor.tick()] == ["v1.0"]
    said = "tag vr0.6.0rc1 is skipped: 'r0.6.0rc1' is not a version by PEP 440"
    assert capfd.readouterr().err.count(said) == 1
    assert sensor.tick() == []
    assert "vr0.6.0rc1" not in capfd.readouterr().err


def test_a_rebuild_tag_builds_the_images_of_its_release_each_time_it_moves(
    repository: Repository, start: StartTicks
) -> None:
    repository.tag("v1.0")
    sensor = start()
    sensor.tick()
    commits = []
    for _ in range(2):
        commits.append(repository.commit({}))
        repository.tag("docker-rebuild-v1.0")
        (request,) = sensor.tick()
        assert (request.job_name, request.partition_key) == ("sample_docker", "v1.0")
        assert request.run_key == f"rebuild docker-rebuild-v1.0 {commits[-1]}"
        assert request.tags["release_assets/rebuild_tag"] == "docker-rebuild-v1.0"
        assert sensor.tick() == []
    assert commits[0] != commits[1]
    assert sensor.partitions == ["v1.0"]


def test_a_tag_that_comes_back_to_its_commit_is_not_released_again(
    repository: Repository, start: StartTicks
) -> None:
    sensor = start()
    sensor.tick()
    repository.tag("v1.0")
    assert len(sensor.tick()) == 1
    repository.untag("v1.0")
    assert sensor.tick() == []
    repository.tag("v1.0")
    assert sensor.tick() == []
    assert sensor.partitions == ["v1.0"]


def test_a_partition_that_is_already_there_is_no_obstacle(
    repository: Repository, start: StartTicks, instance: dg.DagsterInstance
) -> None:
    sensor = start()
    sensor.tick()
    instance.add_dynamic_partitions("sample_releases", ["v1.0"])
    repository.tag("v1.0")
    assert [request.partition_key for request in sensor.tick()] == ["v1.0"]


def test_a_partition_that_was_deleted_is_not_added_again(
    repository: Repository, start: StartTicks, instance: dg.DagsterInstance
) -> None:
    repository.tag("v1.0")
    sensor = start()
    sensor.tick()
    instance.delete_dynamic_partition("sample_releases", "v1.0")
    sensor.tick()
    assert sensor.partitions == []


def test_a_project_without_images_skips_rebuild_tags(
    repository: Repository, start: StartTicks, capfd: pytest.CaptureFixture[str]
) -> None:
    sensor = start(image=None)
    repository.tag("v1.0")
    sensor.tick()
    repository.tag("docker-rebuild-v1.0")
    assert sensor.tick() == []
    assert "sample declares no image: its rebuild tags are skipped" in capfd.readouterr().err


def test_tags_may_be_written_in_a_projects_own_way(repository: Repository, start: StartTicks) -> None:
    sensor = start(tags={"release": "core/{version}", "test": "core/test-{version}"})
    sensor.tick()
    for tag in ("core/1.0", "core/test-1.0", "v2.0", "extras/3.0"):
        repository.tag(tag)
    assert [request.partition_key for request in sensor.tick()] == ["core/1.0", "core/test-1.0"]


# A tag that moves


@pytest.fixture
def failed(start: StartTicks, repository: Repository) -> Ticks:
    """A sensor that has launched v1.0 and test-v1.1, and both runs failed before anything was published."""
    sensor = start()
    sensor.tick()
    repository.tag("v1.0")
    repository.tag("test-v1.1")
    for request in sensor.tick():
        sensor.ran(request, dg.DagsterRunStatus.FAILURE)
    return sensor


@pytest.mark.parametrize("tag", ["v1.0", "test-v1.1"])
@pytest.mark.parametrize("is_seen_without", [False, True], ids=["at once", "a tick later"])
def test_a_corrected_tag_is_a_new_attempt(
    failed: Ticks, repository: Repository, tag: str, is_seen_without: bool
) -> None:
    """The version check failed, and the maintainer deletes the tag and pushes it on the next commit."""
    repository.untag(tag)
    if is_seen_without:
        assert failed.tick() == []
    repository.commit({"a": "a"})
    repository.tag(tag)
    (request,) = failed.tick()
    assert (request.job_name, request.partition_key) == ("sample_release", tag)
    assert request.run_key == f"release {tag} attempt 2"
    assert failed.partitions == ["test-v1.1", "v1.0"]
    assert failed.tick() == []


def test_a_failed_tag_that_is_gone_leaves_no_partition(failed: Ticks, repository: Repository) -> None:
    failed.materialized("version", "v1.0")
    failed.materialized("sdist", "v1.0")
    repository.untag("v1.0")
    assert failed.tick() == []
    assert failed.partitions == ["test-v1.1"]
    assert "v1.0 is gone, and nothing of it is published: its partition is removed" in failed.said
    repository.tag("v1.0")
    (request,) = failed.tick()
    assert request.run_key == "release v1.0 attempt 2"


def test_a_tag_that_is_gone_before_its_run_failed_leaves_no_partition(
    repository: Repository, start: StartTicks
) -> None:
    sensor = start()
    sensor.tick()
    repository.tag("v1.0")
    (request,) = sensor.tick()
    sensor.ran(request, dg.DagsterRunStatus.STARTED)
    repository.untag("v1.0")
    assert sensor.tick() == []
    assert sensor.partitions == ["v1.0"]
    sensor.ran(request, dg.DagsterRunStatus.FAILURE)
    assert sensor.tick() == []
    assert sensor.partitions == []
    assert "v1.0 is gone, and nothing of it is published: its partition is removed" in sensor.said


def test_partitions_are_added_in_the_order_of_their_versions(
    repository: Repository, start: StartTicks
) -> None:
    sensor = start()
    for tag in ("v1.10.0", "v1.9.0", "v1.2.0rc1"):
        repository.tag(tag)
    sensor.tick()
    for tag in ("v2.0.0", "v1.11.0"):
        repository.tag(tag)
    sensor.tick()
    kept = sensor.instance.get_dynamic_partitions("sample_releases")
    assert kept == ["v1.2.0rc1", "v1.9.0", "v1.10.0", "v1.11.0", "v2.0.0"]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS])
def test_a_tag_that_is_gone_keeps_its_partition_unless_it_failed(
    repository: Repository, start: StartTicks, status: dg.DagsterRunStatus
) -> None:
    sensor = start()
    sensor.tick()
    repository.tag("v1.0")
    (request,) = sensor.tick()
    sensor.ran(request, status)
    repository.untag("v1.0")
    assert sensor.tick() == []
    assert sensor.partitions == ["v1.0"]


def test_a_published_tag_that_is_gone_keeps_its_partition(failed: Ticks, repository: Repository) -> None:
    failed.materialized("pypi_publication", "v1.0")
    repository.untag("v1.0")
    assert failed.tick() == []
    assert "v1.0" in failed.partitions
    repository.commit({})
    repository.tag("v1.0")
    assert failed.tick() == []
    assert "is not released again: sample/pypi_publication is recorded" in failed.said


def test_each_move_of_a_tag_is_an_attempt_of_its_own(failed: Ticks, repository: Repository) -> None:
    """There and back again: Dagster launches no run whose key it has seen."""
    keys = []
    second = repository.commit({"a": "a"})
    for commit in (second, repository.first, second):
        repository.tag("v1.0", commit)
        (request,) = failed.tick()
        failed.ran(request, dg.DagsterRunStatus.FAILURE)
        keys.append(request.run_key)
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    "asset", ["pypi_publication", "github_release", "image_linux_arm64", "manifest_list"]
)
def test_a_tag_that_moved_after_its_publication_is_refused(
    failed: Ticks, repository: Repository, asset: str
) -> None:
    failed.materialized(asset, "v1.0")
    corrected = repository.commit({"a": "a"})
    repository.tag("v1.0")
    assert failed.tick() == []
    for said in (failed.said, failed.tick() or failed.said):  # for as long as nothing else happens
        assert f"v1.0 moved from commit {repository.first} to {corrected} and is not released again" in said
        assert f"sample/{asset} is recorded" in said


def test_a_tag_with_a_github_release_is_not_released_again(
    failed: Ticks, repository: Repository, server: ScriptedServer, start: StartTicks
) -> None:
    sensor = start(github={"api_url": server.url, "repository": "owner/sample"}).goes_on_from(failed)
    server.answers(Told(404), Told(200, b"{}"))
    for is_released in (False, True):
        repository.commit({"a": str(is_released)})
        repository.tag("v1.0")
        assert bool(sensor.tick()) is not is_released
    assert [request.path for request in server.seen] == ["/repos/owner/sample/releases/tags/v1.0"] * 2
    assert "owner/sample has a GitHub release" in sensor.said


def test_a_tag_with_files_on_the_index_is_not_released_again(
    failed: Ticks, repository: Repository, server: ScriptedServer, start: StartTicks
) -> None:
    page = (
        b'<a href="sample-1.0.tar.gz">sample-1.0.tar.gz</a><a href="sample-0.9.tar.gz">sample-0.9.tar.gz</a>'
    )
    server.answers(Told(200, page, {"Content-Type": "text/html"}))
    sensor = start(index={"simple_url": server.url}).goes_on_from(failed)
    repository.commit({"a": "a"})
    repository.tag("v1.0")
    assert sensor.tick() == []
    assert f"{server.url} has sample-1.0.tar.gz" in sensor.said


def test_of_the_tags_before_the_first_look_only_the_newest_is_released_when_it_moves(
    start: StartTicks, repository: Repository
) -> None:
    """Somebody rewrites the history: all tags move at once."""
    for tag in ("v1.0", "v1.1", "v2.0"):
        repository.commit({})
        repository.tag(tag)
    sensor = start()
    sensor.tick()
    for tag in ("v1.0", "v1.1", "v2.0"):
        repository.commit({})
        repository.tag(tag)
    assert [request.partition_key for request in sensor.tick()] == ["v2.0"]


# What is kept


def test_the_cursor_does_not_grow_with_the_tags(repository: Repository, start: StartTicks) -> None:
    refs = "".join(f"{repository.first} refs/tags/v0.{n}.0\n" for n in range(2_000))
    (repository.path / ".git" / "packed-refs").write_text(refs)
    sensor = start()
    sensor.tick()
    assert sensor.cursor is not None
    assert len(sensor.cursor) < 300
    repository.commit({})
    repository.tag("v1.0")
    assert [request.partition_key for request in sensor.tick()] == ["v1.0"]
    assert len(sensor.cursor) < 300


def test_a_quiet_tick_starts_no_process(
    repository: Repository, start: StartTicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_look, "CLOCK_SECONDS", 0.0)
    for tag in ("v4.2.0", "v4.10.0", "nightly"):
        repository.tag(tag)
    sensor = start()
    sensor.tick()
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **_: started.append(arguments))
    for _ in range(3):
        assert sensor.tick() == []
    assert started == []
    assert sensor.said == "3 tags, none new; the newest is v4.10.0"


def test_a_tick_that_failed_after_its_decision_is_made_again(
    repository: Repository, start: StartTicks
) -> None:
    """The daemon is killed after the sensor has answered, and before the cursor is written."""
    sensor = start()
    sensor.tick()
    cursor = sensor.cursor
    repository.tag("v1.0")
    first = sensor.tick()
    for _ in range(2):
        sensor.cursor = cursor
        assert [request.run_key for request in sensor.tick()] == [request.run_key for request in first]
    assert sensor.tick() == []


def test_a_cursor_that_holds_every_tag_is_understood(repository: Repository, start: StartTicks) -> None:
    """As release-assets 0.1 wrote it."""
    repository.tag("v1.0")
    sensor = start()
    sensor.cursor = json.dumps({"tags": {"v1.0": repository.first, "v0.9": repository.first}})
    assert sensor.tick() == []
    repository.commit({})
    repository.tag("v1.1")
    assert [request.partition_key for request in sensor.tick()] == ["v1.1"]


def test_a_lost_record_releases_nothing_old(
    repository: Repository, start: StartTicks, instance: dg.DagsterInstance
) -> None:
    repository.tag("v1.0")
    sensor = start()
    sensor.tick()
    repository.commit({})
    repository.tag("v1.1")
    instance.daemon_cursor_storage.set_cursor_values({"release_assets/sample/release_tags/0": "gone"})
    assert sensor.tick() == []
    assert "the record of the tags is lost; not released by itself: v1.1" in sensor.said
    repository.commit({})
    repository.tag("v1.2")
    assert [request.partition_key for request in sensor.tick()] == ["v1.2"]
