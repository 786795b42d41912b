"""Compare the base images of a release's images with what their registries have now."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from release_assets.checks.audit import FRESH
from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.registry import Registry, parse_repository, platform_images
from release_assets.errors import ReleaseError
from release_assets.nodes.image_step import observing_registry
from release_assets.nodes.release_check import Found
from release_assets.project import Image


@dataclass(frozen=True)
class NewBase:
    """A base image whose tag points to another digest than the image was built from."""

    reference: str
    before: str
    now: str

    def __str__(self) -> str:
        """Return both sides."""
        return f"{self.reference} is {self.now}, and the image was built from {self.before}"


def recorded_bases(metadata: Mapping[str, Any]) -> list[BaseImage]:
    """Return the base images in an image's metadata; those that are pinned to a digest never change."""
    records: Iterable[Any] = getattr(metadata.get("base_images"), "records", ())
    bases = [BaseImage(str(row.data["image"]), str(row.data["digest"])) for row in records]
    return [base for base in bases if "@" not in base.reference]


def new_bases(bases: Iterable[BaseImage], now: Mapping[str, Collection[str]]) -> list[NewBase]:
    """Return the bases that changed; `now` is what each reference has, its platforms' digests among them.

    A reference that is not in `now` could not be looked at.
    """
    return [
        NewBase(base.reference, base.digest, next(iter(digests)))
        for base in dict.fromkeys(bases)
        if (digests := now.get(base.reference)) and base.digest not in digests
    ]


def observe_bases(image: Image, bases: Iterable[BaseImage]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the digests that each reference has now, the whole one first, and why others are unknown."""
    now: dict[str, list[str]] = {}
    hidden = []
    for reference in dict.fromkeys(base.reference for base in bases):
        try:
            name, tag = _name_and_tag(reference)
            manifest = _registry(image, name).manifest(tag)
        except ReleaseError as error:
            hidden.append(f"{reference}: {error.problem}")
            continue
        if manifest is not None:
            children = platform_images(manifest).values() if manifest.is_index else ()
            now[reference] = [manifest.digest, *children]
    return now, hidden


def judged(tag: str, project: str, changed: Iterable[NewBase]) -> Found:
    """Return what the check shows: a rebuild is proposed where a base image changed."""
    words = "; ".join(map(str, changed))
    if not words:
        return FRESH
    return Found(
        "warning",
        words,
        f'Rebuild it: `release-assets rebuild {tag} --project {project} --pull --reason "fresh base image"`.',
    )


def _name_and_tag(reference: str) -> tuple[str, str]:
    """Split a reference; a colon in the host is a port."""
    match = re.fullmatch(r"(.*?)(?::([\w.-]+))?", reference)
    assert match is not None  # noqa: S101  (everything matches)
    return match[1], match[2] or "latest"


def _registry(image: Image, name: str) -> Registry:
    """Return the base image's registry, asked with the project's login where it is the project's own."""
    repository, own = parse_repository(name), parse_repository(image.repository)
    if repository.host == own.host:
        return observing_registry(image.model_copy(update={"repository": name}))
    return Registry(
        replace(repository, allow_http=False),
        username=None,
        token=None,
        username_env=image.username_env,
        token_env=image.token_env,
    )
