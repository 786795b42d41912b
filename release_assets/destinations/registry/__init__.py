"""The image registry: repositories, manifests and indexes, and the client that reads and puts them."""

from release_assets.destinations.registry.client import Registry
from release_assets.destinations.registry.copying import copy_image
from release_assets.destinations.registry.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    attestation_manifests,
    index_of,
    lists_the_same,
    platform_images,
    platforms_differ,
)
from release_assets.destinations.registry.platform import normal_platform, platform_name
from release_assets.destinations.registry.repository import Repository, parse_repository

__all__ = [
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "MANIFESTS",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "Manifest",
    "Registry",
    "Repository",
    "attestation_manifests",
    "copy_image",
    "index_of",
    "lists_the_same",
    "normal_platform",
    "parse_repository",
    "platform_images",
    "platform_name",
    "platforms_differ",
]
