"""Run workers that start at once: forked from a process that has loaded Dagster and this package.

Dagster's code server starts an interpreter for each run, which imports everything again: 2 s of CPU and more.
`python -m release_assets.run_workers` imports once, has no thread, and forks for each line that it reads.
It ends when its standard input is closed; the workers go on, as they do when a code server ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import dagster as dg

# What a run needs before its own definitions, which are loaded by each worker: they may have changed.
MODULES = (
    "dagster._cli.api",
    "dagster._core.executor.multiprocess",
    "release_assets.component",
    "release_assets.definitions",
    "upath.implementations.local",
)
FORK_SECONDS = 10.0
LOAD_SECONDS = 60.0  # it takes two; until then the first worker waits, as one of the code server's would
LOADED = "loaded\n"  # what it says when it can fork

CodeVersion = frozenset[tuple[str, int]]


class WorkersError(Exception):
    """No worker can be started."""


class RunWorkers:
    """The process that run workers are forked from, as its parent sees it."""

    def __init__(self) -> None:
        """Start it, and return while it loads: for two seconds."""
        # In our process group: what ends a daemon ends its run workers.
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()
        self._is_loaded = False

    def start(self, arguments: Sequence[str]) -> int:
        """Start a worker that runs `dagster` with these arguments; return its process id.

        Raises WorkersError where the process is gone or does not answer in time.
        """
        assert self._process.stdin is not None  # noqa: S101  (a pipe: see __init__)
        assert self._process.stdout is not None  # noqa: S101
        with self._lock:
            late = threading.Timer(FORK_SECONDS if self._is_loaded else LOAD_SECONDS, self._process.kill)
            late.start()
            try:
                if not self._is_loaded:
                    self._is_loaded = self._process.stdout.readline() == LOADED
                self._process.stdin.write(json.dumps(list(arguments)) + "\n")
                self._process.stdin.flush()
                return int(self._process.stdout.readline())
            except (OSError, ValueError) as error:
                raise WorkersError(f"no run worker was forked: {error}") from error
            finally:
                late.cancel()

    def end(self) -> None:
        """End it; the workers go on."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not sent has no reader anymore
                    stream.close()


def code_version() -> CodeVersion:
    """Return what changes when this package is edited, or anything is installed or removed next to it.

    These are times of modification: of this package's modules, and of the folders that hold distributions.
    """
    modules = Path(__file__).parent.rglob("*.py")
    folders = (Path(folder) for folder in sys.path if folder.endswith(("site-packages", "dist-packages")))
    found = set()
    for path in (*modules, *folders):
        with contextlib.suppress(FileNotFoundError):  # an upgrade is at work
            found.add((str(path), path.stat().st_mtime_ns))
    return frozenset(found)


def serve() -> None:
    """Fork a worker for each line of arguments on standard input, and print its process id."""
    for module in MODULES:
        importlib.import_module(module)
    _rehearse()
    (command,) = entry_points(group="console_scripts", name="dagster")
    dagster = command.load()
    gc.collect()
    gc.freeze()  # what is loaded stays shared between the workers
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets workers that have ended
    for number in (signal.SIGINT, signal.SIGTERM):  # of what ends the daemon
        signal.signal(number, signal.SIG_DFL)
    print(LOADED, end="", flush=True)
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _become_worker(json.loads(line))
            dagster()
            return
        print(pid, flush=True)


def _rehearse() -> None:
    """Do what loads the modules that Dagster imports late: open its storages, and run something."""

    @dg.asset
    def nothing() -> None:
        """Nothing."""

    logging.disable()
    with dg.DagsterInstance.get():
        pass
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([nothing], instance=instance)
    logging.disable(logging.NOTSET)
    if threading.active_count() > 1:
        raise RuntimeError(f"these threads would not survive a fork: {threading.enumerate()}")


def _become_worker(arguments: Sequence[str]) -> None:
    """Leave the parent's streams alone, and look like the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGTERM):  # as Dagster's commands have them, also in the background
        signal.signal(number, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what steps print is captured; the rest belongs to the daemon's log
    os.close(nothing)
    sys.argv = ["dagster", *arguments]


if __name__ == "__main__":
    serve()
