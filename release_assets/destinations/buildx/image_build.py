"""Build one platform's image and push it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from release_assets.destinations import bounds
from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.buildx.engine import Engine, is_emulated
from release_assets.destinations.buildx.error_origin import Failure, Origin, origin_and_cause
from release_assets.destinations.buildx.failures import build_failure
from release_assets.destinations.buildx.progress import BuiltStep, Log, Progress, cache_hit_rate
from release_assets.destinations.buildx.push_refusal import judged_again, look_after
from release_assets.destinations.buildx.request import (
    BuildRequest,
    build_arguments,
    build_environment,
    check_request,
    local_cache_folder,
)
from release_assets.destinations.http import AGAIN
from release_assets.destinations.local_cache import local_cache
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.text import redact


class PushError(ReleaseError):
    """One of several repositories did not accept an image. `named` are those in the error."""

    def __init__(self, error: ReleaseError, named: Collection[Repository]) -> None:
        self.named = named
        super().__init__(error.problem, error.remedy)


@dataclass(frozen=True)
class BuildResult:
    """The image that was pushed, and the times of its build."""

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

    `timeout` and `silence` are seconds: in all, and without output of buildx. A push without progress is
    ended after the bound for it, since BuildKit itself would wait for the registry without end.
    Raises PermanentError or TransientError with the failing step's name and the end of its output; PushError
    where one of several repositories did not accept the image.
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
                env=build_environment(request, env),
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
                stuck = TransientError(
                    problem, f"The registry {request.repository.host} accepts, but does not answer. {AGAIN}"
                )
                raise (PushError(stuck, _named(problem, request)) if request.also else stuck) from None
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
            if request.also and origin_and_cause(failure)[0] is Origin.PUSH:
                raise PushError(failed, _named(f"{failure.step} {failure.said}", request)) from None
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


def _named(said: str, request: BuildRequest) -> list[Repository]:
    """Return those of the repositories that an error of BuildKit names."""
    return [one for one in request.repositories if f"{one.host}/{one.name}" in said]


NOT_REWRITTEN = (
    "the layers keep the times of this build: building the same commit again makes another digest. "
    "BuildKit 0.13 or newer rewrites them"
)


def cache_warning(request: BuildRequest, engine: Engine, progress: Progress) -> str | None:
    """Return why the cache is not kept for the next build; None where it is, or where nobody asked for it."""
    if request.used_cache == "none":
        return None
    if not engine.exports_cache:
        return "the cache is not kept for the next build: this engine's image store is not containerd's"
    error = progress.cache_export_error()
    return f"the cache is not kept for the next build: {error}" if error else None


def _pushed_digest(metadata: Path, request: BuildRequest) -> str:
    """Return the pushed digest; with containerd's store, containerimage.config.digest is the same."""
    try:
        return str(json.loads(metadata.read_text())["containerimage.digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TransientError(
            f"buildx does not say what it pushed as {request.reference}",
            "Materialize again; if it stays so, install a newer buildx.",
        ) from None
