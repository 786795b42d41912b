"""Read BuildKit's attestations of an image: SLSA provenance, which names base images, and SBOMs."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from release_assets.destinations.registry import Manifest, Registry, attestation_manifests

PROVENANCE = "https://slsa.dev/provenance/"  # v0.2 or v1 follows
SBOM = "https://spdx.dev/Document"


@dataclass(frozen=True)
class BaseImage:
    """An image that another was built from: the reference in its Dockerfile, and what that was then."""

    reference: str
    digest: str


def attestations(registry: Registry, image: Manifest) -> dict[str, str]:
    """Return an image's statements as predicate type → blob's digest; a bare image has none."""
    found = {}
    for digest in attestation_manifests(image):
        manifest = registry.manifest(digest)
        for layer in manifest.parsed().get("layers") or [] if manifest else []:
            predicate = (layer.get("annotations") or {}).get("in-toto.io/predicate-type")
            if predicate is not None:
                found[predicate] = layer["digest"]
    return found


def provenance_statement(registry: Registry, attached: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the SLSA provenance among `attestations`; None where there is none that can be read."""
    digest = next((digest for name, digest in attached.items() if name.startswith(PROVENANCE)), None)
    content = registry.blob(digest) if digest else None
    try:
        statement = json.loads(content or b"null")
    except ValueError:
        return None
    return statement if isinstance(statement, dict) else None


def base_images(statement: Mapping[str, Any], tools: Collection[str] = ()) -> list[BaseImage]:
    """Return the images that went into a build, from its SLSA provenance (v0.2 and v1).

    What only helped is left out: the Dockerfile's frontend (`# syntax=`), and `tools` such as an SBOM
    generator. Folders such as `dist` are not among BuildKit's materials.
    """
    predicate = statement.get("predicate") or {}
    definition = predicate.get("buildDefinition") or {}
    materials = predicate.get("materials") or definition.get("resolvedDependencies") or []
    parameters = (predicate.get("invocation") or {}).get("parameters") or {}
    request = parameters or (definition.get("externalParameters") or {}).get("request") or {}
    frontend = (request.get("args") or {}).get("source") or ""
    helpers = {_name_of(tool) for tool in (frontend, *tools) if tool}
    images = [BaseImage(reference, digest) for reference, digest in _docker_materials(materials)]
    return [image for image in dict.fromkeys(images) if _name_of(image.reference) not in helpers]


def _docker_materials(materials: Collection[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for material in materials:
        # A package URL: pkg:docker/NAME@TAG?platform=…, with %3A in NAME for a port's colon.
        match = re.fullmatch(r"pkg:docker/([^@?]+)(?:@([^?]*))?(?:\?.*)?", str(material.get("uri")))
        sha256 = (material.get("digest") or {}).get("sha256")
        if match and sha256:
            yield f"{unquote(match[1])}{':' + unquote(match[2]) if match[2] else ''}", f"sha256:{sha256}"


def _name_of(reference: str) -> str:
    """Return an image's name without tag and digest, as BuildKit shortens it."""
    name = re.sub(r":[^:/]*$", "", reference.partition("@")[0])
    return name.removeprefix("docker.io/").removeprefix("library/")
