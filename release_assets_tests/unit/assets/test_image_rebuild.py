"""A release's image built again: from a fresher base, for a reason, with both digests on record."""

from __future__ import annotations

import pytest

from release_assets.destinations.attestations import BaseImage, base_images
from release_assets.nodes.image_step import reason_for

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
