"""Tell that Dagster's daemon is silent, from another process: the daemon cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import dagster as dg

from release_assets.alerts.delivery import Sender
from release_assets.alerts.messages import daemon_is_silent
from release_assets.alerts.outbox import read_outbox, write_outbox
from release_assets.project import Project

KEY = "release_assets/watchdog"
SILENT_SECONDS = 300.0  # a daemon sends a heartbeat every 30 seconds


class Watchdog:
    """Looks at the heartbeat of the part of the daemon that ticks sensors."""

    def __init__(self, instance: dg.DagsterInstance, projects: Sequence[Project]) -> None:
        self.instance = instance
        self.projects = projects
        self._sender = Sender()

    def look(self, log: Callable[[str], None]) -> None:
        """Send an alert where the daemon is silent, once for each silence; retry what was not sent."""
        outbox = read_outbox(self.instance, KEY)
        heartbeat = self.instance.get_daemon_heartbeats().get("SENSOR")
        now = time.time()
        if heartbeat is not None and now - heartbeat.timestamp > SILENT_SECONDS:
            outbox.add_once(self.projects, daemon_is_silent(heartbeat.timestamp), now)

        def save() -> None:
            write_outbox(self.instance, outbox, KEY)

        if outbox.pending:
            save()
            targets = {delivery.target for delivery in outbox.pending}
            self._sender.send(outbox, targets=targets, save=save, log=log)
