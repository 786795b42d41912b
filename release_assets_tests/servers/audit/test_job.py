"""The audit on real servers: what somebody changed is a failed check of the release's node."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from release_assets.audit.fresh_bases import fresh_base_rebuild
from release_assets.graph import build_release_graph
from release_assets.nodes.metadata import table
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.pushed_images import PLATFORM, push_image
from tools.sandbox.registry import Registry as RealRegistry

NOWHERE = "127.0.0.1:9"  # where nobody listens


@pytest.fixture
def published(new: NewMaintainer, package_stands: Stands, registry: RealRegistry) -> Maintainer:
    """v1.2.3 in its package index, on GitHub, and its manifest list in the registry."""
    variables = {"DOCKER_USERNAME": registry.username, "DOCKER_TOKEN": registry.token}
    maintainer = new(replace(package_stands, variables={**package_stands.variables, **variables}))
    repository = f"{registry.host}/tests/{maintainer.name}"
    maintainer.attributes["image"] = {"repository": repository, "platforms": [PLATFORM], "cache": "none"}
    push_image(maintainer, "1.2.3", maintainer.tag("v1.2.3", "1.2.3"))
    half = ("version", "sdist", "wheel", "pypi_publication", "github_release", "manifest_list")
    outcome = maintainer.materialize("v1.2.3", *half)
    assert outcome.success, outcome.said
    return maintainer


def audit(maintainer: Maintainer) -> dict[str, str]:
    """Run the audit and return what its checks say now of those that fail, by node and check."""
    definitions = build_release_graph(maintainer.project)
    with maintainer.environment():
        job = definitions.resolve_job_def(f"{maintainer.name}_audit")
        assert job.execute_in_process(instance=maintainer.instance).success
    found = {}
    for spec in definitions.resolve_asset_graph().asset_check_keys:
        record = maintainer.instance.get_latest_asset_check_evaluation_record(spec)
        evaluation = record.evaluation if record is not None else None
        if evaluation is None:
            continue
        assert evaluation.partition == "v1.2.3"
        if not evaluation.passed:
            found[f"{spec.asset_key.path[-1]}/{spec.name}"] = str(evaluation.description)
    return found


def test_what_somebody_changed_is_a_failed_check(published: Maintainer) -> None:
    assert audit(published) == {}
    (release,) = published.stands.github("GET", f"/repos/{published.github_repository}/releases")
    path = f"/repos/{published.github_repository}/releases/{release['id']}"
    published.stands.github("PATCH", path, body="Edited.")
    other = push_image(published, "1.2.3", None, build="second")
    moved = published.commit("1.2.3", README="evil\n")
    published.repository.tag("v1.2.3", annotated=True)
    found = audit(published)
    assert set(found) == {"github_release/drift", "manifest_list/drift", "version/drift"}
    assert found["github_release/drift"].startswith("the notes were edited")
    assert f"1.2.3 is {other}, and sha256:" in found["manifest_list/drift"]
    assert f"the tag v1.2.3 points to {moved}" in found["version/drift"]
    assert "release-assets status v1.2.3" in found["version/drift"]
    # Nothing was repaired.
    assert published.digest("1.2.3") == other
    assert published.github_releases()["v1.2.3"]["body"] == "Edited."

    published.stands.github_delete(path)
    published.repository.untag("v1.2.3")
    # An outage changes no check, and hides nothing of the others.
    published.attributes["image"]["repository"] = f"{NOWHERE}/tests/sample"
    found = audit(published)
    assert "the release is not there" in found["github_release/drift"]
    assert "the tag v1.2.3 is gone" in found["version/drift"]


def test_a_new_base_image_proposes_or_launches_a_rebuild(
    new: NewMaintainer, package_stands: Stands, registry: RealRegistry
) -> None:
    variables = {"DOCKER_USERNAME": registry.username, "DOCKER_TOKEN": registry.token}
    maintainer = new(
        replace(package_stands, variables={**package_stands.variables, **variables}),
        audit={"rebuild": True},
    )
    repository = f"{registry.host}/tests/{maintainer.name}"
    maintainer.attributes["image"] = {"repository": repository, "platforms": [PLATFORM], "cache": "none"}
    before = push_image(maintainer, "3.12-slim", None)  # the base, in the same registry
    maintainer.tag("v1.2.3", "1.2.3")
    bases = table([{"image": f"{repository}:3.12-slim", "digest": before}])
    maintainer.instance.add_dynamic_partitions(f"{maintainer.name}_releases", ["v1.2.3"])
    for node, metadata in {"image_linux_amd64": {"base_images": bases}, "manifest_list": {}}.items():
        maintainer.instance.report_runless_asset_event(
            dg.AssetMaterialization([maintainer.name, node], partition="v1.2.3", metadata=metadata)
        )

    def launched() -> dg.RunRequest | dg.SkipReason:
        project = maintainer.project
        assert project.image is not None
        with maintainer.environment():
            return fresh_base_rebuild(
                project, project.image, maintainer.instance, f"{maintainer.name}_releases"
            )

    assert launched() == dg.SkipReason("v1.2.3: no base image has changed")
    assert audit(maintainer) == {}
    now = push_image(maintainer, "3.12-slim", None, build="second")
    request = launched()
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.tags["release_assets/pull"]) == ("v1.2.3", "true")
    assert request.tags["release_assets/reason"] == (f"fresh base image: {repository}:3.12-slim is {now} now")
    assert request.run_key == launched().run_key  # type: ignore[union-attr]  # not launched twice
    words = audit(maintainer)["image_linux_amd64/base_image"]
    assert f"is {now}, and the image was built from {before}" in words
    assert "release-assets rebuild v1.2.3" in words
    assert schedules(maintainer) == ["audit", "cleanup", "fresh_bases"]
    del maintainer.attributes["audit"]
    assert schedules(maintainer) == ["audit", "cleanup"]
    maintainer.attributes["audit"] = {"schedule": None, "rebuild": True}
    assert schedules(maintainer) == ["cleanup"]


def schedules(maintainer: Maintainer) -> list[str]:
    """Return the names of the project's schedules."""
    definitions = build_release_graph(maintainer.project)
    return sorted(
        schedule.name.removeprefix(f"{maintainer.name}_")
        for schedule in definitions.get_repository_def().schedule_defs
    )
