"""The checks of image_<platform>: it starts, says what it is, and has not grown or slowed down much."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from release_assets.destinations.container import EngineImage, run_once
from release_assets.nodes.metadata import rows_of
from release_assets.nodes.release_check import Declared, Found
from release_assets.process import CommandFailedError
from release_assets.text import size_text

# Prints the version of a package that is installed in the image. The name of a folder tells it in half of the
# time that importlib.metadata takes to be imported, which is 1.5 s under QEMU.
NOT_INSTALLED = 3  # the exit status
INSTALLED = f"""\
import os, sys
for folder in filter(os.path.isdir, sys.path):
    for name in os.listdir(folder):
        project, _, version = name.partition("-")
        if name.endswith(".dist-info") and project.lower().replace(".", "_") == sys.argv[1]:
            sys.exit(print(version.removesuffix(".dist-info")))
from importlib.metadata import PackageNotFoundError, version
try:
    print(version(sys.argv[1]))
except PackageNotFoundError:
    sys.exit({NOT_INSTALLED})
"""


def image_checks(platform: str) -> list[Declared]:
    """Return the checks of one platform's image."""
    return [
        Declared("starts", f"It starts on {platform} and reports the version.", blocks=True),
        Declared("labels", "Its labels say version, commit, source, time and license.", blocks=True),
        Declared("size", "It is not much larger than the previous release's (warn_growth).", blocks=False),
        Declared("build_time", "It was not built for too long (warn_build_minutes).", blocks=False),
        Declared(
            "cache_hit_rate",
            "The cache was used where it could be (warn_cache_hits).",
            blocks=False,
        ),
    ]


def starts(
    image: EngineImage,
    version: Version,
    package: str,
    version_command: Sequence[str] | None,
    *,
    log: Callable[[str], None],
    secrets: Sequence[str],
) -> Found:
    """Start the image, and judge whether it reports the version.

    Without a `version_command` Python is asked for the installed package: an image without Python is only
    warned of, one whose Python does not have this version of the package is an error.
    Raises TransientError where the engine or the registry fails.
    """
    where = f"{image.reference} on {image.platform}"
    ask = version_command or ["python", "-c", INSTALLED, re.sub(r"[-_.]+", "_", package).lower()]
    shown = " ".join(version_command) if version_command else f"the Python in it, asked for {package},"
    try:
        output = run_once(image, ask, log=log, secrets=secrets)
    except CommandFailedError as error:
        if version_command is None and error.returncode == NOT_INSTALLED:
            return Found(
                "error",
                f"{where} does not have {package} installed",
                "Install the published package in the Dockerfile (`COPY --from=dist *.whl /dist/`), or name "
                "a command that prints the version of what is in the image (version_command in defs.yaml). "
                + REBUILD,
            )
        said = f"{error.reason}: {' '.join(error.tail[-5:])}" if error.tail else error.reason
        if version_command is None:
            return Found(
                "warning",
                f"{where}: {shown} {said}",
                "Name a command that prints the version (version_command in defs.yaml): then this check can "
                "tell.",
            )
        return Found("error", f"{where}: {shown} {said}", REBUILD)
    if reports_version(output, version):
        return Found("ok", f"{image.reference} starts on {image.platform} and reports {version}")
    return Found("error", f"{where}: {shown} does not report {version}: {output[-300:].strip()}", REBUILD)


REBUILD = (
    "Neither manifest list nor floating tag moves to it: correct the Dockerfile and push its commit as a "
    "rebuild tag."
)


def labels(reference: str, config: bytes | None, wanted: Mapping[str, str]) -> Found:
    """Compare the labels in an image's config with those that the release's image must have."""
    there = (json.loads(config or b"{}").get("config") or {}).get("Labels") or {}
    wrong = {name: there.get(name) for name, value in wanted.items() if there.get(name) != value}
    if wrong:
        said = "; ".join(f"{name} is {value!r}, not {wanted[name]!r}" for name, value in wrong.items())
        return Found("error", f"{reference}: {said}", "Materialize the image again.", dict(wanted))
    return Found("ok", f"{reference} says what it is", metadata=dict(wanted))


@dataclass(frozen=True)
class Former:
    """The image of an earlier release: its version and the bytes that somebody downloads for it."""

    version: Version
    size: int


