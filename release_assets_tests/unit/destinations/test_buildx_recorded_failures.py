"""Recorded builds that failed tell why, and whether a retry may help."""

from __future__ import annotations

from typing import Any

import pytest

from release_assets.destinations.buildx import INSTALL_QEMU, Failure, build_failure, rate_limit_wait
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets_tests.unit.destinations.buildx_records import read, request


def failure_of(name: str, **changes: Any) -> ReleaseError:
    """The error for a recorded build."""
    failure = read(name).failure()
    assert failure is not None
    return build_failure(failure, request(**changes))


def test_a_run_that_failed_is_shown_with_its_last_lines() -> None:
    error = failure_of("failed_run")
    assert isinstance(error, PermanentError)
    assert error.problem.startswith(
        "building docker.io/owner/name:1.2.3-arm64 for linux/arm64 failed, at [3/3] RUN for i in 1 2 3; "
    )
    assert "\nline 1\nline 2\nline 3\nfatal: no such module\nfailed to solve: process" in error.problem
    assert error.problem.endswith("did not complete successfully: exit code: 3")
    assert "Correct the Dockerfile" in error.remedy


def test_a_platform_that_the_kernel_cannot_run_asks_for_qemu() -> None:
    error = failure_of("no_qemu")
    assert isinstance(error, PermanentError)
    assert "exec /bin/sh: exec format error" in error.problem
    assert error.remedy == INSTALL_QEMU


def test_a_push_that_was_refused_names_the_variables() -> None:
    error = failure_of("push_refused")
    assert isinstance(error, PermanentError)
    assert "401 Unauthorized" in error.problem
    assert error.remedy.startswith(
        "Check IMAGE_USER and IMAGE_TOKEN: they must be allowed to pull and push docker.io/owner/name."
    )


@pytest.mark.parametrize("name", ["base_unreachable", "registry_500"])
def test_a_registry_that_is_unwell_may_be_well_again(name: str) -> None:
    error = failure_of(name)
    assert isinstance(error, TransientError)
    assert "the next attempt is quick" in error.remedy


SOURCE = "failed to solve: python:3.12: failed to resolve source metadata for docker.io/library/python:3.12"


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        (
            f"{SOURCE}: docker.io/library/python:3.12: not found",
            PermanentError,
            "The base image is not there",
        ),
        (
            f"{SOURCE}: no match for platform in manifest: not found",
            PermanentError,
            "not made for this platform",
        ),
        (f"{SOURCE}: pull access denied, repository does not exist", PermanentError, "IMAGE_USER"),
        (f"{SOURCE}: failed to authorize: 403 Forbidden", PermanentError, "IMAGE_TOKEN"),
        (f"{SOURCE}: 429 Too Many Requests - toomanyrequests: You have reached", TransientError, "how often"),
        (
            f"{SOURCE}: dial tcp: lookup registry-1.docker.io: no such host",
            TransientError,
            "failed or is unreachable",
        ),
        (f"{SOURCE}: net/http: TLS handshake timeout", TransientError, "failed or is unreachable"),
        (f"{SOURCE}: tls: failed to verify certificate: x509: unknown", PermanentError, "does not trust"),
        (
            "failed to push x: unexpected status from PUT request to y: 503 Service U",
            TransientError,
            "failed or is unreachable",
        ),
        (
            "failed to push x: received unexpected HTTP status: 502 Bad Gateway",
            TransientError,
            "failed or is unreachable",
        ),
        (
            "failed to push x: read tcp 1->2: connection reset by peer",
            TransientError,
            "failed or is unreachable",
        ),
        ("failed to push x: failed to copy: unexpected EOF", TransientError, "failed or is unreachable"),
        ("denied: requested access to the resource is denied", PermanentError, "IMAGE_USER and IMAGE_TOKEN"),
        (
            "Cannot connect to the Docker daemon at unix:///run/d.sock",
            TransientError,
            "failed or is unreachable",
        ),
        ("failed to solve: write /var/lib/x: no space left on device", PermanentError, "docker buildx prune"),
        ("failed to solve: dockerfile parse error on line 1: unknown instruction", PermanentError, "Correct"),
        ("failed to solve: failed to read dockerfile: open x: permission denied", PermanentError, "Correct"),
        ('failed to calculate checksum of ref: "/x": not found', PermanentError, "Correct the Dockerfile"),
    ],
)
def test_what_buildx_says_tells_whether_to_try_again(
    said: str, kind: type[ReleaseError], remedy: str
) -> None:
    error = build_failure(Failure("", said, []), request())
    assert isinstance(error, kind)
    assert said in error.problem
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
            60,
        ),
        ("toomanyrequests: retry-after: 44.5ms, allowed: 44000/minute", 1),
        ("toomanyrequests: retry after 90 seconds", 90),
        ("429 Too Many Requests: please try again in 5 minutes", 300),
        ("429 Too Many Requests: try again in 1h", 3600),
        ("503 Service Unavailable: retry after 90 seconds", 0),
    ],
)
def test_a_limit_is_waited_for_as_long_as_it_says(said: str, seconds: float) -> None:
    assert rate_limit_wait(said) == seconds
    error = build_failure(Failure("", f"failed to solve: {said}", []), request())
    assert isinstance(error, TransientError)
    assert error.wait == seconds


@pytest.mark.parametrize("printed", ["503 Service Unavailable", "cp: Permission denied", "401 Unauthorized"])
def test_what_a_run_printed_does_not_decide(printed: str) -> None:
    said = 'process "/bin/sh -c curl x" did not complete successfully: exit code: 22'
    error = build_failure(Failure("[2/3] RUN curl x", said, [printed]), request())
    assert isinstance(error, PermanentError)
    assert printed in error.problem
    assert "Correct the Dockerfile" in error.remedy


def test_a_run_that_was_killed_hints_at_memory() -> None:
    said = 'process "/bin/sh -c make" did not complete successfully: exit code: 137'
    assert "takes too much memory" in build_failure(Failure("[2/3] RUN make", said, []), request()).remedy
