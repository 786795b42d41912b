"""image_<platform>: one platform's image, built by buildx and pushed under a tag of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from release_assets.assets.image_owner import refuse_foreign
from release_assets.assets.image_step import (
    PULL,
    compressed_size,
    docker_environment,
    image_registry,
    image_source,
    published_files,
    reason_for,
    wanted_labels,
)
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import buildx
from release_assets.destinations.attestations import (
    SBOM,
    BaseImage,
    attestations,
    base_images,
    provenance_statement,
)
from release_assets.destinations.git import Commit
from release_assets.destinations.registry import Manifest, Registry, Repository
from release_assets.errors import PermanentError, TransientError
from release_assets.image_tags import image_tag, platform_tag
from release_assets.links import commit_link
from release_assets.process import redact
from release_assets.project import Image, Project
from release_assets.release import shown_tags

BUILD_SECONDS = 3 * 3600.0
SILENT_SECONDS = 1800.0


def image_name(platform: str) -> str:
    """The asset's name: `image_linux_amd64` for linux/amd64."""
    return f"image_{platform.replace('/', '_')}"


def image(
    project: Project, image: Image, platform: str, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset `<project>/image_<platform>`."""

    @release_node(
        project,
        partitions,
        name=image_name(platform),
        deps=["version", "github_release"],
        kinds={"docker"},
        description=f"The image for {platform}, with the published wheel in reach as the context `dist`.",
    )
    def work(step: Step) -> Recorded:
        release = step.release
        registry = image_registry(step, image)
        tag = platform_tag(release.version, release.channel, platform)
        source = image_source(step)
        for pushed_tag in (tag, image_tag(release.version, release.channel)):
            refuse_foreign(step, registry, pushed_tag, source)
        with step.stage("observe"):
            before = registry.manifest(tag)
        with step.folder() as scratch, docker_environment(step, image) as env:
            with step.stage("checkout"):
                tags = (
                    shown_tags(step.tag, step.remote_tags, project.tags.patterns) if image.keep_git else None
                )
                step.mirror.checkout(
                    source.commit.sha, scratch / "source", step.output, tags=tags, whole=True
                )
            with step.stage("published_files"):
                dist = published_files(step, scratch)
            distributions = ", ".join(sorted(file.name for file in dist.iterdir()))
            result = buildx.build(
                _request(step, image, platform, registry.repository, tag, source.commit, scratch, dist),
                env,
                log=step.output,
                secrets=step.secrets,
                timeout=BUILD_SECONDS,
                silence=SILENT_SECONDS,
            )
        for warning in filter(None, (result.fallback, result.cache_warning)):
            step.context.log.warning(redact(warning, step.secrets))
        with step.stage("verify"):
            pushed = _verify(registry, tag, image, result)
        reference = registry.repository.reference
        step.say(f"{reference(tag)} is {result.digest}")
        return Recorded(
            # Not the pushed digest: its attestations hold times, so that it differs for the same image.
            data_version=result.runnable_digest,
            metadata={
                "image": reference(tag),
                "run": f"docker run --rm --platform {platform} {reference(result.digest)}",
                "digest": result.digest,
                "runnable_digest": result.runnable_digest,
                "previous_digest": before.digest if before else "none",
                "size_bytes": compressed_size(pushed.runnable),
                "platform": platform,
                "release_tag": image_tag(release.version, release.channel),
                "commit": commit_link(project, source.commit.sha),
                "source": source.description,
                "reason": reason_for(step.context.run.tags),
                "distributions": distributions or "none published",
                "base_images": table(
                    {"image": base.reference, "digest": base.digest} for base in pushed.bases
                )
                if pushed.bases
                else "none",
                "attestations": ", ".join(sorted(pushed.attached)) or "none",
                **_how_it_was_built(image, result),
            },
        )

    return work


def _request(
    step: Step,
    image: Image,
    platform: str,
    repository: Repository,
    tag: str,
    commit: Commit,
    scratch: Path,
    dist: Path,
) -> buildx.BuildRequest:
    """What buildx is asked for: the commit is checked out in `scratch`, the published files are in `dist`."""
    version, source = str(step.release.version), scratch / "source"
    return buildx.BuildRequest(
        repository=repository,
        tag=tag,
        platform=platform,
        context=source / image.context,
        dockerfile=source / image.dockerfile,
        build_args={name: value.replace("{version}", version) for name, value in image.build_args.items()},
        build_contexts={
            "dist": str(dist),
            **{
                name: where if "://" in where else str(source / where)
                for name, where in image.build_contexts.items()
            },
        },
        labels=wanted_labels(step, commit),
        cache=image.cache,
        cache_folder=step.image_cache,
        builder=image.builders.get(platform),
        source_date_epoch=commit.epoch,
        pull=step.context.run.tags.get(PULL) == "true",
        provenance=image.provenance,
        sbom_generator=image.sbom_generator,
        emulate_unreachable=image.emulate_unreachable,
        username_env=image.username_env,
        token_env=image.token_env,
    )


@dataclass(frozen=True)
class _Pushed:
    """What the registry has: the image's own manifest, its attestations, and what it was built from."""

    runnable: Manifest
    attached: Collection[str]
    bases: Sequence[BaseImage]


def _verify(registry: Registry, tag: str, image: Image, result: buildx.BuildResult) -> _Pushed:
    """Look whether the registry has what was pushed; raises a ReleaseError that names what it lacks."""
    reference = registry.repository.reference
    pushed, runnable = registry.manifest(tag), registry.manifest(result.runnable_digest)
    if pushed is None or pushed.digest != result.digest:
        raise TransientError(
            f"{reference(tag)} was pushed as {result.digest}, but the registry "
            f"answers {pushed.digest if pushed else 'not found'}",
            "Somebody else may push the same tag; find out who, then materialize again.",
        )
    if runnable is None:
        raise TransientError(
            f"the index {reference(result.digest)} was pushed, but the registry does not have its image "
            f"{result.runnable_digest}",
            "Materialize again; if it stays so, ask the registry's operators.",
        )
    attached = attestations(registry, pushed)
    if image.sbom_generator and SBOM not in attached:
        raise PermanentError(
            f"{image.sbom_generator} made no SBOM for {reference(result.digest)}",
            "The step's output has its words; it must follow BuildKit's SBOM generator protocol.",
        )
    statement = provenance_statement(registry, attached)
    # Without provenance there is what buildx said; it does not say the digests of named contexts.
    bases = result.from_images if statement is None else base_images(statement, [image.sbom_generator or ""])
    return _Pushed(runnable, attached, bases)


def _how_it_was_built(image: Image, result: buildx.BuildResult) -> dict[str, Any]:
    """The metadata about builder, cache and seconds: numbers, so that the UI plots them over releases."""
    metadata: dict[str, Any] = {
        "builder": result.builder,
        "emulated": result.emulated,
        "timestamps_rewritten": result.timestamps_rewritten,
        "cache": f"warning: {result.cache_warning}" if result.cache_warning else image.cache,
        **{f"seconds/{stage}": round(spent, 3) for stage, spent in result.seconds.items()},
    }
    if result.fallback:
        metadata["builder_fallback"] = result.fallback
    if result.cache_hit_rate is not None:
        metadata["cache_hit_rate"] = round(result.cache_hit_rate, 3)
    if result.steps:
        metadata["steps"] = table(
            {"step": built.name, "seconds": round(built.seconds, 3), "cached": built.cached}
            for built in result.steps
        )
    return metadata
