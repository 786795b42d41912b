"""The storage of ticks and cursors in dagster.yaml: Dagster's own database, with one engine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from release_assets import schedule_storage
from release_assets.schedule_storage import PooledScheduleStorage
from tools.sandbox.stack import DAGSTER_YAML

HOUR, DAY = 3_600.0, 86_400.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the dagster.yaml that users copy."""
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML.read_text())
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


def add_tick(instance: dg.DagsterInstance, status: TickStatus, age: float) -> None:
    instance.create_tick(
        TickData(
            "origin",
            "sensor",
            InstigatorType.SENSOR,
            status,
            time.time() - age,
            run_ids=[],
            error=SerializableErrorInfo("failed", [], None) if status is TickStatus.FAILURE else None,
            selector_id="s",
        )
    )


def kept(instance: dg.DagsterInstance) -> list[tuple[TickStatus, int]]:
    """Return status and age in hours of the ticks that are left, the newest first."""
    ticks = instance.get_ticks("origin", "s")
    return [(tick.status, round((time.time() - tick.timestamp) / HOUR)) for tick in ticks]


def purge(instance: dg.DagsterInstance) -> None:
    """Purge as Dagster's daemon does after each tick, by dagster.yaml."""
    for status, days in instance.get_tick_retention_settings(InstigatorType.SENSOR).items():
        instance.purge_ticks("origin", "s", time.time() - days * DAY, [status])


def test_the_database_is_dagsters_own(instance: dg.DagsterInstance, home: Path) -> None:
    assert isinstance(instance.schedule_storage, PooledScheduleStorage)
    add_tick(instance, TickStatus.SUCCESS, 0)
    with sqlite3.connect(home / "schedules" / "schedules.db") as database:
        assert database.execute("select count(*) from job_ticks").fetchone() == (1,)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as default:
        assert not isinstance(default.schedule_storage, PooledScheduleStorage)
        assert kept(default) == [(TickStatus.SUCCESS, 0)]


def test_a_process_makes_one_engine_and_one_connection(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = instance.schedule_storage
    assert isinstance(storage, PooledScheduleStorage)
    opened: list[object] = []
    sqlalchemy.event.listen(storage.engine, "connect", lambda *connection: opened.append(connection))
    monkeypatch.setattr(sqlalchemy, "create_engine", lambda *_, **__: pytest.fail("another engine"))
    for _ in range(10):
        add_tick(instance, TickStatus.SKIPPED, 0)
        instance.all_instigator_state()
    assert len(opened) == 1


def test_ticks_are_kept_by_dagster_yaml_and_quiet_ones_for_hours(instance: dg.DagsterInstance) -> None:
    for status in (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE):
        for age in (0.0, HOUR, 3 * HOUR, 2 * DAY, 31 * DAY, 91 * DAY):
            add_tick(instance, status, age)
    purge(instance)
    of = {status: [hours for found, hours in kept(instance) if found is status] for status in TickStatus}
    assert of[TickStatus.SKIPPED] == [0, 1]
    assert of[TickStatus.FAILURE] == [0, 1, 3, 48]
    assert of[TickStatus.SUCCESS] == [0, 1, 3, 48, 31 * 24]


def test_ticks_are_purged_every_few_minutes(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        add_tick(instance, TickStatus.SKIPPED, DAY)
        purge(instance)
    assert kept(instance) == [(TickStatus.SKIPPED, 24)]
    monkeypatch.setattr(schedule_storage, "PURGE_SECONDS", 0.0)
    purge(instance)
    assert kept(instance) == []
