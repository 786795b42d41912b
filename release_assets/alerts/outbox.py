"""The outbox: what was looked at, and which alerts wait for which target. Kept in Dagster's database.

It is written after each alert that was sent, not at the tick's end: a tick that fails later sends none twice.
Targets are named by their variables; their URLs are nowhere in it.
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from pydantic import BaseModel

from release_assets.alerts.messages import Alert, Level
from release_assets.project import Project

KEY = "release_assets/release_alerts"  # of the sensor
# Two targets of fifty projects for a day of failures; what is older is dropped first.
MOST = 1000
FIRST_WAIT = 30.0  # seconds; doubled each time
LONGEST_WAIT = 3600.0
TOLD_SECONDS = 30 * 86400.0


class Delivery(BaseModel):
    """An alert for one target."""

    id: str
    project: str
    level: Level
    title: str
    body: str
    target: str  # the name of a variable
    tries: int = 0
    due: float = 0.0  # seconds since 1970


class Outbox(BaseModel):
    """The state of release_alerts. Times are seconds since 1970."""

    since: float | None = None  # runs that ended before were looked at; None before the first tick
    handled: dict[str, float] = {}  # the runs near `since`, with their ends
    last_tick: float | None = None
    awake_since: float = 0.0
    heard: dict[str, float] = {}  # sensors, with their last success
    uploads: dict[str, float] = {}  # "project tag": when an upload began that was not completed
    told: dict[str, float] = {}  # ids of alerts that are not about a run
    pending: list[Delivery] = []

    def add(self, project: Project, alert: Alert) -> None:
        """Put an alert in for each target of a project, once for each, where its level is sent."""
        if project.alerts is None or alert.level not in project.alerts.levels:
            return
        there = {(one.id, one.target) for one in self.pending}
        for target in dict.fromkeys(project.alerts.targets_env):
            if (alert.id, target) not in there:
                self.pending.append(Delivery(**vars(alert), target=target))
        del self.pending[:-MOST]

    def add_once(self, projects: Iterable[Project], alert: Alert, now: float) -> None:
        """Put an alert in for these projects, unless one with its id was there within a month."""
        if alert.id not in self.told:
            self.told[alert.id] = now
            for project in projects:
                self.add(project, alert)
        self.told = {id_: at for id_, at in self.told.items() if now - at < TOLD_SECONDS}

    def next_for(self, target: str, now: float) -> Delivery | None:
        """Return the target's first alert, or None where there is none or it is not due yet."""
        first = next((one for one in self.pending if one.target == target), None)
        return first if first is not None and first.due <= now else None

    def sent(self, delivery: Delivery) -> None:
        """Take a delivery out."""
        self.pending = [one for one in self.pending if (one.id, one.target) != (delivery.id, delivery.target)]

    def failed(self, delivery: Delivery, now: float) -> float:
        """Put a delivery off and return for how many seconds; the target's others wait behind it."""
        for one in self.pending:
            if (one.id, one.target) == (delivery.id, delivery.target):
                wait = min(FIRST_WAIT * 2.0**one.tries, LONGEST_WAIT)
                one.tries, one.due = one.tries + 1, now + wait
                return wait
        return 0.0


def read_outbox(instance: dg.DagsterInstance, key: str = KEY) -> Outbox:
    """Return the outbox with this key; an empty one before it was written."""
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    return Outbox.model_validate_json(text) if text else Outbox()


def write_outbox(instance: dg.DagsterInstance, outbox: Outbox, key: str = KEY) -> None:
    """Keep the outbox."""
    instance.daemon_cursor_storage.set_cursor_values({key: outbox.model_dump_json()})
