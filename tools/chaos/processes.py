"""Find and kill the processes of one DAGSTER_HOME."""

from __future__ import annotations

from pathlib import Path

import psutil


def kill_everything_of(home: Path) -> int:
    """SIGKILL to every process that has this DAGSTER_HOME, all at once; how many there were."""
    found = processes_of(home)
    kill_all(found)
    return len(found)


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that have this DAGSTER_HOME.

    Those are daemon, code server, run workers and steps; what they have started has another environment.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DAGSTER_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL to these processes, and wait until they have ended."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)
