"""Follow a run, node by node, from the instance's event log: the same wherever the run executes."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import dagster as dg

from release_assets.cli.launch import Launcher, daemon_is_running
from release_assets.errors import ReleaseError
from release_assets.text import printable

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
# Dagster announces a run's nodes by their names.
ORDER = (
    "version", "sdist", "wheel", "adopted_wheels", "approval", "pypi_publication", "github_release",
    "image_", "manifest_list", "floating_tags", "summary",
)  # fmt: skip
# As buildx's lines end: `pushing layers 12.3 of 60.0 MB, 5 s`.
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) of (\d+(?:\.\d+)?) (k?B|[MG]B)\b")


class State(StrEnum):
    """The progress of a node."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Reason:
    """The reason of a failure, and what to do."""

    problem: str
    remedy: str


@dataclass
class Node:
    """One node of a run; times are seconds since 1970."""

    name: str
    state: State = State.WAITING
    started: float | None = None
    ended: float | None = None
    retries: int = 0
    line: str = ""  # the last one that it wrote
    amount: tuple[float, float, str] | None = None  # transferred, of how much, in which unit
    failure: Reason | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def seconds(self, now: float) -> float:
        """Return for how long the node has been at work until `now`, or until its end."""
        return max(0.0, (self.ended or now) - self.started) if self.started is not None else 0.0


@dataclass
class RunView:
    """A run as its events tell it."""

    run_id: str
    nodes: dict[str, Node] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: Reason | None = None  # of the run itself: its worker died, or somebody ended it
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED

    @property
    def is_success(self) -> bool:
        """True where the whole run succeeded."""
        return self.status is dg.DagsterRunStatus.SUCCESS

    @property
    def failures(self) -> dict[str, Reason]:
        """The reasons of the nodes that failed, the first one first; else the run's own, under its id."""
        found = {node.name: node.failure for node in self.nodes.values() if node.failure is not None}
        return found or ({f"run {self.run_id}": self.failure} if self.failure is not None else {})

    @property
    def in_order(self) -> list[Node]:
        """The nodes that have begun, in that order, then those that wait, as the graph has them."""

        def rank(node: Node) -> tuple[float, int]:
            known = next(
                (number for number, name in enumerate(ORDER) if node.name.startswith(name)), len(ORDER)
            )
            return node.started if node.started is not None else math.inf, known

        return sorted(self.nodes.values(), key=rank)

    def apply(self, entry: dg.EventLogEntry) -> None:
        """Take one event, in their order."""
        event = entry.dagster_event
        if event is None:
            self._take_message(entry)
            return
        kind = event.event_type_value
        if kind == "ASSET_MATERIALIZATION_PLANNED" and event.asset_key is not None:
            self._node(event.asset_key.path[-1])
        elif kind == "ASSET_MATERIALIZATION" and event.asset_key is not None:
            materialization = event.step_materialization_data.materialization
            self._node(event.asset_key.path[-1]).metadata = {
                name: value.value for name, value in materialization.metadata.items()
            }
        elif kind == "ASSET_CHECK_EVALUATION":
            found = event.asset_check_evaluation_data
            if not found.passed:
                words = printable(found.description or "failed")
                self.warnings.append(f"{found.asset_key.path[-1]}: {found.check_name}: {words}")
        elif kind in {"RUN_FAILURE", "PIPELINE_FAILURE"}:
            self.failure = Reason(
                printable(event.message or "the run failed"),
                f"Run {self.run_id} in Dagster's UI shows the rest.",
            )
        elif kind in {"RUN_CANCELED", "PIPELINE_CANCELED"}:
            self.failure = Reason("the run was ended", "What is published stays. Run the same command again.")
        elif event.step_key is not None:
            self._take_step(self._node(_node_of(event.step_key)), kind, event, entry.timestamp)

    def _take_step(self, node: Node, kind: str, event: dg.DagsterEvent, when: float) -> None:
        match kind:
            case "STEP_START" | "STEP_RESTARTED":
                node.state = State.RUNNING
                node.started = node.started or when
                node.line, node.amount = "", None
            case "STEP_UP_FOR_RETRY":
                node.state, node.retries = State.RETRYING, node.retries + 1
                error = event.step_retry_data.error
                node.line = _first_line(_told(error.cause or error) if error is not None else "")
            case "STEP_SUCCESS":
                node.state, node.ended = State.DONE, when
            case "STEP_FAILURE":
                node.state, node.ended = State.FAILED, when
                node.failure = _reason(event)

    def _take_message(self, entry: dg.EventLogEntry) -> None:
        if entry.step_key is None:
            return
        node = self._node(_node_of(entry.step_key))
        if node.started is None:
            return  # Dagster reports for each node after one that failed that it does not run
        node.line = _first_line(entry.user_message)
        if int(entry.level) >= logging.WARNING:
            self.warnings.append(f"{node.name}: {printable(entry.user_message)}")

    def take_output(self, step_keys: list[str], text: str) -> None:
        """Take what the steps wrote to their standard output: the last line, and how much is transferred."""
        lines = [line for line in text.splitlines() if line.strip()]
        at_work = [
            node
            for key in step_keys
            if (node := self.nodes.get(_node_of(key))) is not None and node.state is State.RUNNING
        ]
        if not lines or len(at_work) != 1:
            return
        (node,) = at_work
        node.line = _first_line(lines[-1])
        amount = AMOUNT.search(lines[-1])
        node.amount = (float(amount[1]), float(amount[2]), amount[3]) if amount else None

    def _node(self, name: str) -> Node:
        return self.nodes.setdefault(name, Node(name))


def _node_of(step_key: str) -> str:
    """Return `sdist` for the step `mypackage__sdist`."""
    return step_key.rpartition("__")[2]


def _first_line(text: str) -> str:
    return next((line.strip() for line in printable(text).splitlines() if line.strip()), "")


def _told(error: Any) -> str:
    """Return the words of an error that Dagster recorded, without the name of its class."""
    return str(error.message).strip().removeprefix("dagster._core.definitions.events.Failure: ")


def _reason(event: dg.DagsterEvent) -> Reason:
    """Return why a step failed, in the words of its own failure where it has one."""
    data = event.step_failure_data
    told = data.user_failure_data
    if told is not None:
        metadata: Mapping[str, Any] = told.metadata or {}
        problem, remedy = (metadata.get(name) for name in ("problem", "what_to_do"))
        if problem is not None and remedy is not None:
            return Reason(printable(str(problem.value)), printable(str(remedy.value)))
        if told.description:
            return Reason(printable(told.description), "")
    return Reason(printable(_told(data.error)) if data.error is not None else "it failed", "")


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
