"""summary: what is told of a release from its records, and what is told where something cannot be learned."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from packaging.version import Version

from release_assets.nodes.summary import summarize, summary_text
from release_assets.project import Project
from release_assets.rules.tags import Channel
from tools.sandbox.servers import free_port

PACKAGE: dict[str, Any] = {
    "project": "sample",
    "repository": "https://github.com/o/sample.git",
    "package": {},
}


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for variable in ("DOCKER_USERNAME", "DOCKER_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def record(instance: dg.DagsterInstance, node: str, **metadata: Any) -> None:
    key = dg.AssetKey(["sample", node])
    event = dg.AssetMaterialization(key, partition="v1.2.3", metadata=metadata)
    instance.report_runless_asset_event(event)


def lines(instance: dg.DagsterInstance, channel: Channel = Channel.STABLE, **attributes: Any) -> list[str]:
    project = Project.model_validate({**PACKAGE, **attributes})
    found = summarize(project, "v1.2.3", Version("1.2.3"), channel, instance)
    return summary_text(found).splitlines()


def test_what_was_released_elsewhere_is_told_as_that(instance: dg.DagsterInstance) -> None:
    assert lines(instance) == [
        "sample 1.2.3 (stable), tag v1.2.3",
        "",
        "- package: not recorded by this Dagster",
        "- GitHub release: not recorded by this Dagster",
        "- commit: not recorded by this Dagster",
        "- warnings: none",
        "",
        "| part             |      seconds |",
        "| ---------------- | -----------: |",
        "| version          | not recorded |",
        "| sdist            | not recorded |",
        "| wheel            | not recorded |",
        "| pypi_publication | not recorded |",
        "| github_release   | not recorded |",
    ]


def test_a_registry_that_is_away_is_no_error(instance: dg.DagsterInstance) -> None:
    host = f"127.0.0.1:{free_port()}"
    record(instance, "manifest_list", digest="sha256:1", pull=f"docker pull {host}/sample:1.2.3")
    found = lines(instance, image={"repository": f"{host}/sample"})
    (holds,) = [line for line in found if line.startswith("- holds now")]
    assert f"unknown: GET http://{host}/v2/sample/manifests/1.2.3" in holds
    assert "- digest: `sha256:1`" in found


def test_a_test_release_has_no_line_for_github(instance: dg.DagsterInstance) -> None:
    record(instance, "pypi_publication", package=dg.MetadataValue.url("https://test.pypi.org/project/s/1/"))
    found = lines(instance, Channel.TEST)
    assert "- package: https://test.pypi.org/project/s/1/" in found
    assert not [line for line in found if line.startswith("- GitHub release")]


def test_what_warned_is_told_once_and_by_the_newest_run(instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey(["sample", "sdist"])
    releases = dg.DynamicPartitionsDefinition(name="sample_releases")
    instance.add_dynamic_partitions("sample_releases", ["v1.2.3"])
    passes: list[bool] = []

    @dg.asset(key=key, partitions_def=releases, check_specs=[dg.AssetCheckSpec("twine_check", asset=key)])
    def sdist(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        context.log.warning("the cache is `full` [here](https://example.org)")
        result = dg.AssetCheckResult(
            passed=bool(passes), severity=dg.AssetCheckSeverity.WARN, description="no README"
        )
        yield dg.MaterializeResult(check_results=[result])

    assert dg.materialize([sdist], partition_key="v1.2.3", instance=instance).success
    assert [line for line in lines(instance) if line.startswith(("- warnings", "- `"))] == [
        "- warnings: 2",
        "- `sdist: the cache is 'full' [here](https://example.org)`",
        "- `sdist: twine_check: no README`",
    ]
    passes.append(True)
    assert dg.materialize([sdist], partition_key="v1.2.3", instance=instance).success
    assert "- warnings: 1" in lines(instance)
