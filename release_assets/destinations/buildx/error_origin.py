"""Read BuildKit's error: the part of the build that it comes from, and what a registry responded.

The error is one sentence, in which BuildKit quotes what the user wrote: commands, files, images, stages. So
the part of the build that failed decides first. Then decides what a registry responded, or how the sentence
ends: Go's errors have their cause last. Nothing is looked for in the middle of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from release_assets.destinations import bounds
from release_assets.destinations.registry.refusals import CODES, Refusal, code_of
from release_assets.destinations.registry.repository import Repository

# Names that BuildKit and buildx give to parts of a build: in brackets stand a stage's name and numbers.
_BASE = re.compile(
    r"(?:\[[^\]]*\] )?(?:(?:load metadata for |resolve image config for |FROM )(?:docker-image://)?"
    r"|docker-image://)(\S+)"
)
_PULLS = re.compile(r"\[auth\] |\[internal\] (?:booting buildkit|pulling )")
_AUTHORIZING = re.compile(r"\[auth\] (\S+?):\S* token for (\S+)")
_PUSHES = re.compile(r"exporting to |pushing ")
_READS = re.compile(r"\[[^\]]*internal\] |\[context [^\]]*\] load ")

# What the sentence begins with is BuildKit's own. A reference, which may follow, has no blanks.
_SOLVE = re.compile(
    r"(?:failed to build: |failed to solve(?: with frontend \S+)?: |rpc error: code = Unknown desc = )*"
)
_PULLING = re.compile(
    r"(?:\S+: )?failed to (?:resolve source metadata for|pull) \S+: |Error response from daemon: "
)
_PUSHING = re.compile(r"failed to push \S+: ")
_LOST = re.compile(
    r"Cannot connect to the Docker daemon|error during connect: |failed to (?:receive status|list workers): "
    r"|failed to dial gRPC|(?:rpc error: code = )?(?:Unavailable|DeadlineExceeded|Canceled|Aborted)\b"
    r"|Internal: stream terminated|http2: client connection lost|graceful_stop"
)
_ANSWERED = (
    r"unexpected status|received unexpected HTTP|invalid (?:status|response) |failed commit on ref "
    r"|failed to (?:copy|authorize|do request|fetch (?:anonymous|oauth) token): |httpReadSeeker: "
)
_REGISTRY = re.compile(
    rf"{_ANSWERED}|server message: |error parsing HTTP \d|pull access denied|no basic auth credentials"
    r"|\d{3} [A-Z]"
)
_FETCHING = re.compile(
    rf'(?:failed to (?:compute|load) cache key: )+(?:{_ANSWERED}|(?:Get|Head) "": |pull access denied)'
)
_PROCESS = re.compile(r'process ""|executor failed running \[')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_STATUS = re.compile(
    r"(?:^|: )(\d{3})(?= [A-Z]| - |$)|in(?:valid response status|valid status response) (\d{3})"
    r"|error parsing HTTP (\d{3}) response body",
    re.MULTILINE,
)
_PAGE = re.compile(r"<title>(\d{3}) ")
_CODE = re.compile(
    rf"(?:^|: | - )({'|'.join(sorted(code.replace(' ', '[ _]') for code in CODES))}): (.*)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_NO_LOGIN = re.compile(r"(?:^|: )(?:pull access denied, |no basic auth credentials)", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    """The failure of a build: the part that failed, buildx's own error, and the end of that part's output.

    `step` is as buildx names it, "" where none did; `said` holds nothing that a Dockerfile's RUN printed.
    """

    step: str
    said: str
    output: Sequence[str]


class Origin(Enum):
    """The part of a build that an error comes from."""

    COMMAND = auto()  # a RUN's process ended with another status than 0
    FETCH = auto()  # a step fetches an ADD's URL, or what is not here yet of its base image
    DOCKERFILE = auto()  # any other step, or the Dockerfile or its context cannot be read
    PULL = auto()  # a base image
    PUSH = auto()
    ENGINE = auto()  # the connection to BuildKit


def origin_and_cause(failure: Failure) -> tuple[Origin, str]:
    """Return the part of the build that an error comes from, and the error without what is quoted in it.

    Where no part of the build is named, the beginning of the sentence tells it.
    """
    cause = _QUOTED.sub('""', _SOLVE.sub("", failure.said, count=1))
    if _LOST.match(cause):
        return Origin.ENGINE, cause
    pulling, pushing = _PULLING.match(cause), _PUSHING.match(cause)
    for wrapper in (pulling, pushing):
        cause = cause[wrapper.end() :] if wrapper else cause
    if failure.step:
        if _PUSHES.match(failure.step):
            return Origin.PUSH, cause
        if _BASE.match(failure.step) or _PULLS.match(failure.step):
            return Origin.PULL, cause
        if _READS.match(failure.step):
            return Origin.DOCKERFILE, cause
    elif pulling:
        return Origin.PULL, cause
    elif pushing or _CODE.match(cause) or _REGISTRY.match(cause):
        return Origin.PUSH, cause
    if _PROCESS.match(cause):
        return Origin.COMMAND, cause
    return (Origin.FETCH if _FETCHING.match(cause) else Origin.DOCKERFILE), cause


def refusal_in(origin: Origin, cause: str) -> Refusal | None:
    """Return what a registry responded, as BuildKit, containerd and docker write it; None without that."""
    if origin not in {Origin.PULL, Origin.PUSH, Origin.FETCH}:
        return None
    code = _CODE.search(cause)
    # containerd puts "unknown" before a status, too.
    is_wrapped = code is not None and code_of(code[1]) == "unknown"
    status = _STATUS.search(cause[: code.start()] if code and not is_wrapped else cause)
    if code is None and status is None:
        return Refusal(None, "denied", cause) if _NO_LOGIN.search(cause) else None
    number = int(next(group for group in status.groups() if group)) if status else None
    # What follows a status on its line is its reason phrase.
    words = code[2] if code else cause[status.end() :].partition("\n")[2] if status else ""
    if code and (page := _PAGE.search(words)):  # a proxy's: docker reads it as the registry's error
        number = int(page[1])
    return Refusal(number, code_of(code[1]) if code else "", words, rate_limit_wait(cause))


def base_image(failure: Failure) -> Repository | None:
    """Return the repository of the base image that could not be pulled; None where none is named."""
    login = _AUTHORIZING.match(failure.step)
    if login is not None:
        return Repository("docker.io" if login[2] == "registry-1.docker.io" else login[2], login[1])
    asked = re.search(r"https?://([^/\s\"]+)/v2/(\S+)/(?:manifests|blobs)/", failure.said)
    if asked is not None:
        return Repository("docker.io" if asked[1] == "registry-1.docker.io" else asked[1], asked[2])
    named = _BASE.match(failure.step) or re.search(
        r"failed to (?:resolve source metadata for|pull) (\S+): ", failure.said
    )
    if named is None:
        return None
    host, _, name = re.sub(r"(?::[^:/]*)?(?:@\S*)?$", "", named[1]).partition("/")
    return Repository(host, name)


def rate_limit_wait(said: str) -> float:
    """Return the pause in seconds that a registry's limit asks for; 0 where it is not a limit.

    BuildKit shows the registry's text and drops its Retry-After, so where the text says nothing a minute has
    to do.
    """
    if not re.search(
        r"(?:^|: )429 Too Many|(?:^|: | - )toomanyrequests: ", said, re.IGNORECASE | re.MULTILINE
    ):
        return 0.0
    asked = re.search(
        r"(?:retry[ -]?after|try again in|wait)\W{1,3}(\d+(?:\.\d+)?) ?(ms|milliseconds?|m\b|min|h)?",
        said,
        re.IGNORECASE,
    )
    if asked is None:
        return bounds.BOUNDS.rate_limit_seconds
    unit = (asked[2] or "s").lower()
    factor = 0.001 if unit.startswith(("ms", "mil")) else {"m": 60.0, "h": 3600.0}.get(unit[0], 1.0)
    return max(1.0, float(asked[1]) * factor)
