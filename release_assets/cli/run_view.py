"""Show how far a run is, node by node, by the events that Dagster records of it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import dagster as dg

from release_assets.text import printable

# Dagster announces a run's nodes by their names.
ORDER = (
    "version", "sdist", "wheel", "adopted_wheels", "approval", "pypi_publication", "github_release",
    "image_", "manifest_list", "floating_tags", "summary",
)  # fmt: skip
# As buildx's lines end: `pushing layers 12.3 of 60.0 MB, 5 s`.
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) of (\d+(?:\.\d+)?) (k?B|[MG]B)\b")


class State(StrEnum):
    """The state of a node."""

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
            return  # Dagster logs for each node after a failed one that it does not run
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
