"""Manifests and indexes: what is in them, and the index that joins images."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from release_assets.destinations.http import AGAIN, parsed_json
from release_assets.destinations.registry.platform import described, normal_platform, platform_name
from release_assets.errors import PermanentError, TransientError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFESTS = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index as the registry keeps it: its very bytes, whose sha256 is the digest."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """`sha256:` and the hexadecimal digest of the bytes."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def parsed(self) -> dict[str, Any]:
        """Return the JSON inside. Raises TransientError where it is none: what is stored was checked then."""
        content = json_object(self.body)
        if content is None:
            raise TransientError(f"manifest {self.digest} is not a JSON object", AGAIN)
        return content

    @property
    def is_index(self) -> bool:
        """Return whether it lists other manifests."""
        return self.media_type in {OCI_INDEX, DOCKER_LIST}


def platform_images(manifest: Manifest) -> dict[str, str]:
    """Return the images of an index, as platform → digest: no attestations, and nothing of a bare image.

    Raises PermanentError where a platform is in it twice, TransientError where the list makes no sense.
    """
    images: dict[str, str] = {}
    for child in _children(manifest):
        if _is_attestation(child):
            continue
        platform = platform_name(child.get("platform") or {})
        if platform in images:
            raise PermanentError(
                f"{manifest.digest} has two images for {platform}: {images[platform]} and {child['digest']}",
                "Remove the tag that points to it, then materialize again: each platform is put once.",
            )
        images[platform] = child["digest"]
    return images


def _children(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the entries of an index: each has a digest, and a platform and annotations if at all."""
    children = manifest.parsed().get("manifests") or []
    if not isinstance(children, list) or not all(
        isinstance(child, dict)
        and is_digest(child.get("digest"))
        and isinstance(child.get("platform") or {}, dict)
        and isinstance(child.get("annotations") or {}, dict)
        for child in children
    ):
        raise TransientError(f"the index {manifest.digest} is not a list of manifests", AGAIN)
    return children


def is_digest(value: object) -> bool:
    """Return whether a value is a sha256 digest as manifests write it."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def children_of(manifest: Manifest) -> list[str]:
    """Return the digests of all that an index lists: images, then attestations."""
    return [child["digest"] for child in _children(manifest)]


def attestation_manifests(manifest: Manifest) -> list[str]:
    """Return the digests of the attestations in an index; a bare image has none."""
    return [child["digest"] for child in _children(manifest) if _is_attestation(child)]


def _is_attestation(child: Mapping[str, Any]) -> bool:
    return (child.get("annotations") or {}).get("vnd.docker.reference.type") == "attestation-manifest"


def platforms_differ(manifest: Manifest, declared: Iterable[str]) -> str | None:
    """Return what is missing or too much in an index, in words; None where it has the declared platforms."""
    return _difference(platform_images(manifest), declared)


def _difference(present: Collection[str], declared: Iterable[str]) -> str | None:
    wanted = {normal_platform(platform) for platform in declared}
    words = [
        f"{what}: {', '.join(sorted(platforms))}"
        for what, platforms in (("missing", wanted - set(present)), ("not declared", set(present) - wanted))
        if platforms
    ]
    return "; ".join(words) or None


def index_of(children: Mapping[str, Manifest], annotations: Mapping[str, str] | None = None) -> Manifest:
    """Return the manifest list that joins one image per platform, in the order given.

    A child that is an index itself (an image with its attestations) is flattened: images first, then
    attestations, as BuildKit lists them. The same children give the same bytes, and so the same digest.
    Docker's manifest list where all children are Docker's, as `imagetools create` does: Quay and Pulp reject
    an OCI index of those. Else an OCI index, which may list both (OCI image spec; see `formats`), with the
    annotations: Docker's list has none.
    Raises PermanentError where a child is not for its platform alone: nothing incomplete is ever tagged.
    """
    images: list[dict[str, Any]] = []
    attestations: list[dict[str, Any]] = []
    for platform, child in children.items():
        if not child.is_index:
            images.append(
                {
                    "mediaType": child.media_type,
                    "digest": child.digest,
                    "size": len(child.body),
                    "platform": described(normal_platform(platform)),
                }
            )
            continue
        difference = platforms_differ(child, [platform])
        if difference is not None:
            raise PermanentError(
                f"the image {child.digest} should be for {platform} alone ({difference})",
                f"Materialize the image of {platform} again.",
            )
        for entry in _children(child):
            (attestations if _is_attestation(entry) else images).append(entry)
    entries = images + attestations
    all_docker = all(entry.get("mediaType") == DOCKER_MANIFEST for entry in entries)
    media_type = DOCKER_LIST if entries and all_docker else OCI_INDEX
    content: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    if annotations and media_type == OCI_INDEX:
        content["annotations"] = dict(annotations)
    return Manifest(json.dumps(content, indent=2).encode(), media_type)


def lists_the_same(one: Manifest, other: Manifest) -> bool:
    """Return whether two indexes of one format list the same manifests, whatever their annotations."""
    return one.media_type == other.media_type and _children(one) == _children(other)


def formats(index: Manifest) -> dict[str, str]:
    """Return `OCI` or `Docker schema 2` for each platform's image of an index.

    Docker Hub, GHCR and Quay since June 2026 (quay#6070) accept both in one index; others reject it.
    """
    return {
        platform_name(child.get("platform") or {}): (
            "Docker schema 2" if child.get("mediaType") == DOCKER_MANIFEST else "OCI"
        )
        for child in _children(index)
        if not _is_attestation(child)
    }


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None for anything else, nested too deeply to be read included."""
    try:
        content = parsed_json(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
