"""The checks of manifest_list: exactly the declared platforms, and what a scanner says of them."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from release_assets.assets.image_step import image_registry
from release_assets.assets.step import Step
from release_assets.checks.release_check import Declared, Found, release_checks
from release_assets.checks.scan import scanned
from release_assets.destinations.registry import Manifest, Registry, platform_images, platforms_differ
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
    def look(step: Step) -> Iterator[Found]:
        registry = image_registry(step, image)
        tag = image_tag(step.release.version, step.release.channel)
        whole = registry.manifest(tag)
        yield _platforms(registry, tag, whole, image)
        if image.scan is not None:
            yield scanned(step, image, image.scan, registry, platform_images(whole) if whole else {})

    return look


def _platforms(registry: Registry, tag: str, whole: Manifest | None, image: Image) -> Found:
    reference = registry.repository.reference(tag)
    if whole is None:
        return Found("platforms", "error", f"{reference} is not in the registry: materialize manifest_list.")
    difference = platforms_differ(whole, image.platforms)
    if difference is not None:
        return Found(
            "platforms",
            "error",
            f"{reference} is not what was declared ({difference}): materialize it again.",
        )
    for platform, digest in platform_images(whole).items():
        if registry.manifest(digest) is None:
            return Found(
                "platforms", "error", f"{reference} lists {digest} for {platform}, which the registry lacks: "
                "materialize that image again.",
            )  # fmt: skip
    return Found("platforms", "ok", f"{reference} has {', '.join(image.platforms)}", {"digest": whole.digest})
