"""The runs of a release: found by the version, and each names the other."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from release_assets.nodes.node import Half, Node, Recorded, asset_of
from release_assets.project import Project

PARTITIONS = dg.DynamicPartitionsDefinition(name="sample_releases")
PROJECT = Project.model_validate(
    {"project": "sample", "repository": "https://github.com/owner/sample.git", "package": {}}
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("sample_releases", ["v1.2.3", "v1.3.0"])
        yield instance


def run(instance: dg.DagsterInstance, name: str, half: Half, tag: str = "v1.2.3") -> str:
    made = Recorded(data_version="made", metadata={})
    node = asset_of(Node(name, lambda _: made, "A node.", half), PROJECT, PARTITIONS)
    return dg.materialize([node], partition_key=tag, instance=instance).run_id


def tags(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return {name: value for name, value in found.tags.items() if name.startswith("release_assets/")}


def test_the_two_runs_of_a_release_name_each_other(instance: dg.DagsterInstance) -> None:
    package = run(instance, "pypi_publication", "package")
    assert tags(instance, package) == {"release_assets/version": "1.2.3"}
    first = run(instance, "image_linux_amd64", "images")
    assert tags(instance, first) == {
        "release_assets/version": "1.2.3", "release_assets/release_run": package
    }  # fmt: skip
    again = run(instance, "image_linux_amd64", "images")
    assert tags(instance, package)["release_assets/docker_run"] == again
    of_version = dg.RunsFilter(tags={"release_assets/version": "1.2.3"})
    assert {found.run_id for found in instance.get_runs(of_version)} == {package, first, again}


def test_a_release_run_that_is_not_there_is_no_error(instance: dg.DagsterInstance) -> None:
    elsewhere = run(instance, "image_linux_amd64", "images")
    assert tags(instance, elsewhere) == {"release_assets/version": "1.2.3"}
    package = run(instance, "pypi_publication", "package", "v1.3.0")
    instance.delete_run(package)
    assert "release_assets/version" in tags(instance, run(instance, "manifest_list", "images", "v1.3.0"))
