"""The order of a monorepo's packages: one is built when what it comes after is on the package index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from release_assets.project import Project
from release_assets.rules.order import cycle, earlier_tags
from release_assets.rules.tags import TagPatterns
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.sensors.conftest import Ticks

NOWHERE = "http://127.0.0.1:9"  # where nobody listens
A, B = "a" * 40, "b" * 40
CORE = TagPatterns("core-{version}", "test-core-{version}", "rebuild-core-{version}")
PLUGIN = TagPatterns("plugin-{version}", "test-plugin-{version}", "rebuild-plugin-{version}")


@pytest.mark.parametrize(
    ("observed", "seen", "earlier"),
    [
        ({"core-2.0": A}, {}, ["core-2.0"]),
        ({"core-2.0": A}, {"core-2.0": A}, ["core-2.0"]),
        ({"core-2.0": B}, {}, ["core-2.0"]),
        ({"core-2.0": B}, {"core-2.0": B}, []),
        ({"core-2.0": B}, {"core-2.0": A}, ["core-2.0"]),
        ({"test-core-2.0": A, "rebuild-core-1.0": A, "core-x": A, "v2.0": A}, {}, []),
        ({"core-2": A, "core-2.0.1": A}, {}, ["core-2.0.1"]),
    ],
    ids=["same commit", "old, same commit", "same look", "of before", "moved", "other kinds", "pointer"],
)
def test_a_release_comes_after_what_was_tagged_with_it(
    observed: dict[str, str], seen: dict[str, str], earlier: list[str]
) -> None:
    all_tags = {"plugin-1.0": A, **observed}
    assert earlier_tags("plugin-1.0", all_tags, seen, patterns=PLUGIN, theirs=CORE) == earlier


def test_a_cycle_is_found_and_named() -> None:
    assert cycle({"a": ["b"], "b": ["c"], "c": ["a"]}, "b") == ["b", "c", "a", "b"]
    assert cycle({"a": ["a"]}, "a") == ["a", "a"]
    assert cycle({"a": ["b", "c"], "b": ["c"], "c": []}, "a") is None


@pytest.fixture
def packages(instance: dg.DagsterInstance, tmp_path: Path) -> tuple[Repository, Ticks, Ticks]:
    """A repository with two packages, whose sensors have had their first look."""
    repository = Repository(tmp_path / "repository")

    def ticks(name: str, **more: Any) -> Ticks:
        patterns = {key: f"{prefix}{name}-{{version}}" for key, prefix in KINDS.items()}
        attributes = {
            "project": name,
            "repository": repository.remote,
            "package": {"name": name},
            "tags": patterns,
            "index": {"upload_url": NOWHERE, "simple_url": NOWHERE},
            "github": {"api_url": NOWHERE, "repository": "owner/sample"},
        }
        return Ticks(instance, {**attributes, **more}, "release_tags", others)

    others: list[Any] = []
    core = ticks("core")
    others.append(core.project)
    plugin = ticks("plugin", after=["core"])
    for sensor in (core, plugin):
        assert sensor.tick() == []
    return repository, core, plugin


KINDS = {"release": "", "test": "test-", "rebuild": "rebuild-"}


def test_a_package_is_built_when_the_one_before_it_is_published(
    packages: tuple[Repository, Ticks, Ticks],
) -> None:
    repository, core, plugin = packages
    repository.tag("core-2.0")
    repository.commit({"plugin.py": ""})
    repository.tag("plugin-1.0")
    assert plugin.tick() == []  # before core's own sensor has looked
    assert "plugin-1.0 waits: core-2.0 of core is not on its package index yet" in plugin.said
    assert [due.partition_key for due in core.tick()] == ["core-2.0"]
    assert plugin.partitions == ["plugin-1.0"]
    repository.commit({"core.py": ""})
    repository.tag("core-2.1")  # of a later look: not waited for
    assert plugin.tick() == []
    core.materialized("pypi_publication", "core-2.0")
    assert [due.partition_key for due in plugin.tick()] == ["plugin-1.0"]
    assert plugin.tick() == []


def test_a_deleted_tag_is_not_waited_for_and_may_come_back(
    packages: tuple[Repository, Ticks, Ticks],
) -> None:
    repository, _, plugin = packages
    for tag in ("core-2.0", "plugin-1.0"):
        repository.tag(tag)
    assert plugin.tick() == []
    repository.untag("plugin-1.0")
    assert plugin.tick() == []
    repository.tag("plugin-1.0")
    assert plugin.tick() == []
    assert "plugin-1.0 waits: core-2.0 of core" in plugin.said
    repository.untag("core-2.0")
    assert [due.partition_key for due in plugin.tick()] == ["plugin-1.0"]


def test_a_project_that_is_not_declared_holds_every_release(
    packages: tuple[Repository, Ticks, Ticks],
) -> None:
    """Its defs.yaml is invalid: nobody can tell which tags are its."""
    repository, core, plugin = packages
    attributes = plugin.project.model_dump(mode="json")
    alone = Ticks(plugin.instance, attributes, "release_tags").goes_on_from(plugin)
    repository.tag("plugin-1.0")
    repository.tag("core-2.0")
    assert alone.tick() == []
    assert "plugin-1.0 waits: no valid project is named core, which `after` names" in alone.said
    mended = Ticks(plugin.instance, attributes, "release_tags", [core.project]).goes_on_from(alone)
    assert mended.tick() == []
    assert "plugin-1.0 waits: core-2.0 of core" in mended.said


def test_what_was_published_elsewhere_is_not_waited_for(
    packages: tuple[Repository, Ticks, Ticks], server: ScriptedServer
) -> None:
    """An old workflow released it, or another Dagster: the index has it. A run of ours has to end."""
    repository, core, plugin = packages
    declared = core.project.model_dump(mode="json")
    declared["index"] |= {"simple_url": server.url, "upload_url": server.url}
    there = '<a href="core-2.0.tar.gz#sha256=5d">core-2.0.tar.gz</a>'
    server.answers(Told(body=there.encode(), headers={"Content-Type": "text/html"}))
    there_already = Ticks(
        plugin.instance,
        plugin.project.model_dump(mode="json"),
        "release_tags",
        [Project.model_validate(declared)],
    ).goes_on_from(plugin)
    repository.tag("core-2.0")
    repository.tag("plugin-1.0")
    (request,) = core.tick()
    run = core.ran(request, dg.DagsterRunStatus.STARTED)  # it has uploaded its first file
    assert there_already.tick() == []
    core.instance.delete_run(run.run_id)
    assert [due.partition_key for due in there_already.tick()] == ["plugin-1.0"]
