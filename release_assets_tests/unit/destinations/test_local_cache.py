"""The folder of a local cache: an OCI layout of blobs that are reached, and of no others."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.local_cache import local_cache, reachable_blobs
from release_assets.destinations.registry import OCI_INDEX, OCI_MANIFEST

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def put(folder: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """Write a blob; its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / "sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def export(folder: Path, layer: bytes, *, as_manifest: bool = False) -> None:
    """Do what buildx does: blobs are added, and index.json points to the new ones."""
    blobs, config = [put(folder, layer, LAYER)], put(folder, b"{}", "application/vnd.buildkit.cacheconfig.v0")
    whole: Mapping[str, Any] = {"manifests": [*blobs, config]}
    if as_manifest:
        whole = {"layers": blobs, "config": config}
    top = put(folder, json.dumps(whole).encode(), OCI_MANIFEST if as_manifest else OCI_INDEX)
    (folder / "index.json").write_text(json.dumps({"manifests": [top]}))


def contents(folder: Path) -> set[bytes]:
    return {blob.read_bytes() for blob in folder.glob("blobs/sha256/*")}


@pytest.mark.parametrize("as_manifest", [False, True])
def test_only_the_last_exports_blobs_stay(tmp_path: Path, as_manifest: bool) -> None:
    folder = tmp_path / "amd64"
    for layer in (b"first", b"second"):
        with local_cache(folder, print):
            export(folder, layer, as_manifest=as_manifest)
            (folder / "ingest" / "cut short").mkdir(parents=True)
    assert b"second" in contents(folder)
    assert b"first" not in contents(folder)
    assert len(contents(folder)) == 3
    assert not (folder / "ingest").exists()


def test_a_build_that_fails_keeps_the_cache_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "amd64"
    with local_cache(folder, print):
        export(folder, b"first")
    with contextlib.suppress(RuntimeError), local_cache(folder, print):
        put(folder, b"half an export", LAYER)
        raise RuntimeError
    assert b"first" in contents(folder)
    assert b"half an export" not in contents(folder)


def remove_the_index(folder: Path) -> None:
    (folder / "index.json").unlink()


def empty_the_index(folder: Path) -> None:
    (folder / "index.json").write_text("")


def write_nonsense(folder: Path) -> None:
    (folder / "index.json").write_text('{"manifests": [5]}')


def lose_a_layer(folder: Path) -> None:
    next(blob for blob in folder.glob("blobs/sha256/*") if blob.read_bytes() == b"first").unlink()


@pytest.mark.parametrize("damage", [remove_the_index, empty_the_index, write_nonsense, lose_a_layer])
def test_a_broken_cache_is_thrown_away_with_a_word(tmp_path: Path, damage: Any) -> None:
    folder, said = tmp_path / "amd64", list[str]()
    with local_cache(folder, said.append):
        export(folder, b"first")
    assert said == []
    damage(folder)
    assert reachable_blobs(folder) is None
    with local_cache(folder, said.append):
        assert not folder.exists()
    assert f"the cache in {folder} is broken" in said[0]
