"""Judge a release by the stand-ins directly: what is lost, what is doubled, what leaked."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import requests
from packaging.version import Version

from release_assets.destinations.registry import MANIFESTS, Manifest, platform_images
from release_assets.rules.image_tags import floating_tags
from release_assets.rules.tags import Channel
from release_assets_tests.maintainer import Maintainer
from release_assets_tests.secret_forms import forms_of


def wrong_with(maintainer: Maintainer, version: str, built: Mapping[str, str]) -> list[str]:
    """All that is lost or doubled of a release, in words; `built` is the sha256 of each file built first."""
    wrong = []
    served = {name: file.sha256 for name, file in maintainer.served().items() if f"-{version}" in name}
    if len(served) != 2:
        wrong.append(f"lost: the index serves {sorted(served)}")
    for name, sha256 in built.items():
        if served.get(name) != sha256:
            wrong.append(f"lost: {name} was built first as {sha256}, the index serves {served.get(name)}")
    path = f"/repos/{maintainer.github_repository}/releases"
    releases = [r for r in maintainer.stands.github("GET", path) if r["tag_name"] == f"v{version}"]
    if len(releases) > 1:
        wrong.append(f"doubled: {len(releases)} GitHub releases, drafts included")
    whole = [r for r in releases if not r["draft"] and len(r["assets"]) == 3]
    if not whole:
        wrong.append("lost: no published GitHub release with its three assets")
    for release in whole:
        states = {asset["state"] for asset in release["assets"]}
        if states != {"uploaded"}:
            wrong.append(f"lost: assets in state {sorted(states)}")
    if "image" in maintainer.attributes:
        wrong += _wrong_with_images(maintainer, version)
    return wrong


def _wrong_with_images(maintainer: Maintainer, version: str) -> list[str]:
    wrong = []
    manifest = maintainer.registry.manifest(version)
    if manifest is None:
        return [f"lost: no manifest list {version}"]
    wrong += incomplete(maintainer, manifest)
    floating = {tag: maintainer.digest(tag) for tag in floating_tags(Version(version), Channel.STABLE)}
    wrong += [
        f"lost: {tag} is {digest}, not {version}'s {manifest.digest}"
        for tag, digest in floating.items()
        if digest != manifest.digest
    ]
    return wrong


def incomplete(maintainer: Maintainer, manifest: Manifest) -> list[str]:
    """Return what a manifest list lacks of the declared platforms, or has besides them."""
    images = platform_images(manifest) if manifest.is_index else {}
    declared = set(maintainer.attributes["image"].get("platforms", ["linux/amd64", "linux/arm64"]))
    wrong = [] if set(images) == declared else [f"lost: the manifest list has {sorted(images)}"]
    return wrong + [
        f"lost: the image {digest} for {platform} is not there"
        for platform, digest in images.items()
        if maintainer.registry.manifest(digest) is None
    ]


def count(wrong: Iterable[str], kind: str) -> int:
    """Return how many of the findings are of a kind: lost, doubled or leaked."""
    return sum(f"{kind}:" in finding for finding in wrong)


def _forms(secrets: Iterable[str]) -> dict[bytes, str]:
    """Every form of the secrets, each with the beginning that a finding may show."""
    return {form.encode(): secret[:4] for secret in secrets for form in forms_of(secret)}


def leaks(files: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """Return the files that hold a secret, packed or not."""
    forms = _forms(secrets)
    found = []
    for file in files:
        try:
            content = file.read_bytes()
        except OSError:
            continue  # gone meanwhile
        for text in (content, _unpacked(content)):
            found += [
                f"leaked: {file} holds the secret {start}…" for form, start in forms.items() if form in text
            ]
    return found


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return b""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return b""


def leaks_in_registry(maintainer: Maintainer, secrets: Iterable[str]) -> list[str]:
    """Return what of the secrets can be pulled: manifests, configs, layers, attestations, caches."""
    registry = maintainer.registry
    forms = _forms(secrets)
    found: list[str] = []
    seen: set[str] = set()
    todo = sorted(registry.tags())
    while todo:
        reference = todo.pop()
        manifest = registry.manifest(reference)
        if manifest is None or manifest.digest in seen:
            continue
        seen.add(manifest.digest)
        content = manifest.parsed()
        todo += [child["digest"] for child in content.get("manifests", []) if _is_manifest(child)]
        blobs = [*content.get("layers", []), *([content["config"]] if "config" in content else [])]
        blobs += [child for child in content.get("manifests", []) if not _is_manifest(child)]
        texts = [manifest.body, *(registry.blob(blob["digest"]) or b"" for blob in blobs)]
        for text in (*texts, *map(_unpacked, texts)):
            found += [
                f"leaked: {reference} holds the secret {start}…"
                for form, start in forms.items()
                if form in text
            ]
    return found


def _is_manifest(descriptor: Mapping[str, object]) -> bool:
    return descriptor.get("mediaType") in MANIFESTS


EVERYTHING = """
{ runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } eventConnection { events {
  __typename
  ... on MessageEvent { message }
  ... on MaterializationEvent { metadataEntries { ...entry } }
  ... on AssetCheckEvaluationEvent { evaluation { description metadataEntries { ...entry } } }
  ... on ExecutionStepFailureEvent {
    error { message stack causes { message stack } }
    failureMetadata { metadataEntries { ...entry } }
  }
} } } } } }
fragment entry on MetadataEntry {
  label description
  ... on TextMetadataEntry { text }
  ... on MarkdownMetadataEntry { mdStr }
  ... on UrlMetadataEntry { url }
  ... on JsonMetadataEntry { jsonString }
  ... on TableMetadataEntry { table { records } }
}
"""


def leaks_in_graphql(url: str, secrets: Iterable[str]) -> list[str]:
    """Return what of the secrets Dagster's webserver tells anybody who asks for all runs and their events."""
    answer = requests.post(f"{url}/graphql", json={"query": EVERYTHING}, timeout=120)
    answer.raise_for_status()
    if "errors" in answer.json() or "MaterializationEvent" not in answer.text:
        return [f"the question was wrong: {answer.text[:500]}"]
    forms = _forms(secrets)
    return [
        f"leaked: GraphQL tells the secret {start}…"
        for form, start in forms.items()
        if form in answer.content
    ]
