"""image_<platform>: one platform's image, built by buildx and pushed under a tag of its own."""

from __future__ import annotations

import dagster as dg

from release_assets.assets.image_owner import refuse_foreign
from release_assets.assets.image_step import (
    docker_environment,
    image_registry,
    image_source,
    published_files,
)
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import buildx
from release_assets.errors import TransientError
from release_assets.image_tags import image_tag, platform_tag
from release_assets.links import commit_link
from release_assets.project import Image, Project

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
        with step.folder() as scratch, docker_environment(step, image) as env:
            with step.stage("checkout"):
                step.mirror.checkout(source.commit.sha, scratch / "source", step.output)
            with step.stage("published_files"):
                dist = published_files(step, scratch)
            distributions = ", ".join(sorted(file.name for file in dist.iterdir()))
            result = buildx.build(
                buildx.BuildRequest(
                    repository=registry.repository,
                    tag=tag,
                    platform=platform,
                    context=scratch / "source" / image.context,
                    dockerfile=scratch / "source" / image.dockerfile,
                    build_args={
                        name: value.replace("{version}", str(release.version))
                        for name, value in image.build_args.items()
                    },
                    build_contexts={
                        "dist": str(dist),
                        **{
                            name: where if "://" in where else str(scratch / "source" / where)
                            for name, where in image.build_contexts.items()
                        },
                    },
                    labels={
                        "org.opencontainers.image.version": str(release.version),
                        "org.opencontainers.image.revision": source.commit.sha,
                        "org.opencontainers.image.source": project.repository,
                        "org.opencontainers.image.created": source.commit.committed_at.isoformat(),
                    },
                    cache=image.cache,
                    cache_folder=step.image_cache,
                    builder=image.builders.get(platform),
                    source_date_epoch=source.commit.epoch,
                    username_env=image.username_env,
                    token_env=image.token_env,
                ),
                env,
                log=step.output,
                secrets=step.secrets,
                timeout=BUILD_SECONDS,
                silence=SILENT_SECONDS,
            )
        with step.stage("verify"):
            pushed = registry.manifest(tag)
        if pushed is None or pushed.digest != result.digest:
            raise TransientError(
                f"{registry.repository.reference(tag)} was pushed as {result.digest}, but the registry "
                f"answers {pushed.digest if pushed else 'not found'}",
                "Somebody else may push the same tag; find out who, then materialize again.",
            )
        step.say(f"{registry.repository.reference(tag)} is {result.digest}")
        metadata = {
            "image": registry.repository.reference(tag),
            "run": f"docker run --rm --platform {platform} {registry.repository.reference(result.digest)}",
            "digest": result.digest,
            "runnable_digest": result.runnable_digest,
            "platform": platform,
            "release_tag": image_tag(release.version, release.channel),
            "commit": commit_link(project, source.commit.sha),
            "source": source.description,
            "distributions": distributions or "none published",
            **{f"seconds/{stage}": round(spent, 3) for stage, spent in result.seconds.items()},
        }
        if result.cache_hit_rate is not None:
            metadata["cache_hit_rate"] = round(result.cache_hit_rate, 3)
        if result.steps:
            metadata["steps"] = table(
                {"step": built.name, "seconds": round(built.seconds, 3), "cached": built.cached}
                for built in result.steps
            )
        # Not the pushed digest: its attestations hold times, so that it differs for the same image.
        return Recorded(data_version=result.runnable_digest, metadata=metadata)

    return work
