"""The meaning of a registry's refusal, with the errors of real registries as they were reported in public."""

from __future__ import annotations

import json
from typing import Any

import pytest

from release_assets.destinations.registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
    Repository,
    index_of,
)
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told

LOGIN = "Check IMAGE_USER and IMAGE_TOKEN"


def client(server: ScriptedServer, name: str = "owner/name") -> Registry:
    """Return a client of a repository on the scripted server."""
    return Registry(
        Repository(server.url.removeprefix("http://"), name),
        username="maintainer",
        token="s3cret",
        username_env="IMAGE_USER",
        token_env="IMAGE_TOKEN",
    )


def refused(server: ScriptedServer, status: int, *errors: tuple[str, str], name: str = "owner/name") -> Any:
    """Return the error for a manifest that the registry refuses with the spec's errors."""
    body = {"errors": [{"code": code, "message": message} for code, message in errors]}
    server.answers(Told(status, json.dumps(body).encode() if errors else b"<html>nginx</html>"))
    with pytest.raises(ReleaseError) as raised:
        client(server, name).put_manifest("1.2.3", Manifest(b"{}", OCI_MANIFEST))
    return raised.value


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "remedy"),
    [
        # ECR, Harbor, Artifact Registry, Docker Hub, Nexus
        (
            400,
            "TAG_INVALID",
            "The image tag '1.2.3' already exists in the 'owner/name' repository and cannot be overwritten "
            "because the repository is immutable.",
            ConflictError,
            "does not let an existing tag",
        ),
        (
            412,
            "PRECONDITION",
            "Failed to process request due to 'name:1.2.3' configured as immutable.",
            ConflictError,
            "does not let an existing tag",
        ),
        (
            400,
            "MANIFEST_INVALID",
            "cannot update tag 1.2.3. The repository has enabled tag immutability",
            ConflictError,
            "does not let an existing tag",
        ),
        (403, "DENIED", "this tag is immutable", ConflictError, "does not let an existing tag"),
        (400, "UNKNOWN", "Repository does not allow updating assets: hosted", ConflictError, "exempt it"),
        # Harbor, Quay, Artifactory, a disk
        (
            403,
            "DENIED",
            "adding 151.7 MiB of storage resource, which when updated to current usage of 100.0 GiB will "
            "exceed the configured upper limit of 100.0 GiB.",
            PermanentError,
            "is full",
        ),
        (403, "DENIED", "Quota has been exceeded on namespace", PermanentError, "raise its quota"),
        (413, "UNKNOWN", "Datastore disk usage is too high. Contact your admin", PermanentError, "is full"),
        (500, "UNKNOWN", "filesystem: write: no space left on device", PermanentError, "is full"),
        (507, "UNKNOWN", "", PermanentError, "is full"),
        # Docker Hub, GHCR, GitLab, a name that reads like something else
        (401, "UNAUTHORIZED", "authentication required", PermanentError, LOGIN),
        (403, "DENIED", "permission_denied: write_package", PermanentError, LOGIN),
        (403, "DENIED", "requested access to the resource is denied", PermanentError, LOGIN),
        (403, "DENIED", "no right to push to owner/quota or 'immutable'", PermanentError, LOGIN),
        (403, "DENIED", "You don't have the right; you can't push to `quota`", PermanentError, LOGIN),
        (
            404,
            "NAME_UNKNOWN",
            "The repository with name 'owner/name' does not exist in the registry with id '1'",
            PermanentError,
            "Create owner/name in the registry first",
        ),
        (429, "TOOMANYREQUESTS", "Quota exceeded for quota metric 'Requests'", TransientError, "limits how"),
        (403, "TOOMANYREQUESTS", "You have reached your pull rate limit.", TransientError, "limits how"),
        (503, "UNAVAILABLE", "service unavailable", TransientError, "Nothing is lost"),
        (400, "MANIFEST_INVALID", "manifest invalid", PermanentError, "words say what it rejects"),
    ],
)
def test_a_refusal_is_known_by_its_status_and_code(
    server: ScriptedServer, status: int, code: str, message: str, kind: type[ReleaseError], remedy: str
) -> None:
    error = refused(server, status, (code, message))
    assert type(error) is kind
    assert remedy in error.remedy
    assert f"{code}: {message}".rstrip() in error.problem


def test_a_proxy_that_limits_uploads_is_named(server: ScriptedServer) -> None:
    error = refused(server, 413)
    assert type(error) is PermanentError
    assert "client_max_body_size" in error.remedy


def test_the_repositorys_own_name_decides_nothing(server: ScriptedServer) -> None:
    error = refused(server, 403, ("DENIED", "no right to push to quota"), name="quota")
    assert error.remedy.startswith(LOGIN)


# Formats


def image(media_type: str, platform: str = "linux/amd64") -> Manifest:
    """Return an image's manifest, another for each platform."""
    content = {"mediaType": media_type, "config": {"for": platform}, "layers": []}
    return Manifest(json.dumps(content).encode(), media_type)


def attested(media_type: str, attestation: str) -> Manifest:
    """Return an image with its attestation as BuildKit pushes them."""
    children = [
        {
            "mediaType": media_type,
            "digest": image(media_type).digest,
            "size": 7,
            "platform": {"os": "linux", "architecture": "amd64"},
        },
        {
            "mediaType": attestation,
            "digest": image(media_type, "attestation").digest,
            "size": 7,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
    ]
    return Manifest(json.dumps({"mediaType": OCI_INDEX, "manifests": children}).encode(), OCI_INDEX)


ARM64 = "linux/arm64"


@pytest.mark.parametrize(
    ("amd64", "arm64", "listed_as"),
    [
        (image(DOCKER_MANIFEST), image(DOCKER_MANIFEST, ARM64), DOCKER_LIST),
        (attested(DOCKER_MANIFEST, DOCKER_MANIFEST), image(DOCKER_MANIFEST, ARM64), DOCKER_LIST),
        (image(OCI_MANIFEST), image(OCI_MANIFEST, ARM64), OCI_INDEX),
        (attested(OCI_MANIFEST, OCI_MANIFEST), image(OCI_MANIFEST, ARM64), OCI_INDEX),
        (attested(DOCKER_MANIFEST, OCI_MANIFEST), image(DOCKER_MANIFEST, ARM64), OCI_INDEX),
        (image(DOCKER_MANIFEST), image(OCI_MANIFEST, ARM64), OCI_INDEX),
    ],
)
def test_the_lists_media_type_follows_its_children(amd64: Manifest, arm64: Manifest, listed_as: str) -> None:
    whole = index_of({"linux/amd64": amd64, ARM64: arm64})
    assert whole.media_type == whole.parsed()["mediaType"] == listed_as
    assert whole.is_index


def test_two_formats_in_one_list_are_named_where_rejected(server: ScriptedServer) -> None:
    """Quay before June 2026 and Pulp accept no Docker image in an OCI index."""
    said = "manifest data does not match schema: 'application/vnd.docker…' is not one of ['…oci…']"
    body = json.dumps({"errors": [{"code": "MANIFEST_INVALID", "message": said}]}).encode()
    server.answers(Told(400, body))
    mixed = index_of({"linux/amd64": image(DOCKER_MANIFEST), ARM64: image(OCI_MANIFEST, ARM64)})
    with pytest.raises(PermanentError) as raised:
        client(server).put_manifest("1.2.3", mixed)
    assert raised.value.remedy.startswith(
        "The images are in two formats (linux/amd64 Docker schema 2, linux/arm64 OCI)"
    )
