"""Begin a release's images while its package is published: their nodes join what BuildKit is building.

BuildKit runs a step that two builds share only once, even if the first build is ended meanwhile. Where the
Dockerfile copies the package from the context `dist`, an image can be begun as soon as the files exist: the
package index need not serve them yet. Nothing is pushed, and a build that fails here fails again in its node,
which shows why.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from release_assets.destinations.buildx import BuiltStep
from release_assets.errors import ReleaseError
from release_assets.nodes.alongside import alongside
from release_assets.nodes.image_step import image_source
from release_assets.nodes.image_trial import try_image
from release_assets.nodes.step import Step
from release_assets.project import Image
from release_assets.rules.image_tags import platform_suffix
from release_assets.run_launcher import recorded_worker

# By then the images' nodes are at work, or wait for a place in the queue: what was built stays in the cache.
AHEAD_SECONDS = 600
TAKES_DIST = re.compile(r"\bfrom=dist\b")


@contextlib.contextmanager
def begun_images(step: Step) -> Iterator[None]:
    """Begin the images of the release, and go on with them after the block unless it raises.

    They are built in a process of their own, which outlives the run by `AHEAD_SECONDS` at most. Nothing is
    begun where the images need an approval, are built with no cache, or wait for their turn in a pool, nor in
    a process that is not forked safely: only in a worker of our own run launcher.
    """
    image = step.project.image
    if image is None or not _may_begin(step, image):
        yield
        return
    pid = os.fork()
    if pid == 0:
        _build(step, image)
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise


def _may_begin(step: Step, image: Image) -> bool:
    if step.project.needs_approval or image.reproducible or image.pool is not None:
        return False
    run = step.context.instance.get_run_by_id(step.context.run.run_id)
    worker = recorded_worker(run) if run is not None else None
    return worker is not None and worker.pid == os.getpid()


def _build(step: Step, image: Image) -> None:
    """Build the images in this process, a child of the run's worker, and end it."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(
                number, lambda *_: sys.exit()
            )  # what is open is closed, and directories are removed
        signal.alarm(AHEAD_SECONDS)
        # The worker's own output belongs to the node that publishes.
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        with step.folder() as scratch:
            tempfile.tempdir = str(scratch)  # of the builds' threads, which end with this process
            _begin(step, image)
    except BaseException:
        os._exit(1)  # whatever it is, it is not the end of the release
    os._exit(0)


def _begin(step: Step, image: Image) -> None:
    """Build the images, and record the steps of each."""
    source = image_source(step).commit.sha
    dockerfile = step.mirror.read(source, str(Path(image.dockerfile)))
    if dockerfile is None or not TAKES_DIST.search(dockerfile):
        return
    builds = {
        platform: alongside(try_image, step, image, platform, log=lambda _: None)
        for platform in image.platforms
    }
    for platform, build in builds.items():
        with contextlib.suppress(ReleaseError):
            _write(step, platform, source, build.result())


def _write(step: Step, platform: str, commit: str, steps: Sequence[BuiltStep]) -> None:
    record = _record(step, platform)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"commit": commit, "steps": [asdict(built) for built in steps]}))


def with_begun(step: Step, platform: str, commit: str, steps: Sequence[BuiltStep]) -> tuple[BuiltStep, ...]:
    """Return the steps of an image's build from this commit; what was built ahead is not cached."""
    record = _record(step, platform)
    try:
        begun = json.loads(record.read_text())
    except (OSError, ValueError):
        return tuple(steps)
    record.unlink(missing_ok=True)
    built = as_built(steps, begun, commit)
    if ahead := sum(one.cached for one in steps) - sum(one.cached for one in built):
        step.say(f"{ahead} of {len(built)} steps were built while the package was being published")
    return built


def as_built(steps: Iterable[BuiltStep], begun: Mapping[str, Any], commit: str) -> tuple[BuiltStep, ...]:
    """Return a build's steps as they were built: what it found finished had not been in the cache before."""
    if begun["commit"] != commit:
        return tuple(steps)
    built = {there["name"]: there["seconds"] for there in begun["steps"] if not there["cached"]}
    return tuple(
        replace(one, cached=False, seconds=built[one.name]) if one.cached and one.name in built else one
        for one in steps
    )


def _record(step: Step, platform: str) -> Path:
    """Return the file that tells what was built ahead."""
    tag = step.tag.name.replace("/", "%2F")
    return step.begun_images / f"{tag}-{platform_suffix(platform)}.json"
