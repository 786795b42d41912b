"""release_tags: the decision for any tags, and the sensor on a real repository."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_assets.errors import PermanentError
from release_assets.rules.tags import MalformedTag, ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.sensors.release_tags import Rebuild, TagChanges, tag_changes
from release_assets_tests.repository import Repository
from release_assets_tests.sensors.conftest import Ticks
from release_assets_tests.strategies import MANY, tags

PATTERNS = TagPatterns()
A, B = "a" * 40, "b" * 40


# The decision


def test_the_first_look_makes_partitions_and_launches_nothing() -> None:
    observed = {"v1.0": A, "test-v1.1": A, "docker-rebuild-v1.0": B, "nightly": A}
    assert tag_changes(observed, None, PATTERNS) == TagChanges(partitions=["test-v1.1", "v1.0"])


def test_a_repository_that_was_empty_before_releases_its_first_tag() -> None:
    assert tag_changes({"v1.0": A}, {}, PATTERNS) == TagChanges(partitions=["v1.0"], releases=["v1.0"])


def test_new_release_and_test_tags_are_released_however_late_they_come() -> None:
    observed = {"v2.0": A, "v1.0.1": B, "test-v3.0": B}
    assert tag_changes(observed, {"v2.0": A}, PATTERNS) == TagChanges(
        partitions=["test-v3.0", "v1.0.1"], releases=["test-v3.0", "v1.0.1"]
    )


def test_what_was_seen_is_not_looked_at_again() -> None:
    seen = {"v1.0": A, "vx": A, "docker-rebuild-v1.0": A, "docker-rebuild-v9": A}
    assert tag_changes(seen, seen, PATTERNS) == TagChanges()
    assert tag_changes({}, seen, PATTERNS) == TagChanges()


def test_a_release_tag_that_moved_is_told_and_not_released_again() -> None:
    assert tag_changes({"v1.0": B}, {"v1.0": A}, PATTERNS) == TagChanges(
        remarks=[f"tag v1.0 moved from commit {A} to {B}; it is not released again"]
    )


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
@settings(MANY, max_examples=600)
def test_no_tags_raise_and_nothing_is_released_that_was_ever_seen(
    observed: dict[str, str], seen: dict[str, str] | None
) -> None:
    changes = tag_changes(observed, seen, PATTERNS)
    assert not set(changes.releases) & set(seen or {})
    assert {*changes.releases, *(rebuild.release for rebuild in changes.rebuilds)} <= {*changes.partitions}
    assert set(changes.partitions) <= set(observed)
    for partition in changes.partitions:
        tag = parse_tag(partition, PATTERNS)
        assert isinstance(tag, ParsedTag)
        assert tag.kind is not TagKind.REBUILD
    if seen is None:
        assert changes.releases == []
        assert changes.rebuilds == []


@given(tags)
@settings(MANY, max_examples=10_000)
def test_no_new_tag_raises_in_the_sensor_or_makes_a_run_that_cannot_be(name: str) -> None:
    changes = tag_changes({name: A}, {}, PATTERNS)
    assert changes.releases == changes.partitions == ([name] if is_release(name) else [])
    assert all("\n" not in remark or "\n" in name for remark in changes.remarks)


@given(st.lists(observations, max_size=4))
@settings(MANY, max_examples=300)
def test_whatever_comes_and_goes_no_tag_is_released_twice(looks: list[dict[str, str]]) -> None:
    released: list[str] = []
    rebuilt: list[Rebuild] = []
    seen: dict[str, str] = {}
    for observed in looks:
        changes = tag_changes(observed, seen, PATTERNS)
        released += changes.releases
        rebuilt += changes.rebuilds
        seen |= observed
        assert tag_changes(observed, seen, PATTERNS) == TagChanges()
    assert len(released) == len(set(released))
    assert {name for look in looks for name in look if is_release(name)} == set(released)


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
            "package": {},
            "github": {"repository": "owner/sample"},
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
    pushed = ["v1.0", "v1.0.1", "v2.0rc1", "test-v3.0", "v0.9.9"]
    for tag in pushed:
        repository.tag(tag)
    requests = sensor.tick()
    assert sorted(str(request.partition_key) for request in requests) == sorted(pushed)
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
    releases = {name for name, tag in asked_for.items() if tag.kind is not TagKind.REBUILD}
    assert len(releases) > 2_000
    assert sum(isinstance(tag, MalformedTag) for tag in parsed.values()) > 3_000
    assert {request.partition_key for request in requests if request.job_name == "sample_release"} == releases
    assert len({request.run_key for request in requests}) == len(requests)
    assert set(sensor.partitions) == releases
    assert sensor.tick() == []


def made_up_tags(number: int) -> list[str]:
    """Different tags, the same each time, that git takes: half are versions, the others nearly or nothing."""
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


def test_a_tag_that_comes_back_is_not_released_again(
    repository: Repository, start: StartTicks, capfd: pytest.CaptureFixture[str]
) -> None:
    sensor = start()
    sensor.tick()
    repository.tag("v1.0")
    assert len(sensor.tick()) == 1
    repository.untag("v1.0")
    assert sensor.tick() == []
    repository.tag("v1.0")
    assert sensor.tick() == []
    repository.untag("v1.0")
    sensor.tick()
    moved_to = repository.commit({"a": "a"})
    repository.tag("v1.0")
    capfd.readouterr()
    assert sensor.tick() == []
    assert f"tag v1.0 moved from commit {repository.first} to {moved_to}" in capfd.readouterr().err
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
