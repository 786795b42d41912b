"""Every child process starts here: own process group, scrubbed environment, bounded time and output.

A step that is killed, times out or is terminated in the UI must not leave a build or an upload behind,
and a child must not see what it does not need. No other module starts a process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from release_assets.text import redact

# What a child may know of its surroundings: where programs, certificates and proxies are. Everything else,
# every secret among it, is given by name to the one child that needs it.
PASSED_ON = frozenset({
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip

OUTPUT_LIMIT = 256 * 1024 * 1024  # bytes of both streams; standard output is kept for the caller
LINE_LIMIT = 1024 * 1024  # bytes; a longer line is cut, so that a child cannot fill our memory
TAIL_LINES = 40
TAIL_CHARACTERS = 70_000  # of a line in an error: what an HTTP reason phrase can have
GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Limits:
    """The bytes that a child may use while it talks to a server, which may send without an end.

    git reads a list of refs, and twine an answer, whole into memory, however long it is: seconds do not
    bound a server that is near.
    """

    memory: int  # that is written to: git maps its packs into a lot more
    file: int = 16 * 1024**3  # the packs of the largest projects


class CommandFailedError(Exception):
    """A child ended with a status other than 0, took too long, or could not be started."""

    def __init__(
        self, program: str, reason: str, tail: Sequence[str] = (), returncode: int | None = None
    ) -> None:
        """`tail` is the redacted end of its output; `returncode` is None when it never ended by itself."""
        self.program = program
        self.reason = reason
        self.tail = list(tail)
        self.returncode = returncode
        super().__init__("\n".join([f"{program} {reason}", *self.tail]))


class CommandTimedOutError(CommandFailedError):
    """A child was ended because its time was over, or because it had been silent for too long."""


def environment(**needed: str) -> dict[str, str]:
    """Return the surroundings of a child: those of `PASSED_ON` that are set here, then what it needs by name.

    Our own interpreter's scripts come first on PATH, so that twine and the credential helper are found
    even where the virtual environment was never activated.
    """
    passed_on = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    passed_on["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), passed_on.get("PATH", os.defpath)])
    return passed_on | needed


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    timeout: float,
    directory: Path | None = None,
    secrets: Iterable[str] = (),
    on_line: Callable[[str], None] | None = None,
    silence: float | Callable[[], float] | None = None,
    limits: Limits | None = None,
    encoding: str = "utf-8",
    umask: int | None = None,
) -> str:
    """Run a child to its end and return what it wrote to standard output.

    `env` is its whole environment. `timeout` and `silence` are seconds: in all, and without a line, which may
    depend on what it said last. `umask` decides the modes of the files that it writes; None is our own.
    `on_line` gets every line of both streams as it comes, redacted. Nothing is read from our standard input.
    Raises CommandFailedError; the child's whole process group is gone when this returns or raises.
    """
    program = Path(argv[0]).name
    secrets = tuple(secrets)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    output: list[bytes] = []
    size = 0

    def say(raw: bytes) -> None:
        # Redacted before it is cut: half a secret would not be recognized.
        line = redact(raw.decode(errors="replace").rstrip("\r\n"), secrets)[:LINE_LIMIT]
        tail.append(line[:TAIL_CHARACTERS])
        if on_line is not None:
            on_line(line)

    started = heard = time.monotonic()
    with started_child(
        argv,
        env=env,
        directory=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        dies_with_us=True,
        limits=limits,
        umask=umask,
    ) as child:
        for is_stdout, chunk in _chunks(child):
            now = time.monotonic()
            if chunk is None:
                if now - started > timeout:
                    raise CommandTimedOutError(
                        program, f"was ended after {timeout:.0f} s, its time limit", tail
                    )
                patience = silence() if callable(silence) else silence
                if patience is not None and now - heard > patience:
                    raise CommandTimedOutError(program, f"timed out: no output for {patience:.0f} s", tail)
                continue
            heard = now
            # Both streams: what a child prints without an end would fill the disk with its step's log.
            size += len(chunk)
            if size > OUTPUT_LIMIT:
                raise CommandFailedError(program, f"wrote more than {OUTPUT_LIMIT} bytes", tail)
            if is_stdout:
                output.append(chunk)
            say(chunk)
            if now - started > timeout:
                raise CommandTimedOutError(program, f"was ended after {timeout:.0f} s, its time limit", tail)
        returncode = child.wait()
    if returncode != 0:
        reason = (
            f"was ended by signal {-returncode}"
            if returncode < 0
            else f"failed with exit status {returncode}"
        )
        raise CommandFailedError(program, reason, tail, returncode)
    return b"".join(output).decode(encoding, errors="replace")


def _chunks(child: subprocess.Popen[bytes]) -> Iterator[tuple[bool, bytes | None]]:
    """Lines as (from standard output?, bytes), and (False, None) at least twice a second to look at the time.

    A very long line comes in pieces. Ends when the child has ended and both streams have, or half a second
    after the child: a grandchild that still holds a pipe must not keep us.
    """
    assert child.stdout is not None  # noqa: S101  (both are pipes: see run)
    assert child.stderr is not None  # noqa: S101
    rest = {child.stdout: b"", child.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for stream in rest:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout=0.5)
            if child.poll() is not None:
                if not ready:
                    break
                end_group(child)  # what it left behind would talk on
            for key, _ in ready:
                stream = child.stdout if key.fileobj is child.stdout else child.stderr
                chunk = os.read(stream.fileno(), 65536)
                if not chunk:
                    selector.unregister(stream)
                    continue
                *lines, last = _lines(rest[stream] + chunk)
                rest[stream] = last
                for line in lines:
                    yield stream is child.stdout, line
            yield False, None
    for stream, last in rest.items():
        if last:
            yield stream is child.stdout, last
    while child.poll() is None:  # it has closed its output and works on
        yield False, None
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.1)  # looks often at first: most children end at once, and a node has many


def _lines(text: bytes) -> list[bytes]:
    """Return the whole lines in `text` with their ends, then what is left: `LINE_LIMIT` at most."""
    *lines, last = text.split(b"\n")
    lines = [line + b"\n" for line in lines]
    return [*lines, last, b""] if len(last) > LINE_LIMIT else [*lines, last]


@contextlib.contextmanager
def started_child(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    directory: Path | None = None,
    stdout: int,
    stderr: int,
    dies_with_us: bool = False,
    limits: Limits | None = None,
    umask: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a child that runs inside the block, and whose whole process group is gone after it.

    `stdout` and `stderr` are as for Popen: a file descriptor or subprocess.PIPE. `dies_with_us` is for a
    child that the thread which starts it also waits for: the kernel ends it together with that thread.
    Raises CommandFailedError when the program cannot be started.
    """
    program = Path(argv[0]).name
    if shutil.which(argv[0], path=env.get("PATH")) is None:
        reason = "could not be started: it is not executable" if Path(argv[0]).exists() else None
        raise CommandFailedError(program, reason or f"was not found: {os.fspath(argv[0])} does not exist")
    if directory is not None and not directory.is_dir():
        raise CommandFailedError(program, f"was not found: {directory} does not exist")
    try:
        child = subprocess.Popen(
            [*_begins_with(dies_with_us), *_limited(limits), *(os.fspath(part) for part in argv)],
            env=dict(env),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            umask=-1 if umask is None else umask,
        )
    except OSError as error:
        raise CommandFailedError(program, f"could not be started: {error}") from error
    try:
        yield child
    finally:
        end_group(child)
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