def size(bytes_now: int, former: Former | None, warn_growth: float) -> Found:
    """Judge the growth against the release before."""
    if former is None:
        return Found(
            "ok", f"{size_text(bytes_now)}; there is no image before it", metadata={"size_bytes": bytes_now}
        )
    growth = bytes_now / former.size - 1
    metadata = {
        "size_bytes": bytes_now, "previous_size_bytes": former.size, "growth": round(growth, 3)
    }  # fmt: skip
    words = f"{size_text(bytes_now)}, {growth:+.0%} against {former.version}"
    if growth > warn_growth:
        remedy = f"`docker history` of both shows what grew (warn_growth: {warn_growth:.0%})."
        return Found("warning", words, remedy, metadata)
    return Found("ok", words, metadata=metadata)


def build_time(seconds: float, warn_minutes: float) -> Found:
    """Judge whether the build took longer than users of a release wait."""
    words = f"built in {seconds:.0f} s"
    if seconds > warn_minutes * 60:
        return Found(
            "warning",
            f"{words}, more than {warn_minutes * 60:.0f}",
            "The image's table of steps shows where. A native builder (builders:) is the cure for a slow "
            f"foreign platform (warn_build_minutes: {warn_minutes:g}).",
            {"seconds": seconds},
        )
    return Found("ok", words, metadata={"seconds": seconds})


@dataclass(frozen=True)
class BuiltBefore:
    """The record of an image's build about the cache that the next build finds."""

    steps: Sequence[str]  # names as buildx shows them
    bases: Mapping[str, str]  # digests of the images it was built from, by reference
    builder: str
    cache_was_kept: bool  # where another builder finds it


def built_before(metadata: Mapping[str, Any]) -> BuiltBefore:
    """Read the metadata of an image's materialization."""
    tables = {name: rows_of(metadata, name) for name in ("steps", "base_images")}
    value = {name: getattr(metadata.get(name), "value", "") for name in ("builder", "cache")}
    return BuiltBefore(
        steps=tuple(str(row["step"]) for row in tables["steps"]),
        bases={str(row["image"]): str(row["digest"]) for row in tables["base_images"]},
        builder=str(value["builder"]),
        cache_was_kept=value["cache"] in {"registry", "local"},
    )


def steps_that_could_hit(now: BuiltBefore, before: BuiltBefore | None) -> list[str]:
    """Return those steps of a build that the build before it can have left in a cache.

    That is, in each stage, the steps that are the same from the first one on; none where the base image is
    another one, or where the cache was not kept and another builder did it.
    """
    if before is None or now.bases != before.bases:
        return []
    if not before.cache_was_kept and now.builder != before.builder:
        return []
    known = set(map(_position, before.steps))
    changed: set[str] = set()
    found = []
    for step in now.steps:
        stage = _position(step)[0]
        if _position(step) not in known:
            changed.add(stage)
        elif stage not in changed and not _is_from(step):
            found.append(step)
    return found


def _position(step: str) -> tuple[str, int, str]:
    """Return stage, number and instruction of `[stage 2/5] RUN x`: a step more changes the others' 5."""
    match = re.match(r"\[(?:([^\]]*) )?(\d+)/\d+\] (.*)", step, re.DOTALL)
    return (match[1] or "", int(match[2]), match[3]) if match else ("", 0, step)


def _is_from(step: str) -> bool:
    return _position(step)[2].startswith("FROM ")


def cache_hit_rate(cached: Mapping[str, bool], could_hit: Sequence[str], warn_below: float) -> Found:
    """Judge whether the cache did its work: `cached` tells it for each step of the build."""
    if not could_hit:
        return Found("ok", "no step could come from the cache")
    rate = sum(cached[step] for step in could_hit) / len(could_hit)
    words = f"{rate:.0%} of the steps that the build before had, too, came from the cache"
    if rate < warn_below:
        return Found(
            "warning",
            words,
            "Copy what changes often (the code, the version) late in the Dockerfile "
            f"(warn_cache_hits: {warn_below:g}).",
            {"cache_hit_rate": rate},
        )
    return Found("ok", words, metadata={"cache_hit_rate": rate})


def reports_version(output: str, version: Version) -> bool:
    """Return True where an output such as `tool v1.2.0` holds the version, in any spelling of PEP 440."""
    for word in re.split(r"[^\w.!+-]+", output):
        try:
            if Version(word.strip(".-!+")) == version:
                return True
        except InvalidVersion:
            continue
    return False
