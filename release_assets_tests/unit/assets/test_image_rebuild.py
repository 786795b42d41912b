"""A release's image built again: from a fresher base, for a reason, with both digests on record."""

from __future__ import annotations

import pytest

from release_assets.destinations.attestations import BaseImage, base_images
from release_assets.destinations.buildx import docker_environment
from release_assets.nodes.image_step import reason_for
from release_assets.nodes.metadata import rows_of
from release_assets.process import run
from release_assets_tests.maintainer import NewMaintainer, Stands

BASE = f"sha256:{'b' * 64}"


def image_material(uri: str) -> dict[str, object]:
    """An image among the materials of a provenance."""
    return {"uri": uri, "digest": {"sha256": "b" * 64}}


MATERIALS = [
    image_material("pkg:docker/docker/dockerfile@1?platform=linux%2Famd64"),
    image_material("pkg:docker/localhost%3A5000/team/base@3.12-slim?platform=linux%2Farm64"),
    image_material("pkg:docker/python@3.12?digest=sha256:0&platform=linux%2Farm64"),
    image_material("pkg:docker/python@3.12?platform=linux%2Farm64"),
    image_material("pkg:docker/docker/buildkit-syft-scanner@stable-1"),
    {"uri": "https://example.com/archive.tar.gz", "digest": {"sha256": "c" * 64}},
    {"uri": "pkg:docker/without-digest@1"},
]
ARGUMENTS = {"source": "docker.io/docker/dockerfile:1", "cmdline": "docker/dockerfile:1"}


@pytest.mark.parametrize(
    "predicate",
    [
        {"materials": MATERIALS, "invocation": {"parameters": {"args": ARGUMENTS}}},
        {
            "buildDefinition": {
                "resolvedDependencies": MATERIALS,
                "externalParameters": {"request": {"args": ARGUMENTS}},
            }
        },
    ],
    ids=["v0.2", "v1"],
)
def test_base_images_are_those_that_went_into_the_image(predicate: dict[str, object]) -> None:
    tools = ["docker.io/docker/buildkit-syft-scanner:stable-1"]
    assert base_images({"predicate": predicate}, tools) == [
        BaseImage("localhost:5000/team/base:3.12-slim", BASE),
        BaseImage("python:3.12", BASE),
    ]


@pytest.mark.parametrize("statement", [{}, {"predicate": None}, {"predicate": {"materials": []}}])
def test_a_provenance_without_materials_names_no_base(statement: dict[str, object]) -> None:
    assert base_images(statement) == []


@pytest.mark.parametrize(
    ("run_tags", "reason"),
    [
        ({}, "materialized by hand"),
        (
            {"dagster/sensor_name": "x_github_releases"},
            "the release was published, as the sensor x_github_releases saw",
        ),
        (
            {"dagster/sensor_name": "x_release_tags", "release_assets/rebuild_tag": "docker-rebuild-v1.0.0"},
            "the rebuild tag docker-rebuild-v1.0.0 was pushed",
        ),
        (
            {"release_assets/rebuild_tag": "docker-rebuild-v1.0.0", "release_assets/reason": "CVE-2026-1"},
            "CVE-2026-1",
        ),
    ],
)
def test_the_reason_is_the_runs(run_tags: dict[str, str], reason: str) -> None:
    assert reason_for(run_tags) == reason


@pytest.mark.engine
def test_a_rebuild_takes_the_fresh_base_and_records_what_was_and_what_is(
    new: NewMaintainer, image_stands: Stands
) -> None:
    maintainer = new(image_stands, dockerfile="FROM scratch\nCOPY README.md /base\n")
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    repository = maintainer.attributes["image"]["repository"]

    def base(version: str) -> str:
        """Point the tag `base` to an image of its own; its digest."""
        maintainer.tag(f"v{version}", version, **{"README.md": version})
        assert maintainer.materialize(f"v{version}", "image_linux_amd64").success
        manifest = maintainer.registry.manifest(f"{version}-amd64")
        assert manifest is not None
        maintainer.registry.put_manifest("base", manifest)
        return manifest.digest

    vulnerable = base("0.1.0")
    maintainer.tag("v1.0.0", "1.0.0", Dockerfile=f"FROM {repository}:base\nCOPY README.md /app\n")
    first = maintainer.materialize("v1.0.0", "image_linux_amd64").metadata("image_linux_amd64")
    assert first["previous_digest"] == "none"
    assert first["reason"] == "materialized by hand"
    assert rows_of(first, "base_images") == [{"image": f"{repository}:base", "digest": vulnerable}]

    credentials = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    with docker_environment(maintainer.registry.repository, *credentials) as env:
        run(["docker", "pull", f"{repository}:base"], env=env, timeout=60)
    maintainer.repository.commit({"Dockerfile": "FROM scratch\nCOPY README.md /base\n"})
    fixed = base("0.2.0")
    stale = maintainer.materialize("v1.0.0", "image_linux_amd64").metadata("image_linux_amd64")
    # The engine has an image of that name.
    assert [row["digest"] for row in rows_of(stale, "base_images")] == [vulnerable]
    assert stale["runnable_digest"] == first["runnable_digest"]
    outcome = maintainer.materialize(
        "v1.0.0",
        "image_linux_amd64",
        run_tags={"release_assets/pull": "true", "release_assets/reason": "CVE-2026-1 in the base"},
    )
    assert outcome.success, outcome.said
    again = outcome.metadata("image_linux_amd64")
    assert again["previous_digest"] == stale["digest"]
    assert again["digest"] == maintainer.digest("1.0.0-amd64") != stale["digest"]
    assert again["runnable_digest"] != first["runnable_digest"]
    assert again["commit"] == first["commit"]
    assert again["reason"] == "CVE-2026-1 in the base"
    assert [row["digest"] for row in rows_of(again, "base_images")] == [fixed]
