"""Build one platform's image and push nothing: to see whether it builds, or to compare what comes out."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from release_assets.destinations.buildx.engine import choose_engine
from release_assets.destinations.buildx.error_origin import Failure
from release_assets.destinations.buildx.failures import build_failure
from release_assets.destinations.buildx.progress import BuiltStep, Log, Progress
from release_assets.destinations.buildx.request import (
    BuildRequest,
    build_arguments,
    build_environment,
    check_request,
)
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.text import redact

# Options of a build whose values go somewhere: an image, its attestations, the cache of the next build.
LEAVES_THE_ENGINE = {"--output", "--attest", "--cache-to", "--metadata-file"}
NOWHERE = ("--output", "type=cacheonly")


def try_build(
    request: BuildRequest,
    env: Mapping[str, str],
    *,
    log: Log,
    secrets: list[str],
    timeout: float,
    layout: Path | None = None,
) -> tuple[BuiltStep, ...]:
    """Build an image as `build` does, keep it nowhere but in the engine's own cache, and return its steps.

    With `layout` it is also written there, as a tar file of an OCI image layout, and without attestations.
    `timeout` is seconds. Raises PermanentError or TransientError with the failing step's name and the end of
    its output.
    """
    engine, fallback = choose_engine(request.builder, env, emulate_unreachable=request.emulate_unreachable)
    if fallback:
        log(f"warning: {fallback}")
    check_request(engine, request)
    progress = Progress(lambda line: log(redact(line, secrets)))
    with tempfile.TemporaryDirectory(prefix="buildx-") as folder:
        options = NOWHERE if layout is None else layout_output(layout, reproducible=request.reproducible)
        arguments = build_arguments(request, Path(folder, "metadata.json"), engine)
        arguments = trial_arguments(arguments, options)
        try:
            run(
                [*engine.docker, *engine.buildx, *arguments],
                env=build_environment(request, env),
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


def layout_output(layout: Path, *, reproducible: bool) -> list[str]:
    """Return the options that write an image to a file and nothing else to anywhere."""
    fields = io.StringIO()
    rewrite = ["rewrite-timestamp=true"] if reproducible else []
    csv.writer(fields, lineterminator="").writerow(["type=oci", f"dest={layout}", *rewrite])
    return ["--output", fields.getvalue(), "--attest", "type=provenance,disabled=true"]


def trial_arguments(arguments: list[str], output: Sequence[str] = NOWHERE) -> list[str]:
    """Return the arguments of a build with another output, and nothing else that leaves the engine."""
    kept: list[str] = []
    rest = iter(arguments)
    # What is written nowhere has no manifest to annotate, and buildx refuses to.
    dropped = LEAVES_THE_ENGINE | ({"--annotation"} if output == NOWHERE else set())
    for argument in rest:
        if argument in dropped:
            next(rest)
        elif argument == "--":
            return [*kept, *output, "--", *rest]
        elif argument != "--push":
            kept.append(argument)
    raise ValueError("the arguments of a build end with its context")
