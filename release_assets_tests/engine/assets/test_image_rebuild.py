"""A rebuild on a real engine, which finds a fresher base image in the registry."""

from __future__ import annotations

from release_assets.destinations.buildx import docker_environment
from release_assets.nodes.metadata import rows_of
from release_assets.process import run
from release_assets_tests.maintainer import NewMaintainer, Stands


def test_a_rebuild_uses_the_fresh_base_and_records_both_digests(
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
