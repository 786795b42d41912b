"""The checks of manifest_list: exactly the declared platforms, and what a scanner says of them."""

from __future__ import annotations

from collections.abc import Mapping

from release_assets.destinations.registry import Manifest, platforms_differ
from release_assets.nodes.release_check import Declared, Found
from release_assets.project import Image


def manifest_list_checks(image: Image) -> list[Declared]:
    """Return the checks of the manifest list."""
    declared = [Declared("platforms", f"It has {', '.join(image.platforms)}, and nothing else.", blocks=True)]
    if image.scan is not None:
        declared.append(Declared("scan", f"What {image.scan.command[0]} finds in the images.", blocks=True))
    return declared


def platforms(
    reference: str, whole: Manifest, declared: list[str], images: Mapping[str, Manifest | None]
) -> Found:
    """Compare a manifest list with what was declared; `images` is what the registry has, by digest."""
    difference = platforms_differ(whole, declared)
    if difference is not None:
        return Found("error", f"{reference} is not what was declared ({difference})", "Materialize it again.")
    if missing := [digest for digest, image in images.items() if image is None]:
        return Found(
            "error",
            f"{reference} lists {', '.join(missing)}, which the registry lacks",
            "Materialize the images again.",
        )
    return Found("ok", f"{reference} has {', '.join(declared)}", metadata={"digest": whole.digest})
