"""Read an OCI image layout in a tar file, and compare its image with the one in a registry."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release_assets.destinations.registry import Manifest, platform_images
from release_assets.errors import PermanentError
from release_assets.text import one_line

JSON_LIMIT = 4 * 1024 * 1024
CREATED_BY = 120  # characters of a layer's command that are shown


@dataclass(frozen=True)
class ImageContent:
    """An image: its manifest's digest, its config, and the digests of its layers."""

    digest: str
    config: Mapping[str, Any]
    config_digest: str
    layers: tuple[str, ...]


def read_layout(file: Path) -> ImageContent:
    """Return the one image in a layout that BuildKit wrote. Raises PermanentError where there is none."""
    with tarfile.open(file) as archive:
        index = json.loads(_member(archive, "index.json"))
        descriptor = index["manifests"][0]
        manifest = Manifest(_blob(archive, descriptor["digest"]), descriptor["mediaType"])
        if manifest.is_index:
            (digest,) = platform_images(manifest).values()
            child = next(entry for entry in manifest.parsed()["manifests"] if entry["digest"] == digest)
            manifest = Manifest(_blob(archive, digest), child["mediaType"])
        content = manifest.parsed()
        config = _blob(archive, content["config"]["digest"])
    return image_content(manifest, config)


def image_content(manifest: Manifest, config: bytes) -> ImageContent:
    """Return what is compared of an image."""
    content = manifest.parsed()
    parsed = json.loads(config)
    return ImageContent(
        manifest.digest,
        parsed if isinstance(parsed, dict) else {},
        f"sha256:{hashlib.sha256(config).hexdigest()}",
        tuple(str(layer["digest"]) for layer in content["layers"]),
    )


def extract_layer(file: Path, digest: str, to: Path) -> Path:
    """Write a layer of a layout to a file and return it."""
    with tarfile.open(file) as archive:
        to.write_bytes(_blob(archive, digest, limit=None))
    return to


def _blob(archive: tarfile.TarFile, digest: str, limit: int | None = JSON_LIMIT) -> bytes:
    return _member(archive, f"blobs/{digest.replace(':', '/')}", limit)


def _member(archive: tarfile.TarFile, name: str, limit: int | None = JSON_LIMIT) -> bytes:
    stream = archive.extractfile(name)
    content = stream.read(-1 if limit is None else limit) if stream is not None else b""
    if not content:
        raise PermanentError(f"the image layout has no {name}", "Install a newer buildx.")
    return content


def differing_layers(theirs: ImageContent, ours: ImageContent) -> list[tuple[int, str, str]]:
    """Return the number and both digests of layers that differ, as far as both images have layers."""
    pairs = enumerate(zip(theirs.layers, ours.layers, strict=False), start=1)
    return [(number, there, here) for number, (there, here) in pairs if there != here]


def image_difference(theirs: ImageContent, ours: ImageContent) -> tuple[str, ...]:
    """Return how two images differ, a line for each difference; () where they are the same. Pure."""
    lines: list[str] = []
    if len(theirs.layers) != len(ours.layers):
        lines.append(f"{len(theirs.layers)} layers, rebuilt {len(ours.layers)}")
    commands = _commands(theirs.config.get("history") or [])
    for number, there, here in differing_layers(theirs, ours):
        command = f" ({commands[number - 1]})" if len(commands) == len(theirs.layers) else ""
        lines.append(f"layer {number}{command}: {there}, rebuilt {here}")
    lines += _config_lines(theirs.config, ours.config, "config")
    if not lines and theirs.config_digest != ours.config_digest:
        lines.append(f"config: {theirs.config_digest}, rebuilt {ours.config_digest}: the same values")
    return tuple(lines)


def _commands(history: Sequence[Any]) -> list[str]:
    return [
        one_line(str(entry.get("created_by")), CREATED_BY)
        for entry in history
        if isinstance(entry, dict) and not entry.get("empty_layer")
    ]


def _config_lines(theirs: Any, ours: Any, where: str) -> Iterator[str]:
    """Yield each value of an image's config that differs; the layers' digests in it are said already."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted(set(theirs) | set(ours) - {"rootfs"}):
            if name != "rootfs":
                yield from _config_lines(theirs.get(name), ours.get(name), f"{where}.{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, (there, here) in enumerate(zip(theirs, ours, strict=True)):
            yield from _config_lines(there, here, f"{where}[{number}]")
    elif theirs != ours:
        there, here = (one_line(repr(value), CREATED_BY) for value in (theirs, ours))
        yield f"{one_line(where)}: {there}, rebuilt {here}"
