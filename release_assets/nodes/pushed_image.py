"""Verify that the registry has the image that was pushed, with its attestations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from release_assets.destinations import buildx
from release_assets.destinations.attestations import (
    SBOM,
    BaseImage,
    attestations,
    base_images,
    provenance_statement,
)
from release_assets.destinations.registry import Manifest, Registry
from release_assets.errors import PermanentError, TransientError
from release_assets.project import Image


@dataclass(frozen=True)
class Pushed:
    """The image in the registry: its own manifest, its attestations, and what it was built from."""

    runnable: Manifest
    config: bytes | None
    attached: Collection[str]
    bases: Sequence[BaseImage]


def verify_pushed(registry: Registry, tag: str, image: Image, result: buildx.BuildResult) -> Pushed:
    """Return the image that the registry has after a push. Raises a ReleaseError that names what it lacks."""
    reference = registry.repository.reference
    pushed, runnable = registry.manifest(tag), registry.manifest(result.runnable_digest)
    if pushed is None or pushed.digest != result.digest:
        raise TransientError(
            f"{reference(tag)} was pushed as {result.digest}, but the registry "
            f"answers {pushed.digest if pushed else 'not found'}",
            "Somebody else may push the same tag; find out who, then materialize again.",
        )
    if runnable is None:
        raise TransientError(
            f"the index {reference(result.digest)} was pushed, but the registry does not have its image "
            f"{result.runnable_digest}",
            "Materialize again; if it stays so, ask the registry's operators.",
        )
    attached = attestations(registry, pushed)
    if image.sbom_generator and SBOM not in attached:
        raise PermanentError(
            f"{image.sbom_generator} made no SBOM for {reference(result.digest)}",
            "The step's output has its words; it must follow BuildKit's SBOM generator protocol.",
        )
    statement = provenance_statement(registry, attached)
    # Without provenance there is what buildx said; it does not say the digests of named contexts.
    bases = result.from_images if statement is None else base_images(statement, [image.sbom_generator or ""])
    config = (runnable.parsed().get("config") or {}).get("digest")
    return Pushed(runnable, registry.blob(config) if isinstance(config, str) else None, attached, bases)
