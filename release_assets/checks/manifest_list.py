"""The checks of manifest_list: exactly the declared platforms, and what a scanner says of them."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from release_assets.assets.image_step import image_registry
from release_assets.assets.step import Step
from release_assets.checks.release_check import Declared, Found, release_checks
from release_assets.checks.scan import scanned
from release_assets.destinations.registry import Manifest, Registry, platform_images, platforms_differ
from release_assets.errors import PermanentError
from release_assets.image_tags import image_tag
from release_assets.project import Image, Project


def manifest_list_checks(
    project: Project, image: Image, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetChecksDefinition:
    """The checks of `<project>/manifest_list`."""
    declared = [Declared("platforms", f"It has {', '.join(image.platforms)}, and nothing else.", blocks=True)]
    if image.scan is not None:
        declared.append(Declared("scan", f"What {image.scan.command[0]} finds in the images.", blocks=True))

    @release_checks(project, partitions, "manifest_list", declared)
    def look(step: Step) -> Mapping[str, Found]:
        registry = image_registry(step, image)
        tag = image_tag(step.release.version, step.release.channel)
        reference, whole = registry.repository.reference(tag), registry.manifest(tag)
        if whole is None:
            raise PermanentError(
                f"{reference} is not in the registry",
                f"Materialize {project.project}/manifest_list for this partition first.",
            )
        found = {"platforms": _platforms(registry, reference, whole, image)}
        if image.scan is not None:
            found["scan"] = scanned(step, image, image.scan, registry, platform_images(whole))
        return found

    return look


def _platforms(registry: Registry, reference: str, whole: Manifest, image: Image) -> Found:
    difference = platforms_differ(whole, image.platforms)
    if difference is not None:
        return Found("error", f"{reference} is not what was declared ({difference}): materialize it again.")
    for platform, digest in platform_images(whole).items():
        if registry.manifest(digest) is None:
            return Found(
                "error", f"{reference} lists {digest} for {platform}, which the registry lacks: materialize "
                "that image again.",
            )  # fmt: skip
    return Found("ok", f"{reference} has {', '.join(image.platforms)}", {"digest": whole.digest})
