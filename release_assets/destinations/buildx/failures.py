"""The errors of failed builds: the cause, whether a retry can help, and what to do."""

from __future__ import annotations

import re

from release_assets.destinations.buildx.engine import INSTALL_QEMU
from release_assets.destinations.buildx.error_origin import (
    Failure,
    Origin,
    base_image,
    origin_and_cause,
    refusal_in,
)
from release_assets.destinations.buildx.request import BuildRequest
from release_assets.destinations.registry.refusals import Refusal, refusal_error
from release_assets.destinations.registry.repository import Repository
from release_assets.errors import PermanentError, ReleaseError, TransientError, error_for_status

CORRECT_DOCKERFILE = (
    "Correct the Dockerfile and push its commit as a rebuild tag, or materialize again if the network was at "
    "fault. The other platforms' images are kept."
)
RETRY = (
    "The registry or the engine failed or is unreachable. What was built is cached, so the next attempt is "
    "quick."
)
TRUST = "The engine does not trust that registry: give it the registry's certificate authority."
MAKE_ROOM = "Make room on the engine's disk: `docker buildx prune` removes the build cache."
NO_HELPER = (
    "Install the credential helper that the docker configuration of the user of Dagster's runs names "
    "(credsStore, credHelpers), or log in again without it."
)
QEMU_CRASHED = (
    "QEMU crashed, which emulated the platform. Materialize again, update QEMU (`docker run --privileged "
    "--rm tonistiigi/binfmt --install all`), or name a machine of that platform: image: builders: in the "
    "project's defs.yaml."
)
OTHER_PLATFORM = (
    "The base image is not made for this platform: choose one that is, or remove the platform from defs.yaml."
)
NO_BASE_IMAGE = (
    "The base image is not there: correct the Dockerfile's FROM and push its commit as a rebuild tag, or "
    "correct build_contexts in defs.yaml."
)

# What it ends with. containerd may add the kind of the error.
_KIND = r"(?:: (?:unknown|unavailable|failed precondition|data loss))?\s*\Z"
_UNTRUSTED = re.compile(
    r"(?:^|: )x509: [^\n]*\Z|(?:^|: )http: server gave HTTP response to HTTPS client" + _KIND
)
_HELPER = re.compile(r"(?:^|: |desc = )error getting credentials - err: ")
_DISK = re.compile(r"(?:^|: )no space left on device" + _KIND)
_NO_PLATFORM = re.compile(r"(?:^|: )no match for platform in manifest[^\n]*\Z")
_NOT_FOUND = re.compile(r"(?:^|: )not found" + _KIND)
_NETWORK = re.compile(
    r"(?:^|: )(?:(?:unexpected )?EOF|connection (?:reset by peer|refused|timed out|closed)|i/o timeout"
    r"|net/http: (?:TLS handshake timeout|timeout awaiting response headers)|no such host|server misbehaving"
    r"|[Tt]emporary failure in name resolution|network is unreachable|no route to host|broken pipe"
    r"|context deadline exceeded[^:]*|use of closed network connection|transport is closing"
    r"|net/http: request canceled[^:]*|request canceled[^:]*|http2: [^:]*|stream error: [^:]*"
    r"|unexpected end of JSON input|invalid character .{1,6} looking for [\w ]*|invalid content digest[^:]*"
    r"|io: read/write on closed pipe"
    r"|(?:remote error: )?tls: (?:internal error|handshake failure|bad record MAC)"
    r"|content digest sha256:\w*: not found"
    r"|invalid checksum digest[^:]*|failed size validation: [^:]*|short read: [^:]*)" + _KIND
)
# The kernel could not start the command's own program; what a command prints itself has other words around.
_NO_EMULATION = re.compile(
    r"(?:exec \S+|standard_init_linux\.go:\d+: exec user process caused): exec format error"
)
_EMULATOR_CRASHED = re.compile(r"qemu: uncaught target signal \d+")
_PROCESS_END = re.compile(r"(?:did not complete successfully|\]): exit code: (\d+)[^:]*\Z")


