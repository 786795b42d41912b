"""The registry client against a real registry."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from release_assets.destinations.registry import (
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
    index_of,
    platforms_differ,
)
from release_assets.errors import PermanentError
from release_assets_tests.unit.destinations.test_registry import as_json, client, digest_of, image
from tools.sandbox.registry import Registry as RealRegistry


def put_blob(registry: RealRegistry, name: str, content: bytes) -> dict[str, Any]:
    """Put a blob as a client of the spec does; its descriptor."""
    with requests.Session() as session:
        session.auth = (registry.username, registry.token)
        started = session.post(f"http://{registry.host}/v2/{name}/blobs/uploads/", timeout=30)
        started.raise_for_status()
        where = urljoin(started.url, started.headers["location"])
        session.put(where, params={"digest": digest_of(content)}, data=content, timeout=30).raise_for_status()
    return {"digest": digest_of(content), "size": len(content)}


def put_image(registry: RealRegistry, name: str, platform: str) -> Manifest:
    """An image without any layer, whose config names a platform and has a label; as it can be put."""
    system, architecture = platform.split("/")
    config = {"os": system, "architecture": architecture, "config": {"Labels": {"version": "1.2.3"}}}
    described = put_blob(registry, name, as_json(config))
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **described},
        "layers": [],
    }
    return Manifest(as_json(content), OCI_MANIFEST)


def real_client(registry: RealRegistry, name: str, token: str | None = None) -> Registry:
    """A client of a repository in the real registry."""
    return client(registry.host, name, registry.username, token or registry.token)


def test_a_repository_that_does_not_exist_yet_is_empty(registry: RealRegistry) -> None:
    ours = real_client(registry, "registry-client/nothing")
    assert ours.tags() == set()
    assert ours.manifest("1.2.3") is None
    assert ours.manifest(digest_of(b"nothing")) is None
    assert ours.blob(digest_of(b"nothing")) is None


def test_one_index_under_many_tags_has_one_digest(registry: RealRegistry) -> None:
    ours = real_client(registry, "registry-client/many-tags")
    platforms = ("linux/amd64", "linux/arm64")
    images = {platform: put_image(registry, ours.repository.name, platform) for platform in platforms}
    for platform, pushed in images.items():
        ours.put_manifest(f"1.2.3-{platform.partition('/')[2]}", pushed)
    joined = index_of(images)
    for tag in ("1.2.3", "1.2", "1", "latest"):
        ours.put_manifest(tag, joined)
    assert ours.tags() == {"1.2.3-amd64", "1.2.3-arm64", "1.2.3", "1.2", "1", "latest"}
    for reference in ("1.2.3", "1.2", "1", "latest", joined.digest):
        read = ours.manifest(reference)
        assert read is not None
        assert (read.digest, read.body, read.media_type) == (joined.digest, joined.body, OCI_INDEX)
    assert platforms_differ(joined, platforms) is None


def test_a_blob_is_read_with_its_bytes_compared(registry: RealRegistry) -> None:
    ours = real_client(registry, "registry-client/blob")
    pushed = put_image(registry, ours.repository.name, "linux/amd64")
    config = ours.blob(pushed.parsed()["config"]["digest"])
    assert config is not None
    assert json.loads(config)["config"]["Labels"] == {"version": "1.2.3"}


def test_an_index_of_missing_images_is_refused_by_the_registry(
    registry: RealRegistry,
) -> None:
    ours = real_client(registry, "registry-client/incomplete")
    with pytest.raises(PermanentError) as raised:
        ours.put_manifest("1.2.3", index_of({"linux/amd64": image("linux/amd64")}))
    assert "MANIFEST_BLOB_UNKNOWN" in raised.value.problem
    assert ours.tags() == set()


def test_access_is_proved_and_nothing_is_left_behind(registry: RealRegistry) -> None:
    ours = real_client(registry, "registry-client/preflight")
    ours.check_access()
    assert ours.tags() == set()


def test_a_wrong_password_names_the_variables(registry: RealRegistry) -> None:
    ours = real_client(registry, "registry-client/preflight", token="wrong")
    for attempt in (ours.check_access, ours.tags):
        with pytest.raises(PermanentError) as raised:
            attempt()
        assert "401 Unauthorized: UNAUTHORIZED: authentication required" in raised.value.problem
        assert raised.value.remedy.startswith("Check IMAGE_USER and IMAGE_TOKEN")
        assert "wrong" not in str(raised.value)


def test_no_credentials_where_some_are_wanted_says_to_set_them(registry: RealRegistry) -> None:
    with pytest.raises(PermanentError) as raised:
        client(registry.host, "registry-client/preflight").check_access()
    assert raised.value.remedy == "Set IMAGE_USER and IMAGE_TOKEN: the registry requires authentication."
