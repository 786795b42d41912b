"""A pushed tag becomes a whole release, with the real daemon and servers. The tests build on each other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import requests

from release_assets.destinations import package_index
from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import Registry, parse_repository, platform_images
from release_assets.process import run
from release_assets_tests.end_to_end.conftest import DOCKER_HALF, PROJECT, RELEASE_HALF, Dagster
from tools.sandbox import Sandbox
from tools.sandbox.servers import free_port

pytestmark = pytest.mark.timeout(600)

SENSORS = {f"{PROJECT}_release_tags", f"{PROJECT}_github_releases"}


@contextmanager
def running_daemon(dagster: Dagster) -> Iterator[None]:
    with dagster.stack.daemon():
        dagster.stack.wait_for_first_ticks(SENSORS)
        yield


@pytest.fixture(scope="module")
def registry(sandbox: Sandbox) -> Registry:
    return Registry(
        parse_repository(sandbox.image_repository),
        username=sandbox.environment["DOCKER_USERNAME"],
        token=sandbox.environment["DOCKER_TOKEN"],
        username_env="DOCKER_USERNAME",
        token_env="DOCKER_TOKEN",
    )


def digest(registry: Registry, tag: str) -> str | None:
    manifest = registry.manifest(tag)
    return manifest.digest if manifest else None


def test_a_pushed_tag_makes_a_whole_release(sandbox: Sandbox, dagster: Dagster, registry: Registry) -> None:
    with running_daemon(dagster):
        sandbox.project.push_tag("v4.0.0")
        dagster.wait_for("v4.0.0", RELEASE_HALF + DOCKER_HALF)

    files = package_index.observe(sandbox.index.simple_url, PROJECT)
    wheel = files["sampleproject-4.0.0-py3-none-any.whl"]
    assert "sampleproject-4.0.0.tar.gz" in files

    (release,) = requests.get(
        f"{sandbox.github_api_url}/repos/{sandbox.github_repository}/releases",
        headers={"Authorization": f"Bearer {sandbox.environment['GITHUB_TOKEN']}"},
        timeout=10,
    ).json()
    assert (release["name"], release["draft"], release["prerelease"]) == ("Release v4.0.0", False, False)
    assert {asset["name"] for asset in release["assets"]} == {*files, "SHA256SUMS"}
    assert "pip install sampleproject==4.0.0" in release["body"]
    assert f"docker pull {sandbox.image_repository}:4.0.0" in release["body"]

    whole = registry.manifest("4.0.0")
    assert whole is not None
    assert set(platform_images(whole)) == {"linux/amd64", "linux/arm64"}
    assert {digest(registry, tag) for tag in ("4.0", "4", "latest")} == {whole.digest}

    machines = set()
    for platform in ("linux/amd64", "linux/arm64"):
        name, version, machine, sha256 = run_image(sandbox, f"{sandbox.image_repository}:latest", platform)
        assert (name, version, sha256) == ("sampleproject", "4.0.0", wheel.sha256)
        machines.add(machine)
    assert machines == {"x86_64", "aarch64"}


def run_image(sandbox: Sandbox, image: str, platform: str) -> list[str]:
    credentials = sandbox.environment["DOCKER_USERNAME"], sandbox.environment["DOCKER_TOKEN"]
    with docker_environment(parse_repository(sandbox.image_repository), *credentials) as env:
        env = {**env, "DOCKER_HOST": sandbox.environment["DOCKER_HOST"]}
        command = ["docker", "run", "--rm", "--pull", "always", "--platform", platform, image]
        return run(command, env=env, timeout=120).split()


def test_a_maintainer_sees_what_happened_in_the_metadata(dagster: Dagster) -> None:
    version = dagster.metadata("v4.0.0", "version")
    assert version["version"] == "4.0.0"
    assert version["declared_in"] == "pyproject.toml: [project] version"
    sdist = dagster.metadata("v4.0.0", "sdist")
    assert sdist["size_bytes"] > 1000
    assert {"seconds/checkout", "seconds/environment", "seconds/build"} <= set(sdist)
    assert "seconds/wait_for_index" in dagster.metadata("v4.0.0", "pypi_publication")
    for platform in ("amd64", "arm64"):
        image = dagster.metadata("v4.0.0", f"image_linux_{platform}")
        assert image["digest"].startswith("sha256:")
        assert {"seconds/export", "seconds/push", "cache_hit_rate", "steps"} <= set(image)
    moved = dagster.metadata("v4.0.0", "floating_tags")
    assert moved["moved"] == "4.0, 4, latest"


def test_the_images_were_begun_while_the_package_was_published(dagster: Dagster) -> None:
    # Each build writes a record, which the image's node removes.
    assert (Path(dagster.instance.storage_directory()) / "release_assets" / "begun" / PROJECT).is_dir()


def test_the_summary_is_the_whole_release_and_names_both_runs(sandbox: Sandbox, dagster: Dagster) -> None:
    summary = dagster.metadata("v4.0.0", "summary")
    (release,) = dagster.runs("v4.0.0", f"{PROJECT}_release")
    (docker,) = dagster.runs("v4.0.0", f"{PROJECT}_docker")
    lines = "\n".join(summary[name] for name in ("summary", "seconds", "digests")).splitlines()
    assert max(len(summary[name]) for name in ("summary", "seconds", "digests")) < 1000  # shown in place
    assert lines[0] == f"{PROJECT} 4.0.0 (stable), tag v4.0.0"
    assert f"- package: {sandbox.index.simple_url.rstrip('/')}/{PROJECT}/" in lines
    assert f"- release run: [{release.run_id[:8]}](/runs/{release.run_id})" in lines
    assert f"- docker run: [{docker.run_id[:8]}](/runs/{docker.run_id})" in lines
    assert f"- image: `docker pull {sandbox.image_repository}:4.0.0`" in lines
    (holds,) = [line for line in lines if line.startswith("- holds now")]
    assert holds.endswith("UTC): 4.0, 4, latest")
    assert f"- digest: `{dagster.metadata('v4.0.0', 'manifest_list')['digest']}`" in lines
    runnable = dagster.metadata("v4.0.0", "image_linux_arm64")["runnable_digest"]
    assert f"- runnable digest of linux/arm64: `{runnable}`" in lines
    assert docker.tags["release_assets/release_run"] == release.run_id
    assert release.tags["release_assets/docker_run"] == docker.run_id
    assert {run.run_id for run in (release, docker)} == {
        run.run_id
        for run in dagster.instance.get_runs(dg.RunsFilter(tags={"release_assets/version": "4.0.0"}))
    }
    assert summary["seconds/total"] - summary["seconds/trial"] < 0.3
    assert "imported" in summary["installed"]


@pytest.mark.parametrize(
    ("half", "nodes"), [("release", RELEASE_HALF), ("docker", ["version", *DOCKER_HALF])]
)
def test_a_run_has_a_step_for_each_node_only(dagster: Dagster, half: str, nodes: list[str]) -> None:
    """A step is a process in the docker half: its start costs more than most of them work."""
    (run,) = dagster.runs("v4.0.0", f"{PROJECT}_{half}")
    steps = {stats.step_key for stats in dagster.instance.get_run_step_stats(run.run_id)}
    assert steps == {f"{PROJECT}__{node}" for node in nodes}


def test_tags_pushed_without_the_daemon_are_released_later_once(
    sandbox: Sandbox, dagster: Dagster, registry: Registry
) -> None:
    """Two tags at the same time, a back-patch among them, and a tag that is not a version."""
    for version in ("4.0.1", "3.9.9"):
        commit = sandbox.project.release(version)
        sandbox.project.push_tag(f"v{version}", commit)
    sandbox.project.push_tag("vr5.0.0")
    with running_daemon(dagster):
        dagster.wait_for("v4.0.1", RELEASE_HALF + DOCKER_HALF)
        dagster.wait_for("v3.9.9", RELEASE_HALF + DOCKER_HALF)
        time.sleep(25)  # two ticks of each sensor, which must find nothing more to do

    for tag in ("v4.0.0", "v4.0.1", "v3.9.9"):
        for job in (f"{PROJECT}_release", f"{PROJECT}_docker"):
            assert len(dagster.runs(tag, job)) == 1, (tag, job)
    assert digest(registry, "latest") == digest(registry, "4") == digest(registry, "4.0.1")
    assert digest(registry, "3") == digest(registry, "3.9") == digest(registry, "3.9.9")
    assert "vr5.0.0" not in dagster.instance.get_dynamic_partitions(f"{PROJECT}_releases")


def test_every_channel_goes_where_it_belongs(sandbox: Sandbox, dagster: Dagster, registry: Registry) -> None:
    """A test tag, a prerelease, a rebuild, and a release that a person published on GitHub."""
    latest = digest(registry, "latest")
    before = time.time()
    rc = sandbox.project.release("5.0.0rc1")
    sandbox.project.push_tag("v5.0.0-rc.1", rc)
    sandbox.project.push_tag("test-v5.0.0rc1", rc)
    sandbox.project.push_tag("docker-rebuild-v3.9.9", "v3.9.9")
    with running_daemon(dagster):
        dagster.wait_for("test-v5.0.0rc1", RELEASE_HALF + DOCKER_HALF)
        dagster.wait_for("v5.0.0-rc.1", RELEASE_HALF + DOCKER_HALF)
        dagster.wait_for("v3.9.9", DOCKER_HALF, since=before)

    names = {release["tag_name"]: release for release in releases(sandbox)}
    assert names["v5.0.0-rc.1"]["prerelease"] is True
    assert "test-v5.0.0rc1" not in names
    assert digest(registry, "latest") == latest
    assert digest(registry, "5.0.0rc1") is not None
    assert digest(registry, "test-latest") == digest(registry, "test-5.0.0rc1") is not None
    assert "sampleproject-5.0.0rc1.tar.gz" in package_index.observe(sandbox.test_index.simple_url, PROJECT)
    assert (
        dagster.metadata("v3.9.9", "image_linux_arm64")["source"] == "the rebuild tag docker-rebuild-v3.9.9"
    )
    (rebuild, _) = dagster.runs("v3.9.9", f"{PROJECT}_docker")
    assert rebuild.tags["release_assets/rebuild_tag"] == "docker-rebuild-v3.9.9"


def releases(sandbox: Sandbox) -> list[dict[str, object]]:
    answer: list[dict[str, object]] = requests.get(
        f"{sandbox.github_api_url}/repos/{sandbox.github_repository}/releases",
        headers={"Authorization": f"Bearer {sandbox.environment['GITHUB_TOKEN']}"},
        timeout=10,
    ).json()
    return answer


def test_a_maintainer_rebuilds_the_images_in_the_ui(dagster: Dagster, registry: Registry) -> None:
    """What the UI's button does: a GraphQL launch of some assets for one partition."""
    before = time.time()
    with dagster.stack.daemon(), dagster.stack.webserver(free_port()) as url:
        launch(url, "v4.0.0", DOCKER_HALF)
        dagster.wait_for("v4.0.0", DOCKER_HALF, since=before)
    rows = {row.data["tag"]: row.data for row in dagster.metadata("v4.0.0", "floating_tags")["tags"].records}
    assert rows["latest"]["why"] == "held by 4.0.1"
    assert digest(registry, "latest") == digest(registry, "4.0.1")


LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on PythonError { message }
    ... on LaunchRunSuccess { run { runId } }
  }
}
"""


def launch(url: str, tag: str, nodes: list[str]) -> str:
    params = {
        "selector": {
            "repositoryLocationName": "release_assets.definitions",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [PROJECT, node]} for node in nodes],
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": tag}]},
        "mode": "default",
    }
    answer = requests.post(
        f"{url}/graphql", json={"query": LAUNCH, "variables": {"params": params}}, timeout=60
    ).json()
    result = answer["data"]["launchPipelineExecution"]
    assert result["__typename"] == "LaunchRunSuccess", json.dumps(answer)
    run_id: str = result["run"]["runId"]
    return run_id
