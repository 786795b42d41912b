"""Build a release's images again from its tag, and compare them with those in the registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from release_assets.destinations import buildx
from release_assets.destinations.attestations import (
    BaseImage,
    attestations,
    base_images,
    provenance_statement,
)
from release_assets.destinations.registry import Manifest, Registry, platform_images
from release_assets.errors import PermanentError, ReleaseError
from release_assets.nodes.image_request import build_request
from release_assets.nodes.image_step import build_secrets, image_source, published_files, wanted_labels
from release_assets.nodes.step import Step
from release_assets.project import Image
from release_assets.rules.image_tags import platform_tag
from release_assets.rules.tags import shown_tags
from release_assets.verification.archives import archive_difference
from release_assets.verification.downloads import Log
from release_assets.verification.finding import Finding, Verdict
from release_assets.verification.layout import (
    ImageContent,
    differing_layers,
    extract_layer,
    image_content,
    image_difference,
    read_layout,
)
from release_assets.verification.rebuild import REBUILT

BUILD_SECONDS = 3 * 3600.0
COMPARED_LAYERS = 5  # whose members are compared: each is downloaded


def rebuild_images(
    step: Step, image: Image, registry: Registry, env: Mapping[str, str], log: Log
) -> Iterator[Finding]:
    """Yield how each platform's image compares with one that is built here.

    Without `reproducible: true` no two builds are the same, and nothing is built.
    """
    for platform in image.platforms:
        tag = platform_tag(step.release.version, step.release.channel, platform)
        if not image.reproducible:
            words = "the project does not declare `reproducible: true`, so no two builds are the same"
            yield Finding(REBUILT, f"image {tag}", Verdict.UNCHECKED, words)
            continue
        log(f"building the image for {platform}")
        try:
            yield _rebuilt(step, image, platform, tag, registry, env)
        except ReleaseError as error:
            yield Finding(REBUILT, f"image {tag}", Verdict.UNCHECKED, error.problem, (error.remedy,))


def pinned_bases(bases: Sequence[BaseImage], contexts: Mapping[str, str]) -> dict[str, str]:
    """Return build contexts that hold each base image at the digest that the published image was built from.

    A tag such as python:3.12-slim has moved since. Images behind the project's own contexts are pinned there.
    """
    pinned: dict[str, str] = {}
    for base in bases:
        exact = f"docker-image://{re.sub(r'@.*', '', base.reference)}@{base.digest}"
        behind = [name for name, where in contexts.items() if where == f"docker-image://{base.reference}"]
        pinned |= dict.fromkeys(behind or [base.reference], exact)
    return pinned


def _rebuilt(
    step: Step, image: Image, platform: str, tag: str, registry: Registry, env: Mapping[str, str]
) -> Finding:
    pushed = registry.manifest(tag)
    if pushed is None:
        return Finding(REBUILT, f"image {tag}", Verdict.FAILED, f"{image.repository} has no tag {tag}")
    bases: list[BaseImage] = []
    if pushed.is_index:
        statement = provenance_statement(registry, attestations(registry, pushed))
        bases = base_images(statement or {}, [image.sbom_generator] if image.sbom_generator else [])
    theirs = _content(registry, pushed)
    source = image_source(step)
    with step.folder() as scratch:
        tags = shown_tags(step.tag, step.remote_tags, step.project.tags.patterns) if image.keep_git else None
        step.mirror.checkout(source.commit.sha, scratch / "source", step.output, tags=tags, whole=True)
        dist = published_files(step, scratch, platform)
        labels = wanted_labels(step, source.commit)
        request = build_request(
            step,
            image,
            platform,
            source.commit,
            labels,
            scratch,
            dist,
            pull=False,
            secrets=build_secrets(step, image),
        )
        contexts = {**request.build_contexts, **pinned_bases(bases, request.build_contexts)}
        request = replace(request, builder=None, build_contexts=contexts)
        layout = scratch / "image.tar"
        buildx.try_build(
            request, env, log=step.output, secrets=step.secrets, timeout=BUILD_SECONDS, layout=layout
        )
        ours = read_layout(layout)
        lines = image_difference(theirs, ours)
        if lines:
            lines += tuple(_members(theirs, ours, registry, layout, scratch))
    if theirs.digest == ours.digest:
        return Finding(REBUILT, f"image {tag}", Verdict.OK, f"building the tag again makes {ours.digest}")
    if not lines:
        words = f"the same config and layers; the manifest is {theirs.digest}, rebuilt {ours.digest}"
        return Finding(REBUILT, f"image {tag}", Verdict.NOTED, words)
    words = f"building the tag again makes another image: {theirs.digest}, rebuilt {ours.digest}"
    return Finding(REBUILT, f"image {tag}", Verdict.FAILED, words, lines)


def _content(registry: Registry, pushed: Manifest) -> ImageContent:
    """Return a platform's image as the registry has it. Raises PermanentError where parts are missing."""
    manifest: Manifest | None = pushed
    if pushed.is_index:
        (digest, *_) = [*platform_images(pushed).values(), ""]
        manifest = registry.manifest(digest) if digest else None
    config = registry.blob(str(manifest.parsed()["config"]["digest"])) if manifest is not None else None
    if manifest is None or config is None:
        raise PermanentError(f"{pushed.digest} has no image or no config", "Rebuild the image.")
    return image_content(manifest, config)


def _members(
    theirs: ImageContent, ours: ImageContent, registry: Registry, layout: Path, scratch: Path
) -> Iterator[str]:
    """Yield which members of differing layers differ, as far as the layers are small enough to be read."""
    for number, there, here in differing_layers(theirs, ours)[:COMPARED_LAYERS]:
        published, rebuilt = scratch / f"{number}-published.tar.gz", scratch / f"{number}-rebuilt.tar.gz"
        try:
            published.write_bytes(registry.blob(there) or b"")
            found = archive_difference(published, extract_layer(layout, here, rebuilt))
        except ReleaseError as error:
            yield f"layer {number} was not compared: {error.problem}"
            continue
        yield from (f"layer {number}: {line}" for line in found.lines)
