"""Find the release that an image tag points to, as the registry has it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

from release_assets.destinations.registry import Manifest, Registry, platform_images
from release_assets.errors import PermanentError
from release_assets.rules.image_tags import image_tag
from release_assets.rules.tag_moves import Pointer
from release_assets.rules.tags import VERSION_LENGTH_LIMIT, Channel

REVISION = "org.opencontainers.image.revision"
VERSION = "org.opencontainers.image.version"
# An image without labels is compared with this many version tags, one request each.
COMPARED = 5


def observe_pointers(
    registry: Registry, tags: Iterable[str], published: Collection[Version], channel: Channel
) -> dict[str, Pointer | None]:
    """Return where each of the tags points, None where it does not exist.

    `published` are the versions with an image in the registry. Raises a ReleaseError where the registry does
    not answer.
    """
    found: dict[str, Pointer | None] = {}
    known: dict[str, Pointer] = {}
    for tag in tags:
        manifest = registry.manifest(tag)
        if manifest is None:
            found[tag] = None
            continue
        if manifest.digest not in known:
            version = version_of(registry, manifest, published, channel)
            known[manifest.digest] = Pointer(manifest.digest, version)
        found[tag] = known[manifest.digest]
    return found


def version_of(
    registry: Registry, manifest: Manifest, published: Collection[Version], channel: Channel
) -> Version | None:
    """Return the version that an image belongs to, None where nothing tells.

    By the image's own labels, which hold for an image that no version tag points to anymore. Where they name
    no published version, by comparing it with the newest version tags.
    """
    labeled = _labeled_version(registry, manifest)
    if labeled in published:
        return labeled
    for version in sorted(published, reverse=True)[:COMPARED]:
        tagged = registry.manifest(image_tag(version, channel))
        if tagged is not None and tagged.digest == manifest.digest:
            return version
    return labeled


def _labeled_version(registry: Registry, manifest: Manifest) -> Version | None:
    """Return the version in the labels of the first image behind a manifest, None where they hold none."""
    try:
        labels = next(labels_of(registry, manifest), {})
        # A base image's version label shows in an image that sets none: ours come with a revision.
        text = labels.get(VERSION, "") if labels.get(REVISION) else ""
        return Version(text) if len(text) <= VERSION_LENGTH_LIMIT else None
    except (InvalidVersion, PermanentError):  # a list with two images for a platform belongs to nobody
        return None


def labels_of(registry: Registry, manifest: Manifest) -> Iterator[dict[str, str]]:
    """Yield the labels of each image behind a manifest; {} for one that has none.

    Raises PermanentError where two images are for one platform, TransientError for an answer without sense.
    """
    for digest in platform_images(manifest).values() if manifest.is_index else [manifest.digest]:
        image = registry.manifest(digest)
        config = (image.parsed().get("config") or {}).get("digest") if image is not None else None
        blob = registry.blob(config) if isinstance(config, str) else None
        yield labels_in(blob) if blob is not None else {}


def labels_in(config: bytes) -> dict[str, str]:
    """Return the labels in an image's config; {} where it has none or is not a config."""
    try:
        labels: Any = json.loads(config)["config"]["Labels"]
        return {str(name): str(value) for name, value in labels.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
