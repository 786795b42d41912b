"""Waiting until pip would find our files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential_jitter

from release_assets.destinations import bounds
from release_assets.destinations.http import Login
from release_assets.destinations.package_index.difference import missing_files
from release_assets.destinations.package_index.simple_page import IndexFile, observe
from release_assets.errors import TransientError


def wait_until_served(
    simple_url: str,
    project: str,
    wanted: Mapping[str, str],
    *,
    timeout: float,
    log: Callable[[str], None],
    login: Login | None = None,
) -> dict[str, IndexFile]:
    """Wait until the simple page serves every file of `wanted` (name: sha256); return those files.

    `timeout` is seconds; at least one look is taken. PyPI's page is cached and may be stale for minutes, so
    looks are 1 to 15 s apart, and one that fails does not end the wait.
    Raises ConflictError on other bytes at once, TransientError when time is over, with what was seen last.
    """
    deadline = time.monotonic() + timeout
    seen = ""

    def look() -> dict[str, IndexFile] | None:
        nonlocal seen
        try:
            left = max(1.0, deadline - time.monotonic())
            observed = observe(
                simple_url, project, seconds=min(bounds.BOUNDS.page_seconds, left), login=login
            )
            missing = missing_files(wanted, observed)
            now = f"not served yet: {', '.join(missing)}" if missing else ""
        except TransientError as error:
            observed, missing, now = {}, list(wanted), error.problem
        if now and now != seen:
            log(f"waiting for {simple_url}: {now}")
        seen = now
        return None if missing else {name: observed[name] for name in wanted}

    pause = wait_exponential_jitter(initial=1, max=15, jitter=1)
    try:
        served = Retrying(
            stop=stop_after_delay(timeout),
            # Never past the deadline, so that the last look is the one at its end.
            wait=lambda state: min(pause(state), max(0.0, deadline - time.monotonic())),
            retry=retry_if_result(lambda served: served is None),
        )(look)
    except RetryError:
        raise TransientError(
            f"{simple_url} does not serve {project} completely after {timeout:.0f} s: {seen}",
            "The upload was accepted; its page may be stale. Materialize again: nothing is uploaded twice.",
        ) from None
    assert served is not None  # noqa: S101  (else it would have been tried again)
    for name, file in served.items():
        log(f"{simple_url} serves {name}, sha256 {file.sha256}{', but it is yanked' if file.yanked else ''}")
    return served
