"""From a published release to its images, its manifest list and the floating tags, on a real engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
import requests

from release_assets.destinations import package_index
from release_assets.destinations.registry import Manifest, index_of, platform_images
from release_assets.nodes.metadata import rows_of
from release_assets_tests.maintainer import BUILD, Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.secret_forms import forms_of

pytestmark = pytest.mark.timeout(300)

IMAGES = ("image_linux_amd64", "image_linux_arm64")
DOCKER_HALF = ("version", *IMAGES, "manifest_list", "floating_tags")
WITH_THE_WHEEL = "FROM scratch\nARG VERSION\nCOPY --from=dist *.whl /dist/\nLABEL version=$VERSION\n"
FAILS_ON_ARM = 'FROM python:3.12-slim\nRUN test "$(uname -m)" != aarch64\n'


@dataclass(frozen=True)
class Imaged:
    """v1.0.0 with both halves; its images serve as other releases' images where only tags matter."""

    maintainer: Maintainer
    commit: str
    outcome: Outcome

    def child(self, architecture: str) -> Manifest:
        found = self.maintainer.registry.manifest(f"1.0.0-{architecture}")
        assert found is not None
        return found

    def pretend(self, version: str) -> str:
        """Give a version a manifest list of its own, of one platform so that it differs; its digest."""
        manifest = index_of({"linux/amd64": self.child("amd64")})
        text = manifest.parsed() | {"annotations": {"version": version}}
        manifest = Manifest(json.dumps(text).encode(), manifest.media_type)
        self.maintainer.registry.put_manifest(version, manifest)
        return manifest.digest


@pytest.fixture(scope="module")
def imaged(new: NewMaintainer, image_stands: Stands) -> Imaged:
    """Released once for the tests below, in both halves."""
    maintainer = new(image_stands, dockerfile=WITH_THE_WHEEL)
    maintainer.attributes["image"]["build_args"] = {"VERSION": "{version}"}
    commit = maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0")
    assert outcome.success, outcome.said
    return Imaged(maintainer, commit, outcome)


def blob(maintainer: Maintainer, digest: str) -> bytes:
    repository = maintainer.registry.repository
    credentials = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    url = f"{repository.api_url}/v2/{repository.name}/blobs/{digest}"
    answer = requests.get(url, auth=credentials, timeout=30)
    answer.raise_for_status()
    return answer.content


