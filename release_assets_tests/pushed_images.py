"""Images without a layer, put into a registry without an engine: enough for manifest lists and tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

import requests

from release_assets.destinations.registry import OCI_MANIFEST, Manifest, index_of
from release_assets_tests.maintainer import Maintainer

PLATFORM = "linux/amd64"


def push_image(
    maintainer: Maintainer,
    version: str,
    commit: str | None,
    *,
    build: str = "first",
    prefix: str = "",
    layers: Sequence[bytes] = (),
) -> str:
    """Push the image of a version and its manifest list; return the list's digest.

    Without a commit the image has no labels, as an old workflow may have left it. `build` makes another image
    of the same version.
    """
    labels = {
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": commit,
    }
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Labels": labels if commit is not None else None},
        "history": [{"comment": f"{version} {build}"}],
    }
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            **_put_blob(maintainer, json.dumps(config).encode()),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                **_put_blob(maintainer, layer),
            }
            for layer in layers
        ],
    }
    image = Manifest(json.dumps(content).encode(), OCI_MANIFEST)
    whole = index_of({PLATFORM: image})
    maintainer.registry.put_manifest(f"{prefix}{version}-amd64", image)
    maintainer.registry.put_manifest(f"{prefix}{version}", whole)
    return whole.digest


def _put_blob(maintainer: Maintainer, content: bytes) -> dict[str, Any]:
    """Put a blob as a client of the distribution spec does; return its descriptor."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    repository = maintainer.registry.repository
    with requests.Session() as session:
        session.auth = (maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"])
        url = f"{repository.api_url}/v2/{repository.name}/blobs/uploads/"
        started = session.post(url, timeout=30)
        started.raise_for_status()
        where = urljoin(started.url, started.headers["location"])
        session.put(where, params={"digest": digest}, data=content, timeout=30).raise_for_status()
    return {"digest": digest, "size": len(content)}