def build_failure(failure: Failure, request: BuildRequest) -> ReleaseError:
    """Return the error for a build that failed: what did, the last words of it, and what to do.

    A RUN that failed is permanent, whatever it printed: a maintainer has to see it at once.
    """
    where = f", at {failure.step}" if failure.step else ""
    lines = [*failure.output, failure.said]
    problem = (
        f"building {request.reference} for {request.platform} failed{where}:\n" + "\n".join(lines)[-4000:]
    )
    origin, cause = origin_and_cause(failure)
    if origin is Origin.ENGINE:
        return TransientError(problem, RETRY)
    # First, since a registry's words may end like those of this machine.
    if refusal := refusal_in(origin, cause):
        return _refused(refusal, problem, origin, failure, request)
    if _DISK.search(cause):
        return PermanentError(problem, MAKE_ROOM)
    if origin is Origin.COMMAND:
        return _command_failure(failure, problem)
    if origin is Origin.DOCKERFILE:
        return PermanentError(problem, CORRECT_DOCKERFILE)
    if _HELPER.search(cause):
        return PermanentError(problem, NO_HELPER)
    if _UNTRUSTED.search(cause):
        return PermanentError(problem, TRUST)
    if _NETWORK.search(cause):
        return TransientError(problem, RETRY)
    if origin is Origin.PULL and _NO_PLATFORM.search(cause):
        return PermanentError(problem, OTHER_PLATFORM)
    if origin is Origin.PULL and _NOT_FOUND.search(cause):
        return PermanentError(problem, NO_BASE_IMAGE)
    if origin is Origin.PUSH:
        return PermanentError(problem, _rejected(request.repository))
    return PermanentError(problem, CORRECT_DOCKERFILE)


def _command_failure(failure: Failure, problem: str) -> ReleaseError:
    """Return the error for a RUN that failed."""
    printed = [line for line in failure.output if line.strip()]
    if len(printed) == 1 and _NO_EMULATION.fullmatch(printed[0].strip()):
        return PermanentError(problem, INSTALL_QEMU)
    if printed and _EMULATOR_CRASHED.match(printed[-1]):
        return PermanentError(problem, QEMU_CRASHED)
    end = _PROCESS_END.search(failure.said)
    # 137 is SIGKILL: nobody sends it to a build but the kernel, for want of memory.
    hint = "It was killed, as a process is that takes too much memory. " if end and end[1] == "137" else ""
    return PermanentError(problem, hint + CORRECT_DOCKERFILE)


def _refused(
    refusal: Refusal, problem: str, origin: Origin, failure: Failure, request: BuildRequest
) -> ReleaseError:
    """Return the error for a registry's refusal: of our push, or of a base image in any registry."""
    ours = request.repository
    login = (
        f"Check {request.username_env} and {request.token_env}: they must be allowed to pull and push "
        f"{ours.host}/{ours.name}."
    )
    if origin is Origin.PUSH:
        missing = f"Create {ours.name} in {ours.host} first, or check the image's repository in the YAML."
        return refusal_error(
            refusal, problem, ours, login=login, rejected=_rejected(ours), missing=missing, again=RETRY
        )
    base = base_image(failure)
    if base is None:  # an ADD's URL
        error = error_for_status(refusal.status or 400, problem, CORRECT_DOCKERFILE)
        return TransientError(problem, RETRY) if isinstance(error, TransientError) else error
    if base.host == ours.host:
        login += " The base image is pulled with the same login."
    else:
        login = (
            f"Log in to {base.host} as the user of Dagster's runs (`docker login {base.host}`): the base "
            "image does not exist there, or requires a login that may pull it."
        )
    return refusal_error(
        refusal, problem, base, login=login, rejected=NO_BASE_IMAGE, missing=NO_BASE_IMAGE, again=RETRY
    )


def _rejected(repository: Repository) -> str:
    return f"The words of {repository.host} say what it rejects. Check the image's repository in the YAML."
