"""The checks of image_<platform>: it starts, says what it is, and has not grown or slowed down much."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
from packaging.version import InvalidVersion, Version

from release_assets.assets.image import image_name
from release_assets.assets.image_step import (
    compressed_size,
    docker_environment,
    image_registry,
    image_source,
    published_images,
    wanted_labels,
)
from release_assets.assets.step import Step
from release_assets.checks.release_check import Declared, Found, release_checks
from release_assets.destinations import buildx
from release_assets.destinations.container import run_once
from release_assets.destinations.registry import Manifest, Registry, platform_images
from release_assets.errors import PermanentError, TransientError
from release_assets.image_tags import platform_tag
from release_assets.process import CommandFailedError
from release_assets.project import Image, Project

SLOW_SECONDS = 15 * 60.0
LOW_HIT_RATE = 0.5
INSTALLED = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def image_checks(
    project: Project, image: Image, platform: str, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetChecksDefinition:
    """The checks of `<project>/image_<platform>`."""
    declared = [
        Declared("starts", f"It starts on {platform} and reports the version.", blocks=True),
        Declared("labels", "Its labels say version, commit, source, time and licence.", blocks=True),
        Declared("size", "It is not much larger than the previous release's.", blocks=False),
        Declared("build_time", "It was built within 15 minutes.", blocks=False),
        Declared("cache_hit_rate", "Half of its steps came from the cache.", blocks=False),
    ]

    @release_checks(project, partitions, image_name(platform), declared)
    def look(step: Step) -> Mapping[str, Found]:
        registry = image_registry(step, image)
        tag = platform_tag(step.release.version, step.release.channel, platform)
        pushed = registry.manifest(tag)
        if pushed is None:
            raise PermanentError(
                f"{registry.repository.reference(tag)} is not in the registry",
                f"Materialize {project.project}/{image_name(platform)} for this partition first.",
            )
        runnable = _runnable(registry, pushed)
        reference = registry.repository.reference
        built = _recorded(step, platform)
        has_cache = image.cache != "none" and _was_built_before(step, platform)
        return {
            "starts": _starts(step, image, reference(pushed.digest), platform),
            "labels": _labels(step, registry, reference(tag), runnable),
            "size": _size(step, image, registry, platform, compressed_size(runnable)),
            "build_time": build_time(built.get("seconds/total")),
            "cache_hit_rate": cache_hit_rate(built.get("cache_hit_rate"), has_cache=has_cache),
        }

    return look


def _runnable(registry: Registry, pushed: Manifest) -> Manifest:
    """The image itself, where what was pushed is an index with its attestations."""
    if not pushed.is_index:
        return pushed
    (digest,) = platform_images(pushed).values()
    found = registry.manifest(digest)
    if found is None:
        raise TransientError(
            f"the registry lists {digest}, but does not have it", "Materialize the image again."
        )
    return found


def _labels(step: Step, registry: Registry, reference: str, runnable: Manifest) -> Found:
    blob = registry.blob(runnable.parsed()["config"]["digest"])
    there = (json.loads(blob or b"{}").get("config") or {}).get("Labels") or {}
    wanted = wanted_labels(step, image_source(step).commit)
    wrong = {name: there.get(name) for name, value in wanted.items() if there.get(name) != value}
    if wrong:
        said = "; ".join(f"{name} is {value!r}, not {wanted[name]!r}" for name, value in wrong.items())
        return Found("error", f"{reference}: {said}. Materialize the image again.", dict(wanted))
    return Found("ok", f"{reference} says what it is", dict(wanted))


def _size(step: Step, image: Image, registry: Registry, platform: str, size: int) -> Found:
    release = step.release
    earlier = [
        version
        for version in published_images(step, step.remote_tags, registry.tags())
        if version < release.version
    ]
    before = None
    if earlier:
        former = registry.manifest(platform_tag(max(earlier), release.channel, platform))
        before = compressed_size(_runnable(registry, former)) if former is not None else None
    if before is None:
        return Found("ok", f"{size} bytes; there is no image before it", {"size_bytes": size})
    growth = size / before - 1
    metadata = {"size_bytes": size, "previous_size_bytes": before, "growth": round(growth, 3)}
    words = f"{size} bytes, {growth:+.0%} against {max(earlier)}"
    if growth > image.warn_growth:
        return Found("warning",
            f"{words}: `docker history` of both shows what grew (warn_growth: {image.warn_growth:.0%})",
            metadata,
        )  # fmt: skip
    return Found("ok", words, metadata)


def _recorded(step: Step, platform: str) -> Mapping[str, Any]:
    """What the image's build recorded for this release; whoever built elsewhere recorded nothing."""
    records = step.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=_key(step, platform), asset_partitions=[step.context.partition_key]),
        limit=1,
    ).records
    recorded = records[0].asset_materialization if records else None
    return {name: value.value for name, value in recorded.metadata.items()} if recorded else {}


