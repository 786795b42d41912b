"""A project on GitLab: the graph publishes its page there, and its sensor sees what is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from release_assets.nodes.metadata import rows_of
from release_assets.sensors import github_releases
from release_assets_tests.gitlab_server import TOKEN, GitLab, gitlab_server
from release_assets_tests.maintainer import RELEASE_HALF, Maintainer, NewMaintainer, Stands
from release_assets_tests.unit.sensors.conftest import Ticks

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def lab() -> Iterator[GitLab]:
    with gitlab_server() as running:
        yield running


@pytest.fixture(scope="module")
def maintainer(new: NewMaintainer, package_stands: Stands, lab: GitLab) -> Maintainer:
    made = new(package_stands)
    del made.attributes["github"]
    made.attributes["gitlab"] = {
        "api_url": f"{lab.url}/api/v4", "project": lab.project, "token_env": "SAMPLE_GITLAB_TOKEN"
    }  # fmt: skip
    made.variables["SAMPLE_GITLAB_TOKEN"] = TOKEN
    made.variables.pop("GITHUB_TOKEN")
    return made


def test_the_graph_publishes_and_resumes_on_gitlab(maintainer: Maintainer, lab: GitLab) -> None:
    commit = maintainer.tag("v1.0.0", "1.0.0")
    lab.fails = [403]
    broken = maintainer.materialize("v1.0.0", *RELEASE_HALF)
    assert broken.failed == ["github_release"]
    assert lab.releases == {}
    lab.fails = []
    outcome = maintainer.materialize("v1.0.0", "github_release")
    assert outcome.success, outcome.said
    metadata = outcome.metadata("github_release")
    assert metadata["release"] == f"{lab.url}/{lab.project}/-/releases/v1.0.0"
    names = {f"{maintainer.name}-1.0.0.tar.gz", f"{maintainer.name}-1.0.0-py3-none-any.whl", "SHA256SUMS"}
    assert {row["file"] for row in rows_of(metadata, "assets")} == names
    assert set(lab.names()) == names
    assert lab.releases["v1.0.0"]["commit"]["id"] == commit
    assert "sha256" in lab.releases["v1.0.0"]["description"].lower()
    assert TOKEN not in "".join([broken.said, outcome.said])


def test_a_refused_token_is_told_before_anything_is_built(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.1", "1.0.1")
    maintainer.variables["SAMPLE_GITLAB_TOKEN"] = "glpat-wrong"
    try:
        refused = maintainer.materialize("v1.0.1", *RELEASE_HALF)
    finally:
        maintainer.variables["SAMPLE_GITLAB_TOKEN"] = TOKEN
    assert refused.failed == ["version"]
    assert "GitLab answered 401" in refused.said
    assert "glpat-wrong" not in refused.said


def test_a_persons_release_on_gitlab_launches_its_images(
    maintainer: Maintainer, lab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"repository": "localhost:1/tests/sample"}
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance, maintainer.environment():
        ticks = Ticks(instance, {**maintainer.attributes, "image": image}, "github_releases")
        assert ticks.tick() == []  # what was there before is history
        lab.releases["v1.2.0"] = {**lab.releases["v1.0.0"], "tag_name": "v1.2.0"}
        monkeypatch.setattr(github_releases, "DAGSTERS_SECONDS", 1000.0)  # a person's tick, which asks
        assert [request.partition_key for request in ticks.tick()] == ["v1.2.0"]
        assert "2 releases, none new; the newest is v1.2.0" in (ticks.tick(), ticks.said)[1]
