"""Every stand-in needs this: a free port, a child that is waited for, an error that shows its log."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import requests

from release_assets.errors import ReleaseError
from release_assets.process import started_child

READY_SECONDS = 60.0  # a server that has not answered by then will not
LOG_LINES = 20


class SandboxError(ReleaseError):
    """A stand-in cannot be started here. Says which, why, and what to do about it."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def loopback_session() -> requests.Session:
    """Return a session that ignores proxies and ~/.netrc: neither is meant for a server on loopback."""
    session = requests.Session()
    session.trust_env = False
    return session


def wait_until(is_so: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again until `is_so`, for at most so many seconds; whether it came to be."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    """Return True where a server on loopback answers at `url` with anything but an error of its own."""
    try:
        with loopback_session() as session:
            return session.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


@contextlib.contextmanager
def running_server(
    name: str,
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    log: Path,
    is_ready: Callable[[], bool],
    seconds: float = READY_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `argv`, writing to `log`, and yield the child once `is_ready`; it is gone after the block.

    Raises SandboxError with the end of the log when the server ends early or is not ready after `seconds`.
    """
    with log.open("ab") as output:
        running = started_child(argv, env=env, stdout=output.fileno(), stderr=output.fileno())
        with running as child:
            in_time = wait_until(lambda: child.poll() is not None or is_ready(), seconds=seconds)
            if child.poll() is not None:
                raise SandboxError(
                    f"{name} ended with status {child.returncode} before it was ready",
                    f"The end of its log says why:\n{log_tail(log)}",
                )
            if not in_time:
                raise SandboxError(
                    f"{name} was not ready after {seconds:.0f} s",
                    f"Try again when the machine is less busy. The end of its log:\n{log_tail(log)}",
                )
            yield child


def log_tail(log: Path) -> str:
    """Return the last lines of a log file, or a word that there are none."""
    with log.open(errors="replace") as lines:
        return "".join(deque(lines, maxlen=LOG_LINES)).rstrip() or "(its log is empty)"
