"""The run launcher of dagster.yaml: Dagster's own, with workers that start at once and are watched.

Killed together with its daemon and code server (a machine that lost power, an OOM killer), a worker leaves
its run STARTED: nobody is left who would tell, and the run would keep its project's pool for hours. Dagster's
run monitoring asks the launcher for each run's health, but the default launcher has no answer.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher

# A launcher must answer with these, and nowhere else does Dagster export them. DockerRunLauncher and
# K8sRunLauncher start workers with the same arguments.
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs

from release_assets.run_machine import Machine, this_machine
from release_assets.run_workers import CodeVersion, RunWorkers, WorkersError, code_version

# What a worker says first of all; there is no other record of its process id.
STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
CLOCK_SECONDS = 2.0  # by which the kernel's times of start may be off
WORKER = ".release_assets/run_worker"  # the run tag that says where a run's worker is

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunWorker:
    """A run's worker, as the run's tag tells it."""

    run: str  # a run that retries another one has that one's tags
    machine: Machine
    pid: int | None  # None where the code server started it, and it says so itself
    since: float  # seconds since 1970, when it lived

    @property
    def is_here(self) -> bool:
        """Return whether its process is one that we can see."""
        return self.machine == this_machine()


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs on this machine: in forked workers, or as the default launcher does.

    `forks` is what a daemon does. A command that ends with its runs leaves them to its code server, which
    ends them and keeps their output to itself.
    """

    forks = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lock = threading.Lock()
        self._workers: tuple[CodeVersion, RunWorkers] | None = None

    def launch_run(self, context: LaunchRunContext) -> None:
        """Fork a worker for the run, where its code location is one of this machine and this interpreter."""
        run, origin = context.dagster_run, context.dagster_run.job_code_origin
        if not self.forks or origin is None or not has_this_code(context):
            self._launch_by_code_server(context)
            return
        arguments = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref())
        try:
            pid = self._current_workers().start(["api", *arguments.get_command_args()[-2:]])
        except WorkersError as error:
            logger.warning("%s; the code server starts one", error)
            self._launch_by_code_server(context)
        else:
            self._record(run, pid)

    def _launch_by_code_server(self, context: LaunchRunContext) -> None:
        super().launch_run(context)
        if is_reached_by_socket(context):
            self._record(context.dagster_run, None)

    def _record(self, run: DagsterRun, pid: int | None) -> None:
        worker = RunWorker(run.run_id, this_machine(), pid, time.time())
        self._instance.add_run_tags(run.run_id, {WORKER: json.dumps(asdict(worker))})

    def _current_workers(self) -> RunWorkers:
        """Return what workers are forked from: another process after an upgrade.

        A code server does not show that: a daemon starts a new one each minute.
        """
        installed = code_version()
        with self._lock:
            if self._workers is None or self._workers[0] != installed:
                self._end_workers()
                self._workers = installed, RunWorkers()
            return self._workers[1]

    def _end_workers(self) -> None:
        if self._workers is not None:
            self._workers[1].end()
            self._workers = None

    def terminate(self, run_id: str) -> bool:
        """Tell the run's worker to stop. Return False where that is not possible from here."""
        run = self._instance.get_run_by_id(run_id)
        worker = recorded_worker(run) if run is not None else None
        if run is None or worker is None or worker.pid is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished or not worker.is_here:
            return False
        self._instance.report_run_canceling(run)
        if not is_alive(worker.pid, started_before=worker.since):
            return False
        os.kill(worker.pid, signal.SIGTERM)
        return True

    def dispose(self) -> None:
        """End the process that workers are forked from; the workers go on."""
        self._end_workers()
        super().dispose()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return True: run monitoring checks the workers."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of the run lives. Where that cannot be told it is taken to live."""
        worker, here = recorded_worker(run), this_machine()
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "nothing tells where its worker is")
        if worker.machine.was_restarted_as(here):
            return CheckRunHealthResult(
                WorkerStatus.NOT_FOUND, "its worker ended when its machine or container was restarted"
            )
        if not worker.is_here:
            return CheckRunHealthResult(
                WorkerStatus.RUNNING, "its worker is on another machine or in another container"
            )
        said = (worker.pid, worker.since) if worker.pid else worker_of(self._instance, run.run_id)
        if said is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its worker has not reported its process id")
        pid, since = said
        if is_alive(pid, started_before=since):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its worker process {pid} no longer exists")


def has_this_code(context: LaunchRunContext) -> bool:
    """Return True where a worker of ours has the code that the run's code server has.

    It might not where the server is reached through a port, which may lead into a container, and where it
    has another interpreter or an image. Where a process cannot be forked safely there is no worker of ours.
    """
    run, origin = context.dagster_run, context.dagster_run.job_code_origin
    if (
        sys.platform != "linux"
        or origin is None
        or run.remote_job_origin is None
        or context.workspace is None
    ):
        return False
    repository = origin.repository_origin
    if repository.container_image is not None or repository.executable_path != sys.executable:
        return False
    return is_reached_by_socket(context)


def is_reached_by_socket(context: LaunchRunContext) -> bool:
    """Return whether the run's code server is on this machine for certain: a port may lead elsewhere."""
    origin = context.dagster_run.remote_job_origin
    if origin is None or context.workspace is None:
        return False
    location = origin.repository_origin.code_location_origin.location_name
    server = context.workspace.get_code_location(location)
    return getattr(getattr(server, "client", None), "socket", None) is not None


def recorded_worker(run: DagsterRun) -> RunWorker | None:
    """Return the worker that the run's tag tells of; or None without one."""
    tag = run.tags.get(WORKER)
    if tag is None:
        return None
    values = json.loads(tag)
    worker = RunWorker(**values | {"machine": Machine(**values["machine"])})
    return worker if worker.run == run.run_id else None


def worker_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Return the process id that a run's last worker reported, and when (seconds since 1970); or None."""
    events = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT).records
    for record in reversed(events):
        entry = record.event_log_entry
        if match := STARTED.search(entry.user_message or entry.message):
            return int(match[1]), entry.timestamp
    return None


def is_alive(pid: int, *, started_before: float) -> bool:
    """Return True where the process that had this id at a time (seconds since 1970) still lives.

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
