"""The watchdog of `release-assets webhook`: a silent daemon is told by another process, once."""

from __future__ import annotations

import json
import time

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from release_assets.alerts.watchdog import Watchdog
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.alerts.test_release_alerts import IGNORED, project_with
from release_assets_tests.unit.sensors.conftest import instance as instance

pytestmark = IGNORED


def beat(instance: dg.DagsterInstance, seconds_ago: float) -> None:
    at = time.time() - seconds_ago
    instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", None, []))


def test_a_silent_daemon_is_told_once(
    instance: dg.DagsterInstance, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(Told(200))
    for which in ("ONE", "OTHER"):
        monkeypatch.setenv(f"ALERTS_{which}", f"json://{server.url.removeprefix('http://')}/{which}")
    projects = [
        project_with("ALERTS_ONE"),
        project_with("ALERTS_ONE", "ALERTS_OTHER", project="other"),
    ]
    problems: list[str] = []
    watchdog = Watchdog(instance, projects)
    watchdog.look(problems.append)  # no daemon ever ran
    beat(instance, 60)
    watchdog.look(problems.append)
    assert server.seen == []
    beat(instance, 400)
    watchdog.look(problems.append)
    watchdog.look(problems.append)
    Watchdog(instance, projects).look(problems.append)  # the server was restarted
    assert sorted(seen.path for seen in server.seen) == ["/ONE", "/OTHER"]
    alert = json.loads(server.seen[0].body)
    assert alert["title"].startswith("Dagster's daemon has been silent since ")
    assert "What to do: start dagster-daemon again" in alert["message"]
    beat(instance, 0)
    watchdog.look(problems.append)
    beat(instance, 301)
    watchdog.look(problems.append)
    assert len(server.seen) == 4
    assert problems == []
