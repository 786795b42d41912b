"""Copy an image from one repository to another, byte for byte: the digest is the same in both.

A layer goes through a temporary file, so that its digest is compared before it is uploaded, and an upload is
sent again after a challenge. What the other repository has is not sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from release_assets.destinations.http import AGAIN
from release_assets.destinations.registry.client import Registry
from release_assets.destinations.registry.manifest import Manifest, children_of, is_digest
from release_assets.errors import TransientError
from release_assets.text import size_text


@dataclass(frozen=True)
class _Blob:
    digest: str
    size: int


def copy_image(source: Registry, target: Registry, image: Manifest, log: Callable[[str], None]) -> None:
    """Copy an image, or an index with all that it lists; in `target` it has its digest, and no tag yet.

    Raises a ReleaseError of the registry that fails.
    """
    if target.manifest(image.digest) is not None:
        return
    if image.is_index:
        for digest in children_of(image):
            child = source.manifest(digest)
            if child is None:
                raise TransientError(
                    f"{source.repository.reference(image.digest)} lists {digest}, which the registry lacks",
                    AGAIN,
                )
            copy_image(source, target, child, log)
    else:
        for blob in _blobs(image):
            _copy_blob(source, target, blob, log)
    target.put_manifest(image.digest, image)


def _copy_blob(source: Registry, target: Registry, blob: _Blob, log: Callable[[str], None]) -> None:
    if target.has_blob(blob.digest):
        return
    with tempfile.TemporaryFile() as file:
        source.fetch_blob(blob.digest, blob.size, file)
        target.put_blob(blob.digest, blob.size, file)
    log(f"copied {blob.digest} ({size_text(blob.size)}) to {target.repository.host}/{target.repository.name}")


def _blobs(image: Manifest) -> Iterator[_Blob]:
    """Yield the config and the layers, each once. Raises TransientError for a manifest without sense."""
    content = image.parsed()
    layers = content.get("layers")
    found: dict[str, _Blob] = {}
    for entry in [content.get("config"), *(layers if isinstance(layers, list) else [None])]:
        blob = _blob(entry)
        if blob is None:
            raise TransientError(f"the manifest {image.digest} is not a list of layers", AGAIN)
        # What may not be distributed stays where it is: Windows's base layers.
        if not entry.get("urls"):
            found.setdefault(blob.digest, blob)
    yield from found.values()


def _blob(entry: Any) -> _Blob | None:
    if not isinstance(entry, dict) or not is_digest(entry.get("digest")):
        return None
    size = entry.get("size")
    return _Blob(entry["digest"], size) if isinstance(size, int) and size >= 0 else None
