"""Follow a run to its end by the instance's event log: the same wherever the run executes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import dagster as dg

from release_assets.cli.launch import Launcher, daemon_is_running
from release_assets.cli.run_view import RunView
from release_assets.errors import ReleaseError

LOOK_SECONDS = 0.3  # between two looks at the event log
RUN_SECONDS = 6 * 3600.0  # as max_runtime_seconds in dagster.yaml
QUEUE_SECONDS = 10.0  # after which a run in the queue is mentioned
TURN_SECONDS = 900.0  # without a daemon: for a run of the same project to end
ABANDONED = timedelta(minutes=3)  # for the worker of a run to start
AT_WORK = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
EVENTS = 500  # of one look
OUTPUT_BYTES = 64 * 1024  # of a step's output in one look: what is shown is its last line


class Display(Protocol):
    """The display of a run while it is followed."""

    is_live: bool  # what it showed is gone at the end

    def event(self, entry: dg.EventLogEntry) -> None:
        """Show one event, where every one is asked for."""

    def update(self, view: RunView) -> None:
        """Show how far the run is now."""

    def say(self, line: str) -> None:
        """Show a sentence that is about no single node."""


def follow(launcher: Launcher, project: str, run_id: str, display: Display) -> RunView:
    """Follow a run of a project to its end and return what it did.

    A queued run that no daemon starts is started here, when no other run of the project is at work. Raises
    ReleaseError where the run does not end within `RUN_SECONDS`, or its turn does not come in `TURN_SECONDS`.
    """
    instance = launcher.instance
    view = RunView(run_id)
    events = _Events(instance, view, display)
    started = time.monotonic()
    waits_for: str | None = None
    said_queued = False
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None:
            raise ReleaseError(
                f"run {run_id} was deleted while it was followed", "Run the same command again."
            )
        events.read()
        view.status = run.status
        display.update(view)
        if run.is_finished:
            return view
        seconds = time.monotonic() - started
        if run.status is dg.DagsterRunStatus.QUEUED:
            ahead = run_at_work(instance, project)
            is_ours = not daemon_is_running(instance)
            if ahead is not None and ahead != waits_for:
                display.say(f"waiting for run {ahead} of {project} to end")
                waits_for = ahead
            if ahead is None and not is_ours and seconds > QUEUE_SECONDS and not said_queued:
                display.say("waiting for Dagster's daemon to take the run from its queue")
                said_queued = True
            if ahead is None and is_ours:
                launcher.start(run_id)
            elif is_ours and seconds > TURN_SECONDS:
                launcher.terminate(run_id)
                raise ReleaseError(
                    f"run {ahead} of {project} has not ended within {TURN_SECONDS:.0f} s",
                    "Terminate it in Dagster's UI, or run the same command again when it has ended.",
                )
        elif launcher.has_lost_server:
            instance.report_run_failed(run, "the code server that the command line started has ended")
        if seconds > RUN_SECONDS:
            raise ReleaseError(
                f"run {run_id} has not ended within {RUN_SECONDS / 3600:.0f} hours",
                "Look at it in Dagster's UI, and terminate it there if it hangs.",
            )
        time.sleep(LOOK_SECONDS)


def run_at_work(instance: dg.DagsterInstance, project: str) -> str | None:
    """Return the id of a run of the project that has left the queue and has not ended, or None."""
    jobs = {f"{project}_release", f"{project}_docker"}
    for record in instance.get_run_records(dg.RunsFilter(statuses=AT_WORK)):
        run = record.dagster_run
        is_ours = run.job_name in jobs or any(key.path[0] == project for key in run.asset_selection or ())
        if is_ours and not _is_abandoned(instance, record):
            return run.run_id
    return None


def _is_abandoned(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Return True where a run's worker is gone, or never came.

    Without a daemon nobody ends such a run: a command that was killed must not block the next one.
    """
    run = record.dagster_run
    if run.status in {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING}:
        return datetime.now(UTC) - record.update_timestamp > ABANDONED
    launcher = instance.run_launcher
    if not launcher.supports_check_run_worker_health:
        return False
    return launcher.check_run_worker_health(run).status.name in {"NOT_FOUND", "FAILED"}


class _Events:
    """Reads what is new of a run: its events, and what its steps write."""

    def __init__(self, instance: dg.DagsterInstance, view: RunView, display: Display) -> None:
        self._instance = instance
        self._view = view
        self._display = display
        self._cursor: str | None = None
        self._outputs: dict[str, tuple[list[str], str | None]] = {}  # steps and cursor, by the log's key

    def read(self) -> None:
        for entry in self._new():
            event = entry.dagster_event
            if event is not None and event.event_type_value == "LOGS_CAPTURED":
                captured = event.logs_captured_data
                self._outputs[captured.file_key] = list(captured.step_keys), None
            self._view.apply(entry)
            self._display.event(entry)
        for key, (steps, cursor) in self._outputs.items():
            # Where logs are kept elsewhere, there may be nothing until the step has ended.
            data = self._instance.compute_log_manager.get_log_data(
                [self._view.run_id, "compute_logs", key], cursor, max_bytes=OUTPUT_BYTES
            )
            self._outputs[key] = steps, data.cursor
            if data.stdout:
                self._view.take_output(steps, data.stdout.decode(errors="replace"))

    def _new(self) -> Iterator[dg.EventLogEntry]:
        while True:
            records = self._instance.get_records_for_run(self._view.run_id, cursor=self._cursor, limit=EVENTS)
            yield from (record.event_log_entry for record in records.records)
            self._cursor = records.cursor
            if not records.has_more:
                return
