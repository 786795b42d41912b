"""The deadlines and bounds of everything that is asked of a destination, in one value.

Code reads `bounds.BOUNDS` when it needs one, so that a test can replace the value.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Seconds, bytes and counts."""

    # HTTP
    connect_seconds: float = 10.0
    silence_seconds: float = 30.0  # between two pieces of an answer
    kept_seconds: float = 15.0  # for an answer over a kept connection, before a new one is made
    kept_connect_seconds: float = 5.0
    redirects: int = 5
    json_parts: int = 2_000_000  # of an answer
    longest_rest_seconds: float = 1e9  # of a Retry-After: what is longer than minutes is left to people
    # For a whole file, up or down: what a slow line needs (100 kB/s), and no more.
    file_seconds: float = 60.0
    file_seconds_per_mebibyte: float = 10.0

    # git
    git_look_seconds: float = 30.0  # for the tags of a remote; half of what a sensor's tick may take
    git_fetch_seconds: float = 900.0  # for the first fetch of a large repository
    git_local_seconds: float = 300.0  # for what happens on this machine
    git_history_seconds: float = 60.0  # for the commits between two releases
    git_memory_bytes: int = 2 * 1024 * MEBIBYTE
    git_tags_characters: int = 32 * MEBIBYTE  # a hundred thousand tags take 8

    # Package index
    page_seconds: float = 60.0  # for a whole simple page, redirects included
    page_bytes: int = 32 * MEBIBYTE  # the largest on PyPI are a few MiB
    page_parts: int = 500_000  # of JSON, each read by pydantic; the largest on PyPI have 200,000
    page_tags: int = 200_000  # of HTML; the largest on PyPI have a quarter
    index_file_bytes: int = 100 * MEBIBYTE  # PyPI's limit of one file, where a project has none of its own
    twine_memory_bytes: int = 512 * MEBIBYTE
    sigstore_seconds: float = 120.0  # for one signature: its trust root, a certificate, a log entry

    # GitHub
    github_bytes: int = 64 * MEBIBYTE  # 100 releases whose texts are as long as they may be take 13 to 50
    github_list_seconds: float = 300.0  # for all pages of a list
    github_pages: int = 100  # GitHub lists no more than 10,000 releases
    # At publishing, each after observing again; then it is the step's retry, or a person's.
    github_attempts: int = 5
    # After which no attempt begins: five that wait for a silent server, five times, were half an hour.
    github_attempts_seconds: float = 60.0
    github_pause_seconds: float = 60.0  # a longer Retry-After is waited for between two attempts of the step

    # Registry
    registry_seconds: float = 60.0
    registry_bytes: int = 4 * MEBIBYTE  # the distribution spec's recommendation for manifests
    registry_list_seconds: float = 300.0  # for all pages of tags
    registry_tag_pages: int = 100
    registry_tags: int = 100_000
    refusal_characters: int = 4000  # of a registry's words, so that a hostile answer takes no time

    # Engines
    engine_look_seconds: float = 60.0
    engine_start_seconds: float = 300.0  # a builder that is not running pulls its own image first
    silent_push_seconds: float = 180.0  # BuildKit itself would wait without end
    rate_limit_seconds: float = 60.0  # where a registry's limit names no time
    pull_seconds: float = 1800.0
    container_seconds: float = 120.0  # QEMU starts Python in one to three
    clean_seconds: float = 60.0
    cache_lock_seconds: float = 3 * 3600.0  # for another release's build of the same platform
    cosign_seconds: float = 180.0


BOUNDS = Bounds()


def seconds_for(size: int) -> float:
    """Return how many seconds a file of `size` bytes may take in all."""
    return BOUNDS.file_seconds + BOUNDS.file_seconds_per_mebibyte * size / MEBIBYTE
