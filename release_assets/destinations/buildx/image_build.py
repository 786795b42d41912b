"""Build one platform's image and push it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release_assets.destinations import bounds
from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.buildx.engine import Engine, is_emulated
from release_assets.destinations.buildx.error_origin import Failure
from release_assets.destinations.buildx.failures import build_failure
from release_assets.destinations.buildx.progress import BuiltStep, Log, Progress, cache_hit_rate
from release_assets.destinations.buildx.push_refusal import judged_again, look_after
from release_assets.destinations.buildx.request import (
    BuildRequest,
    build_arguments,
    check_request,
    local_cache_folder,
)
from release_assets.destinations.http import AGAIN
from release_assets.destinations.local_cache import local_cache
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.text import redact


@dataclass(frozen=True)
class BuildResult:
    """What was pushed, and what it took."""

    digest: str
    runnable_digest: str  # of the image itself, where `digest` is that of an index with its attestations
    config_digest: str | None  # of the image's config: what `docker image ls` shows as its id
    steps: tuple[BuiltStep, ...]
    cache_warning: str | None  # why the cache is not kept for the next build
    seconds: Mapping[str, float]
    timestamps_rewritten: bool  # in the layers, to the commit's: the same commit makes the same digest
    from_images: tuple[BaseImage, ...]  # of those that buildx names with their digest
    builder: str
    emulated: bool  # the platform is foreign to the builder
    is_kept: bool  # by the engine that built it, under the tag, so that it starts without a pull

    @property
    def cache_hit_rate(self) -> float | None:
        """Return the part of the steps that came from the cache; None where none could."""
        return cache_hit_rate(self.steps)


def build(
    request: BuildRequest,
    engine: Engine,
    env: Mapping[str, str],
    *,
    log: Log,
    secrets: list[str],
    timeout: float,
    silence: float,
) -> BuildResult:
    """Build and push an image; `log` gets the progress as it happens, without the `secrets`.

    `timeout` and `silence` are seconds: in all, and without a word from buildx. A push that stands still is
    given up after the bound for it, since BuildKit itself would wait for the registry for ever.
    Raises PermanentError or TransientError with the failing step's name and the end of its output.
    """
    check_request(engine, request)
    emulated = is_emulated(engine, request.platform)
    log(f"{engine.name} builds {request.platform} {'with QEMU' if emulated else 'natively'}")
    progress = Progress(lambda line: log(redact(line, secrets)))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="buildx-"))
        if request.used_cache == "local" and engine.exports_cache:
            stack.enter_context(local_cache(local_cache_folder(request), log))
        metadata = Path(folder, "metadata.json")
        arguments = build_arguments(request, metadata, engine)
        try:
            run(
                [*engine.docker, *engine.buildx, *arguments],
                env={**env, "SOURCE_DATE_EPOCH": str(request.source_date_epoch)},
                timeout=timeout,
                silence=lambda: (
                    min(silence, bounds.BOUNDS.silent_push_seconds) if progress.only_pushes() else silence
                ),
                secrets=secrets,
                on_line=progress.line,
            )
        except CommandTimedOutError as error:
            problem = f"building {request.reference} {error.reason}; at work was: {progress.at_work()}"
            if progress.only_pushes():
                raise TransientError(
                    problem, f"The registry {request.repository.host} accepts, but does not answer. {AGAIN}"
                ) from None
            # Hours are not spent again without a person.
            raise PermanentError(
                problem,
                "Look at that step in the Dockerfile, or give the platform a native builder (builders:).",
            ) from None
        except CommandFailedError as error:
            failure = progress.failure() or Failure("", error.reason, [])
            output = [redact(line, secrets) for line in failure.output]
            failure = Failure(failure.step, redact(failure.said, secrets), output)
            failed = build_failure(failure, request)
            look = look_after(failure, request, env)
            raise (judged_again(failed, look, request) if look else failed) from None
        digest = _pushed_digest(metadata, request)
    warning = cache_warning(request, engine, progress)
    if warning:
        log(f"warning: {warning}")
    if request.reproducible and not progress.rewrote_timestamps():
        log(f"warning: {NOT_REWRITTEN}")
    return BuildResult(
        digest=digest,
        runnable_digest=progress.exported("manifest") or digest,
        config_digest=progress.exported("config"),
        steps=tuple(progress.steps()),
        cache_warning=warning,
        seconds=progress.seconds(),
        timestamps_rewritten=progress.rewrote_timestamps(),
        from_images=tuple(progress.from_images()),
        builder=engine.name,
        emulated=emulated,
        is_kept=engine.keeps_images and not request.reproducible,
    )


NOT_REWRITTEN = (
    "the layers keep the times of this build: building the same commit again makes another digest. "
    "BuildKit 0.13 or newer rewrites them"
)


def cache_warning(request: BuildRequest, engine: Engine, progress: Progress) -> str | None:
    """Why the cache is not kept for the next build; None where it is, or where nobody asked for it."""
    if request.used_cache == "none":
        return None
    if not engine.exports_cache:
        return "the cache is not kept for the next build: this engine's image store is not containerd's"
    error = progress.cache_export_error()
    return f"the cache is not kept for the next build: {error}" if error else None


def _pushed_digest(metadata: Path, request: BuildRequest) -> str:
    """Return what buildx says it pushed; containerimage.config.digest is the same with containerd's store."""
    try:
        return str(json.loads(metadata.read_text())["containerimage.digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TransientError(
            f"buildx does not say what it pushed as {request.reference}",
            "Materialize again; if it stays so, install a newer buildx.",
        ) from None