def image_of(maintainer: Maintainer, platform: str, tag: str = "1.0.0") -> dict[str, Any]:
    """The image's manifest, as somebody who pulls the release for a platform gets it."""
    whole = maintainer.registry.manifest(tag)
    assert whole is not None
    image = maintainer.registry.manifest(platform_images(whole)[platform])
    assert image is not None
    return image.parsed()


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_image_holds_the_very_wheel_that_the_index_serves(imaged: Imaged, platform: str) -> None:
    wheel = f"{imaged.maintainer.name}-1.0.0-py3-none-any.whl"
    (layer,) = image_of(imaged.maintainer, platform)["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(imaged.maintainer, layer["digest"]))) as archive:
        file = archive.extractfile(f"dist/{wheel}")
        assert file is not None
        sha256 = hashlib.sha256(file.read()).hexdigest()
    assert sha256 == imaged.maintainer.served()[wheel].sha256


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_image_says_what_it_was_built_from(imaged: Imaged, platform: str) -> None:
    config = json.loads(
        blob(imaged.maintainer, image_of(imaged.maintainer, platform)["config"]["digest"]).decode()
    )
    assert f"{config['os']}/{config['architecture']}" == platform
    labels = config["config"]["Labels"]
    assert labels["version"] == "1.0.0"  # the build argument
    assert labels["org.opencontainers.image.version"] == "1.0.0"
    assert labels["org.opencontainers.image.revision"] == imaged.commit
    assert "org.opencontainers.image.source" not in labels  # a path of this machine tells nobody where it is


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_an_images_metadata_is_what_a_maintainer_wants_to_know(imaged: Imaged, architecture: str) -> None:
    metadata = imaged.outcome.metadata(f"image_linux_{architecture}")
    assert metadata["digest"] == imaged.maintainer.digest(f"1.0.0-{architecture}")
    assert metadata["image"].endswith(f":1.0.0-{architecture}")
    assert metadata["source"] == "the release's tag v1.0.0"
    assert f"{imaged.maintainer.name}-1.0.0-py3-none-any.whl" in metadata["distributions"]
    assert {"seconds/checkout", "seconds/buildx", "seconds/build", "seconds/export", "seconds/push"} <= set(
        metadata
    )


def test_the_manifest_list_has_exactly_the_declared_platforms(imaged: Imaged) -> None:
    whole = imaged.maintainer.registry.manifest("1.0.0")
    assert whole is not None
    assert set(platform_images(whole)) == {"linux/amd64", "linux/arm64"}
    metadata = imaged.outcome.metadata("manifest_list")
    assert metadata["digest"] == whole.digest
    rows = {row["platform"]: row["runnable_digest"] for row in rows_of(metadata, "platforms")}
    assert rows == platform_images(whole)


def test_no_secret_is_in_the_event_log(imaged: Imaged) -> None:
    maintainer = imaged.maintainer
    user, token = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    secrets = {
        *forms_of(token),
        *forms_of(f"{user}:{token}"),
        *forms_of(maintainer.variables["GITHUB_TOKEN"]),
    }
    text = "".join(dg.serialize_value(record) for record in imaged.outcome.records)
    assert imaged.outcome.metadata("manifest_list")["digest"] in text
    assert {secret for secret in secrets if secret in text} == set()


def test_materializing_the_lists_again_moves_nothing(imaged: Imaged) -> None:
    before = imaged.maintainer.digest("1.0.0")
    again = imaged.maintainer.materialize("v1.0.0", "manifest_list", "floating_tags")
    assert again.success
    assert imaged.maintainer.digest("1.0.0") == before
    assert again.metadata("floating_tags")["moved"] == "none"


def test_the_first_release_gets_every_floating_tag_and_a_newer_one_holds_them(imaged: Imaged) -> None:
    maintainer = imaged.maintainer
    assert imaged.outcome.metadata("floating_tags")["moved"] == "1.0, 1, latest"
    first = maintainer.digest("1.0.0")
    assert {maintainer.digest(tag) for tag in ("1.0", "1", "latest")} == {first}

    newer = imaged.pretend("1.1.0")
    maintainer.tag("v1.1.0", "1.1.0")
    moved = maintainer.materialize("v1.1.0", "floating_tags").metadata("floating_tags")
    assert moved["moved"] == "1.1, 1, latest"
    rows = {row["tag"]: row for row in rows_of(moved, "tags")}
    assert (rows["latest"]["from"], rows["latest"]["to"]) == (first, newer)
    assert rows["1.1"]["from"] == "none"

    backpatch = imaged.pretend("1.0.1")
    maintainer.tag("v1.0.1", "1.0.1")
    outcome = maintainer.materialize("v1.0.1", "floating_tags")
    assert outcome.metadata("floating_tags")["moved"] == "1.0"
    assert "latest stays: held by" in outcome.said
    assert "the highest is 1.1.0" in outcome.said  # what is pretended has the labels of 1.0.0
    assert [maintainer.digest(tag) for tag in ("1.0", "1.1", "1", "latest")] == [
        backpatch, newer, newer, newer,
    ]  # fmt: skip


def test_a_prerelease_moves_no_floating_tag(imaged: Imaged) -> None:
    before = imaged.maintainer.digest("latest")
    imaged.pretend("2.0.0rc1")
    imaged.maintainer.tag("v2.0.0rc1", "2.0.0rc1")
    outcome = imaged.maintainer.materialize("v2.0.0rc1", "floating_tags")
    assert outcome.metadata("floating_tags")["tags"] == "none: a prerelease moves no tag"
    assert imaged.maintainer.digest("latest") == before
    assert imaged.maintainer.digest("2.0") is None


def test_a_test_release_moves_test_latest_alone(imaged: Imaged) -> None:
    before = imaged.maintainer.digest("latest")
    digest = imaged.pretend("test-3.0.0")
    imaged.maintainer.tag("test-v3.0.0", "3.0.0")
    outcome = imaged.maintainer.materialize("test-v3.0.0", "floating_tags")
    assert outcome.metadata("floating_tags")["moved"] == "test-latest"
    assert imaged.maintainer.digest("test-latest") == digest
    assert imaged.maintainer.digest("latest") == before


def test_floating_tags_without_the_releases_image_name_the_node_that_is_missing(imaged: Imaged) -> None:
    imaged.maintainer.tag("v1.6.0", "1.6.0")
    outcome = imaged.maintainer.materialize("v1.6.0", "floating_tags")
    assert outcome.retried == []
    assert ":1.6.0 is not in the registry" in outcome.words("floating_tags")
    assert f"Materialize {imaged.maintainer.name}/manifest_list for this partition first." in outcome.words(
        "floating_tags"
    )


def test_a_platform_whose_image_was_never_pushed_is_named(imaged: Imaged) -> None:
    imaged.maintainer.tag("v1.5.0", "1.5.0")
    imaged.maintainer.registry.put_manifest("1.5.0-amd64", imaged.child("amd64"))
    outcome = imaged.maintainer.materialize("v1.5.0", "manifest_list")
    assert outcome.retried == []
    assert ":1.5.0-arm64 is not in the registry" in outcome.words("manifest_list")
    assert f"Materialize {imaged.maintainer.name}/image_linux_arm64 for this partition first." in (
        outcome.words("manifest_list")
    )


@pytest.mark.parametrize(
    ("version", "pushed", "difference"),
    [
        ("1.3.0", "1.0.0", "not declared: linux/arm64"),
        ("1.4.0", "1.0.0-arm64", "missing: linux/amd64; not declared: linux/arm64"),
    ],
)
def test_a_platforms_tag_that_holds_another_platform_is_refused_and_nothing_is_listed(
    imaged: Imaged, version: str, pushed: str, difference: str
) -> None:
    """Somebody pushed the whole manifest list, or the other platform's image, under 1.x.0-amd64."""
    maintainer = imaged.maintainer
    before = maintainer.digest("latest")
    strange = maintainer.registry.manifest(pushed)
    assert strange is not None
    maintainer.registry.put_manifest(f"{version}-amd64", strange)
    maintainer.registry.put_manifest(f"{version}-arm64", imaged.child("arm64"))
    maintainer.tag(f"v{version}", version)
    outcome = maintainer.materialize(f"v{version}", "manifest_list", "floating_tags")
    assert (outcome.failed, outcome.retried) == (["manifest_list"], [])
    words = outcome.words("manifest_list")
    assert f"the image {strange.digest} should be for linux/amd64 alone ({difference})" in words
    assert "Materialize the image of linux/amd64 again." in words
    assert maintainer.digest(version) is None
    assert maintainer.digest("latest") == before


def test_a_wrong_token_for_the_registry_names_its_variables(imaged: Imaged) -> None:
    maintainer = imaged.maintainer
    token = maintainer.variables["DOCKER_TOKEN"]
    maintainer.variables["DOCKER_TOKEN"] = "not-the-password"
    try:
        outcome = maintainer.materialize("v1.0.0", "image_linux_amd64", "floating_tags")
    finally:
        maintainer.variables["DOCKER_TOKEN"] = token
    assert set(outcome.failed) == {"image_linux_amd64", "floating_tags"}
    assert outcome.retried == []
    assert "DOCKER_TOKEN" in outcome.words("image_linux_amd64")
    assert "Check DOCKER_USERNAME and DOCKER_TOKEN" in outcome.words("floating_tags")


def test_a_release_that_this_dagster_never_made_gets_its_images(
    new: NewMaintainer, image_stands: Stands
) -> None:
    maintainer = new(image_stands, dockerfile=WITH_THE_WHEEL)
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    maintainer.tag("v1.0.0", "1.0.0")
    built = maintainer.materialize("v1.0.0", *BUILD)
    upload_url, token = image_stands.indexes["index"]["upload_url"], image_stands.variables["PYPI_TOKEN"]
    for kind in ("sdist", "wheel"):
        (file,) = maintainer.home.rglob(built.metadata(kind)["file"])
        package_index.upload(upload_url, token, file, token_env="PYPI_TOKEN", log=print)
    maintainer.lose_dagster_home()

    outcome = maintainer.materialize("v1.0.0", "version", "image_linux_amd64", "manifest_list")
    assert outcome.success, outcome.said
    (layer,) = image_of(maintainer, "linux/amd64")["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(maintainer, layer["digest"]))) as archive:
        file_in_image = archive.extractfile(f"dist/{maintainer.name}-1.0.0-py3-none-any.whl")
        assert file_in_image is not None
        sha256 = hashlib.sha256(file_in_image.read()).hexdigest()
    assert sha256 == built.metadata("wheel")["sha256"]


def test_a_dockerfile_that_fails_on_one_platform_keeps_the_other_and_is_completed_by_a_rebuild_tag(
    new: NewMaintainer, image_stands: Stands
) -> None:
    maintainer = new(image_stands, dockerfile=FAILS_ON_ARM)
    maintainer.attributes["image"]["version_command"] = ["echo", "1.0.0"]
    maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0", *DOCKER_HALF)
    assert outcome.materialized == ["version", "image_linux_amd64"]
    assert (outcome.failed, outcome.retried) == (["image_linux_arm64"], [])
    words = outcome.words("image_linux_arm64")
    assert ":1.0.0-arm64 for linux/arm64 failed, at [" in words
    assert 'RUN test "$(uname -m)" != aarch64' in words
    assert "did not complete successfully: exit code: 1" in words
    assert "push its commit as a rebuild tag" in words
    assert "The other platforms' images are kept." in words
    amd64 = maintainer.digest("1.0.0-amd64")
    assert amd64 == outcome.metadata("image_linux_amd64")["digest"]
    assert maintainer.digest("1.0.0") is None

    commit = maintainer.repository.commit({"Dockerfile": "FROM python:3.12-slim\nCOPY README.md /\n"})
    maintainer.repository.tag("docker-rebuild-v1.0.0")
    again = maintainer.materialize("v1.0.0", "image_linux_arm64", "manifest_list", "floating_tags")
    assert again.success, again.said
    metadata = again.metadata("image_linux_arm64")
    assert metadata["source"] == "the rebuild tag docker-rebuild-v1.0.0"
    assert metadata["commit"] == commit
    assert metadata["distributions"] == "none published"
    assert maintainer.digest("1.0.0-amd64") == amd64
    whole = maintainer.registry.manifest("1.0.0")
    assert whole is not None
    assert set(platform_images(whole)) == {"linux/amd64", "linux/arm64"}
    assert maintainer.digest("latest") == whole.digest
