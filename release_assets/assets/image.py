"""image_<platform>: one platform's image, built by buildx and pushed under a tag of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from release_assets.checks import image as checks
from release_assets.checks.audit import AS_RECORDED, BASE_IMAGE, DRIFT, FRESH
from release_assets.destinations import buildx
from release_assets.destinations.container import EngineImage, remove_others
from release_assets.destinations.links import commit_link
from release_assets.destinations.registry import Manifest, Registry, platform_images
from release_assets.nodes.alongside import alongside
from release_assets.nodes.approval import require_approval_of_images
from release_assets.nodes.image_ahead import with_begun
from release_assets.nodes.image_places import look_at_places, not_pushed, usable_places
from release_assets.nodes.image_request import build_request
from release_assets.nodes.image_step import (
    PULL,
    build_secrets,
    compressed_size,
    docker_environment,
    image_name,
    image_source,
    published_files,
    reason_for,
    registry_link,
    wanted_labels,
)
from release_assets.nodes.metadata import described, table
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.pushed_image import verify_pushed
from release_assets.nodes.step import Step
from release_assets.project import Image, Project
from release_assets.rules.image_tags import image_tag, platform_suffix, platform_tag, tagged_versions
from release_assets.rules.tags import shown_tags
from release_assets.text import redact

BUILD_SECONDS = 3 * 3600.0
SILENT_SECONDS = 1800.0
EXPORTING = "exporting to image"  # BuildKit's name for what comes after the last command
FORMER_RELEASES = 3  # that are looked at for an image to compare the size with


def image_node(project: Project, image: Image, platform: str) -> Node:
    """Declare `<project>/image_<platform>`."""
    return Node(
        work=partial(platform_image, image=image, platform=platform),
        name=image_name(platform),
        deps=["version", "github_release", *project.gates],
        half="images",
        kinds={"docker"},
        description=described(
            f"Builds the image for {platform}, pushes it under a tag of its own, starts it once and compares "
            "its labels. The published wheel is in reach of the Dockerfile as the build context `dist`.",
            needs=[
                "docker with buildx",
                *(f"{place.username_env} and {place.token_env}" for place in image.places),
                *image.secrets.values(),
            ],
            again="what does not change comes from the build cache, and an image of another commit is never "
            "overwritten without a rebuild tag.",
        ),
        source=image.dockerfile,
        pool=image.pool,
        checks=[*checks.image_checks(platform), DRIFT, BASE_IMAGE],
    )


def platform_image(step: Step, image: Image, platform: str) -> Recorded:
    """Build the image of one platform, push it, start it once, and compare it with what was requested."""
    require_approval_of_images(step)
    with step.folder() as scratch, docker_environment(step, image, image.places[1:]) as env:
        return _image(step, image, platform, scratch, env)


def _image(step: Step, image: Image, platform: str, scratch: Path, env: Mapping[str, str]) -> Recorded:
    """Build the image, look whether it is what was asked for, and record both."""
    # The engine, the registry and the repository are looked at side by side.
    engine_look = alongside(
        buildx.choose_engine,
        image.builders.get(platform),
        env,
        emulate_unreachable=image.emulate_unreachable,
    )
    release = step.release
    tag, whole_tag = (
        platform_tag(release.version, release.channel, platform),
        image_tag(release.version, release.channel),
    )
    secrets = build_secrets(step, image)
    place_looks = look_at_places(step, image, (tag, whole_tag))
    source = image_source(step)
    labels = wanted_labels(step, source.commit)
    with step.stage("observe"):
        places, left_out = usable_places(step, place_looks, source)
    former_look = alongside(_former, places[0].registry, step, platform, step.remote_tags)
    with step.stage("checkout"):
        tags = shown_tags(step.tag, step.remote_tags, step.project.tags.patterns) if image.keep_git else None
        step.mirror.checkout(source.commit.sha, scratch / "source", step.output, tags=tags, whole=True)
    with step.stage("published_files"):
        dist = published_files(step, scratch, platform)
    distributions = ", ".join(sorted(file.name for file in dist.iterdir()))
    with step.stage("engine"):
        engine, fallback = engine_look.result()
    pull = step.context.run.tags.get(PULL) == "true"
    request = build_request(
        step,
        image,
        platform,
        source.commit,
        labels,
        scratch,
        dist,
        pull=pull,
        places=[place.image for place in places],
        secrets=secrets,
    )
    named = " and ".join(one.reference(tag) for one in request.repositories)
    step.say(f"building {named}; each line of the build is in this step's stdout")
    with step.stage("buildx"):
        result, repository, refused = buildx.pushed_somewhere(
            request,
            partial(
                buildx.build,
                engine=engine,
                env=env,
                log=_announced(step),
                secrets=step.secrets,
                timeout=BUILD_SECONDS,
                silence=SILENT_SECONDS,
            ),
            step.output,
        )
    pushed_to = dict(zip(request.repositories, places, strict=True))
    for one, error in refused.items():
        step.context.log.warning(redact(f"{one.host}/{one.name}: {error.problem}", step.secrets))
        left_out[pushed_to[one].image.repository] = error
    used = pushed_to[repository]
    registry, before = used.registry, used.owners[tag]
    reference = registry.repository.reference
    result = replace(result, steps=with_begun(step, platform, source.commit.sha, result.steps))
    built_seconds = time.monotonic() - step.started
    step.say(f"exported and pushed {reference(tag)} {built_seconds:.0f} s after the start; now it is tried")
    for warning in filter(None, (fallback, result.cache_warning)):
        step.context.log.warning(redact(warning, step.secrets))
    # Whether it starts is tried while the registry is asked for what was pushed.
    pushed_look = alongside(verify_pushed, registry, tag, image, result)
    local = EngineImage(engine.docker, env, registry.repository, tag, result.digest, platform, result.is_kept)
    cleaned = [
        alongside(
            remove_others,
            replace(local, repository=place.registry.repository),
            platform_suffix(platform),
            secrets=step.secrets,
        )
        for place in places
    ]
    with step.stage("starts"):
        starts = checks.starts(
            local,
            release.version,
            step.package_name,
            image.version_command,
            log=step.output,
            secrets=step.secrets,
        )
    with step.stage("verify"):
        pushed = pushed_look.result()
        for look in cleaned:
            look.result()
    size = compressed_size(pushed.runnable)
    now = checks.BuiltBefore(
        steps=[built.name for built in result.steps],
        bases={base.reference: base.digest for base in pushed.bases},
        builder=result.builder,
        cache_was_kept=False,  # that matters to the build after it
    )
    step.say(f"{reference(tag)} is {result.digest}")
    return Recorded(
        # Not the pushed digest: its attestations hold times, so that it differs for the same image.
        data_version=result.runnable_digest,
        metadata={
            **registry_link(used.image, step.project, tag),
            "image": reference(tag),
            **not_pushed(left_out),
            "run": f"docker run --rm --platform {platform} {reference(tag)}",
            "digest": result.digest,
            "runnable_digest": result.runnable_digest,
            "previous_digest": before.manifest.digest if before else "none",
            "size_bytes": size,
            "platform": platform,
            "release_tag": whole_tag,
            "commit": commit_link(step.project, source.commit.sha),
            "source": source.description,
            "reason": reason_for(step.context.run.tags),
            "distributions": distributions or "none published",
            "base_images": table({"image": base.reference, "digest": base.digest} for base in pushed.bases)
            if pushed.bases
            else "none",
            "attestations": ", ".join(sorted(pushed.attached)) or "none",
            **_how_it_was_built(request, result, fallback),
        },
        checks={
            DRIFT.name: AS_RECORDED,
            BASE_IMAGE.name: FRESH,
            "starts": starts,
            "labels": checks.labels(reference(tag), pushed.config, labels),
            "size": checks.size(size, former_look.result(), image.warn_growth),
            "build_time": checks.build_time(built_seconds, image.warn_build_minutes),
            "cache_hit_rate": checks.cache_hit_rate(
                {built.name: built.cached for built in result.steps},
                checks.steps_that_could_hit(now, _built_before(step, request, platform)),
                image.warn_cache_hits,
            ),
        },
    )


def _announced(step: Step) -> Callable[[str], None]:
    """Return where a build's lines go: to the step's output, and the end of its commands to the event log."""

    def line(text: str) -> None:
        step.output(text)
        if text == EXPORTING:
            seconds = time.monotonic() - step.started
            step.say(f"built {seconds:.0f} s after the start; exporting and pushing the layers")

    return line


def _former(registry: Registry, step: Step, platform: str, git_tags: Collection[str]) -> checks.Former | None:
    """Return the image of the release before; None where the last few have none."""
    release = step.release
    tagged = tagged_versions(release, git_tags, step.project.tags.patterns)
    earlier = (version for version in tagged if version < release.version)
    for version in sorted(earlier, reverse=True)[:FORMER_RELEASES]:
        tag = platform_tag(version, release.channel, platform)
        if (there := registry.manifest(tag)) and (runnable := _runnable(registry, there)):
            return checks.Former(version, compressed_size(runnable))
    return None


def _runnable(registry: Registry, pushed: Manifest) -> Manifest | None:
    """Return the image itself where an index with its attestations was pushed; None where it is gone."""
    if not pushed.is_index:
        return pushed
    digests = list(platform_images(pushed).values())
    return registry.manifest(digests[0]) if len(digests) == 1 else None


def _built_before(step: Step, request: buildx.BuildRequest, platform: str) -> checks.BuiltBefore | None:
    """Return the record of the build before, which can have left a cache; None where it cannot have."""
    if request.used_cache == "none":
        return None
    key = dg.AssetKey([step.project.project, image_name(platform)])
    for record in step.context.instance.fetch_materializations(key, limit=1).records:
        if record.asset_materialization is not None:
            return checks.built_before(record.asset_materialization.metadata)
    return None


def _how_it_was_built(
    request: buildx.BuildRequest, result: buildx.BuildResult, fallback: str | None
) -> dict[str, Any]:
    """Return the metadata about builder, cache and seconds: numbers, which the UI plots over releases."""
    metadata: dict[str, Any] = {
        "builder": result.builder,
        "emulated": result.emulated,
        "timestamps_rewritten": result.timestamps_rewritten,
        "cache": f"warning: {result.cache_warning}" if result.cache_warning else request.used_cache,
        **{f"seconds/{stage}": round(spent, 3) for stage, spent in result.seconds.items()},
    }
    if fallback:
        metadata["builder_fallback"] = fallback
    if result.cache_hit_rate is not None:
        metadata["cache_hit_rate"] = round(result.cache_hit_rate, 3)
    if result.steps:
        metadata["steps"] = table(
            {"step": built.name, "seconds": round(built.seconds, 3), "cached": built.cached}
            for built in result.steps
        )
    return metadata
