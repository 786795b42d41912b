"""The folder of `cache: local`, an OCI image layout that buildx writes to: one build at a time, no old blobs.

buildx adds what a build made and points index.json to it; what the builds before it left is never removed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from release_assets.destinations import bounds
from release_assets.destinations.registry import MANIFESTS


@contextlib.contextmanager
def local_cache(folder: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache in `folder` for a build; afterwards it has the last export's blobs and no others."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"waiting for another build, which uses the cache in {folder}")
        lock.acquire(timeout=bounds.BOUNDS.cache_lock_seconds)
    try:
        if folder.exists() and reachable_blobs(folder) is None:
            # buildx would fail over it, again and again.
            log(f"warning: the cache in {folder} is broken, probably by a full disk: starting with none")
            shutil.rmtree(folder)
        yield
    finally:
        _prune(folder)
        lock.release()


def reachable_blobs(folder: Path) -> set[Path] | None:
    """Return the blobs that index.json leads to; None where it is not a whole OCI layout."""
    found: set[Path] = set()
    manifests = [folder / "index.json"]
    try:
        while manifests:
            content = json.loads(manifests.pop().read_text())
            config = [content["config"]] if "config" in content else []
            for descriptor in [*content.get("manifests", []), *content.get("layers", []), *config]:
                algorithm, _, digest = descriptor["digest"].partition(":")
                blob = folder / "blobs" / algorithm / digest
                if not blob.is_file():
                    return None
                if blob not in found and descriptor["mediaType"] in MANIFESTS:
                    manifests.append(blob)
                found.add(blob)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return found


def _prune(folder: Path) -> None:
    """Remove what index.json does not lead to, and what an export that was cut short left behind."""
    reachable = reachable_blobs(folder)
    if reachable is None:
        return
    shutil.rmtree(folder / "ingest", ignore_errors=True)
    for blob in folder.glob("blobs/*/*"):
        if blob not in reachable:
            blob.unlink(missing_ok=True)
