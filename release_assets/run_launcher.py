"""The run launcher of dagster.yaml: Dagster's own, which also notices that a run's worker is gone.

Killed together with its daemon and code server (a machine that lost power, an OOM killer), a worker leaves
its run STARTED: nobody is left who would tell, and the run would keep its project's pool for hours. Dagster's
run monitoring asks the launcher for each run's health, but the default launcher has no answer.
"""

from __future__ import annotations

import json
import re

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher

# A launcher must answer with these, and nowhere else does Dagster export them.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

# What a worker says first of all; there is no other record of its process id.
STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
CLOCK_SECONDS = 2.0  # by which the kernel's times of start may be off


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs as Dagster's default launcher does, in processes of the code server on this machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """That run monitoring shall ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of the run lives. Where that cannot be told it is taken to live."""
        server = json.loads(run.tags.get(".dagster/grpc_info", "{}"))
        if "socket" not in server and server.get("host") not in {"localhost", "127.0.0.1"}:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is on another machine")
        worker = worker_of(self._instance, run.run_id)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said its process id")
        pid, since = worker
        if is_alive(pid, started_before=since):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, f"its process {pid} is gone, and so was everybody who could tell"
        )


def worker_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process id of a run's last worker, and when it said so in seconds since 1970; or None."""
    events = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT).records
    for record in reversed(events):
        entry = record.event_log_entry
        if match := STARTED.search(entry.user_message or entry.message):
            return int(match[1]), entry.timestamp
    return None


def is_alive(pid: int, *, started_before: float) -> bool:
    """Whether the process that had this id at a time (seconds since 1970) lives still.

    Ids are used again: a process that started later is another one.
    """
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and process.create_time() <= started_before + CLOCK_SECONDS
        )
    except psutil.NoSuchProcess:
        return False
