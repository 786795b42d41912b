"""Why a build failed, whether trying again can help, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from release_assets.destinations.buildx.engine import INSTALL_QEMU
from release_assets.destinations.buildx.request import BuildRequest
from release_assets.errors import PermanentError, ReleaseError, TransientError


@dataclass(frozen=True)
class Failure:
    """Why a build failed: the part that did, buildx's own words, and the end of that part's output.

    `step` is as buildx names it, "" where none did; `said` holds nothing that a Dockerfile's RUN printed.
    """

    step: str
    said: str
    output: Sequence[str]


RATE_LIMIT = r"toomanyrequests|429 Too Many"
RATE_LIMIT_SECONDS = 60.0

# What buildx says, whether trying again can help, and what to do. The first match decides.
FAILURES: tuple[tuple[str, type[ReleaseError], str], ...] = (
    (
        RATE_LIMIT,
        TransientError,
        "The registry limits how often it may be asked; materialize again later. A login raises the limit.",
    ),
    (
        r"401 Unauthorized|403 Forbidden|access denied|(?<!permission )denied: |resource is denied"
        r"|authorization failed|failed to authorize|authentication required|insufficient_scope"
        r"|unauthorized: ",
        PermanentError,
        "Check {variables}: they must be allowed to pull and push {repository}. A base image is pulled "
        "with the same login, or with none where it is in another registry.",
    ),
    (
        r"certificate|x509|server gave HTTP response to HTTPS client",
        PermanentError,
        "The engine does not trust that registry: give it the registry's certificate authority.",
    ),
    (
        r"no space left on device",
        PermanentError,
        "Make room on the engine's disk: `docker buildx prune` removes the build cache.",
    ),
    (
        r"no match for platform",
        PermanentError,
        "The base image is not made for this platform: choose one that is, or drop the platform.",
    ),
    (
        r"(: |status )50\d\b|\b50\d (Internal|Bad|Service|Gateway)|connection re(set|fused)|timeout"
        r"|timed out|\bEOF\b|broken pipe|no such host|temporary failure|server misbehaving"
        r"|network is unreachable|no route to host|context deadline exceeded|connection closed"
        r"|use of closed network|transport is closing|Cannot connect to the Docker daemon"
        r"|error during connect|invalid content digest|invalid checksum digest|unexpected end of JSON"
        r"|invalid character .* looking for",
        TransientError,
        "The registry or the engine is unwell; what was built is cached, so the next attempt is quick.",
    ),
    (
        r"failed to resolve source metadata|failed to load cache key|failed to pull",
        PermanentError,
        "The base image is not there: correct the Dockerfile's FROM, then push its commit as a rebuild tag.",
    ),
)

CORRECT_DOCKERFILE = (
    "Correct the Dockerfile and push its commit as a rebuild tag, or materialize again if the network was at "
    "fault. The other platforms' images are kept."
)


def build_failure(failure: Failure, request: BuildRequest) -> ReleaseError:
    """The error for a build that failed: what did, the last words of it, and what to do.

    A RUN that failed is permanent, whatever it printed: a maintainer wants to see it at once.
    """
    where = f", at {failure.step}" if failure.step else ""
    lines = [*failure.output, failure.said]
    problem = (
        f"building {request.reference} for {request.platform} failed{where}:\n" + "\n".join(lines)[-4000:]
    )
    ran = re.search(r"did not complete successfully: (exit code: (\d+))?", failure.said)
    if "exec format error" in "\n".join(lines):
        return PermanentError(problem, INSTALL_QEMU)
    if ran:
        # 137 is SIGKILL: nobody sends it to a build but the kernel, for want of memory.
        hint = "It was killed, as a process is that takes too much memory. " if ran[2] == "137" else ""
        return PermanentError(problem, hint + CORRECT_DOCKERFILE)
    for pattern, kind, remedy in FAILURES:
        if re.search(pattern, failure.said, re.IGNORECASE):
            variables = f"{request.username_env} and {request.token_env}"
            repository = f"{request.repository.host}/{request.repository.name}"
            remedy = remedy.format(variables=variables, repository=repository)
            if kind is TransientError:
                return TransientError(problem, remedy, wait=rate_limit_wait(failure.said))
            return kind(problem, remedy)
    return PermanentError(problem, CORRECT_DOCKERFILE)


def rate_limit_wait(said: str) -> float:
    """For how many seconds a registry's limit asks to be left alone; 0 where it is no limit.

    BuildKit shows the registry's text and drops its Retry-After, so where the text says nothing a minute has
    to do.
    """
    if not re.search(RATE_LIMIT, said, re.IGNORECASE):
        return 0.0
    asked = re.search(
        r"(?:retry[ -]?after|try again in|wait)\W{1,3}(\d+(?:\.\d+)?) ?(ms|milliseconds?|m\b|min|h)?",
        said,
        re.IGNORECASE,
    )
    if asked is None:
        return RATE_LIMIT_SECONDS
    unit = (asked[2] or "s").lower()
    factor = 0.001 if unit.startswith(("ms", "mil")) else {"m": 60.0, "h": 3600.0}.get(unit[0], 1.0)
    return max(1.0, float(asked[1]) * factor)