def _was_built_before(step: Step, platform: str) -> bool:
    """Whether an earlier build, of this or another release, can have left a cache."""
    return len(step.context.instance.fetch_materializations(_key(step, platform), limit=2).records) > 1


def _key(step: Step, platform: str) -> dg.AssetKey:
    return dg.AssetKey([step.project.project, image_name(platform)])


def build_time(seconds: float | None) -> Found:
    """Whether the build took longer than users of a release wait."""
    if seconds is None:
        return Found("ok", "this Dagster did not build it")
    words = f"built in {seconds:.0f} s"
    if seconds > SLOW_SECONDS:
        return Found("warning",
            f"{words}, more than {SLOW_SECONDS:.0f}: the image's table of steps shows where; a native "
            "builder (builders:) is the cure for a slow foreign platform", {"seconds": seconds},
        )  # fmt: skip
    return Found("ok", words, {"seconds": seconds})


def cache_hit_rate(rate: float | None, *, has_cache: bool) -> Found:
    """Whether the cache did its work, where there was one; a Dockerfile without steps needs none."""
    if rate is None:
        return Found("ok", "no step could come from the cache")
    words = f"{rate:.0%} of the steps came from the cache"
    if rate < LOW_HIT_RATE and has_cache:
        return Found("warning",
            f"{words}: copy what changes often (the code, the version) late in the Dockerfile",
            {"cache_hit_rate": rate},
        )  # fmt: skip
    return Found("ok", words, {"cache_hit_rate": rate})


def reports_version(output: str, version: Version) -> bool:
    """Whether a program's output holds the version, in any spelling of PEP 440's, as `tool v1.2.0` does."""
    for word in re.split(r"[^\w.!+-]+", output):
        try:
            if Version(word.strip(".-!+")) == version:
                return True
        except InvalidVersion:
            continue
    return False


def _starts(step: Step, image: Image, reference: str, platform: str) -> Found:
    configured = image.version_command
    command = configured or ["python", "-c", INSTALLED, step.package_name]
    version = step.release.version
    with docker_environment(step, image) as env:
        try:
            engine, _ = buildx.choose_engine(
                image.builders.get(platform), env, emulate_unreachable=image.emulate_unreachable
            )
            output = run_once(
                engine.docker, env, reference, platform, command, log=step.output, secrets=step.secrets
            )
        except CommandFailedError as error:
            said = f"{error.reason}: {' '.join(error.tail[-5:])}" if error.tail else error.reason
            words = f"{' '.join(command)} in {reference} on {platform} {said}"
        else:
            if reports_version(output, version):
                return Found("ok", f"{reference} starts on {platform} and reports {version}")
            said = f"does not report {version}: {output[-300:]}"
            words = f"{' '.join(command)} in {reference} on {platform} {said}"
    if configured is None:
        return Found("warning",
            f"{words}\nSay which command prints the version (version_command in defs.yaml), and this becomes "
            "an error.",
        )  # fmt: skip
    return Found("error",
        f"{words}\nNeither manifest list nor floating tag moves to it: correct the Dockerfile and push its "
        "commit as a rebuild tag.",
    )  # fmt: skip
