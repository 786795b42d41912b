"""Build one platform's image and throw it away: whether it builds, with nothing pushed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from release_assets.destinations.buildx.engine import choose_engine
from release_assets.destinations.buildx.error_origin import Failure
from release_assets.destinations.buildx.failures import build_failure
from release_assets.destinations.buildx.progress import BuiltStep, Log, Progress
from release_assets.destinations.buildx.request import BuildRequest, build_arguments, check_request
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.text import redact

# Options of a build whose values go somewhere: an image, its attestations, the cache of the next build.
LEAVES_THE_ENGINE = {"--output", "--attest", "--cache-to", "--metadata-file"}


def try_build(
    request: BuildRequest, env: Mapping[str, str], *, log: Log, secrets: list[str], timeout: float
) -> tuple[BuiltStep, ...]:
    """Build an image as `build` does, keep it nowhere but in the engine's own cache, and return its steps.

    `timeout` is seconds. Raises PermanentError or TransientError with the failing step's name and the end of
    its output.
    """
    engine, fallback = choose_engine(request.builder, env, emulate_unreachable=request.emulate_unreachable)
    if fallback:
        log(f"warning: {fallback}")
    check_request(engine, request)
    progress = Progress(lambda line: log(redact(line, secrets)))
    with tempfile.TemporaryDirectory(prefix="buildx-") as folder:
        arguments = trial_arguments(build_arguments(request, Path(folder, "metadata.json"), engine))
        try:
            run(
                [*engine.docker, *engine.buildx, *arguments],
                env={**env, "SOURCE_DATE_EPOCH": str(request.source_date_epoch)},
                timeout=timeout,
                secrets=secrets,
                on_line=progress.line,
            )
        except CommandTimedOutError as error:
            raise PermanentError(
                f"building {request.reference} {error.reason}; at work was: {progress.at_work()}",
                "Look at that step in the Dockerfile, or give the platform a native builder (builders:).",
            ) from None
        except CommandFailedError as error:
            failure = progress.failure() or Failure("", error.reason, [])
            output = [redact(line, secrets) for line in failure.output]
            failure = Failure(failure.step, redact(failure.said, secrets), output)
            raise build_failure(failure, request) from None
    return tuple(progress.steps())


def trial_arguments(arguments: list[str]) -> list[str]:
    """Return the arguments of a build without those that let anything leave the engine."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in LEAVES_THE_ENGINE:
            next(rest)
        elif argument == "--":
            return [*kept, "--output", "type=cacheonly", "--", *rest]
        elif argument != "--push":
            kept.append(argument)
    raise ValueError("the arguments of a build end with its context")