@functools.cache
def _begins_with(dies_with_us: bool) -> tuple[str, ...]:
    """Return what a command line begins with, where the machine has it (Linux with GNU's env and util-linux).

    Signals are at their defaults: in the background SIGINT is ignored, Dagster does the same to SIGTERM, and
    children inherit it, so that none would end when it is told to. And the kernel ends the child when its
    parent thread dies: a worker that is killed with SIGKILL runs no `finally`, its build would go on.
    """
    signals = ("env", "--default-signal=INT,QUIT,TERM")
    death = ("setpriv", "--pdeathsig", "TERM", "--")
    wanted = (*signals, *death) if dies_with_us else signals
    for prefix in (wanted, signals):
        try:
            tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=GRACE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0:
            return prefix
    return ()


def _limited(limits: Limits | None) -> list[str]:
    """Return what a command line goes on with, where the machine has util-linux.

    Python could set limits only between fork and exec, where other threads' locks are held.
    """
    if limits is None or shutil.which("prlimit") is None:
        return []
    return ["prlimit", f"--data={limits.memory}", f"--fsize={limits.file}", "--"]


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child and everything it started: SIGTERM, then SIGKILL after `GRACE_SECONDS`."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
    # Also when the child itself has ended: what it left behind in its group is of use to nobody.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
