"""The schedule storage of dagster.yaml: Dagster's own in SQLite, for sensors that tick every few seconds.

Dagster's opens the database for each statement, with a new SQLAlchemy engine that compiles the statement
again, and closes it as the last one, so that SQLite writes its log back each time. A tick is thirty such
statements: 40 ms of CPU in the daemon, against 10 with one engine. A PostgreSQL storage keeps its engine.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy

# Dagster exports neither its storages nor what they are configured with.
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

PURGE_SECONDS = 600.0  # Dagster purges after every tick
BUSY_SECONDS = 30.0  # for another process that writes, as Dagster's other storages wait


class PooledScheduleStorage(SqliteScheduleStorage):
    """Keeps ticks and cursors where Dagster's default storage does, with one engine for all statements."""

    def __init__(self, keep_skipped_hours: int, inst_data: ConfigurableClassData | None = None) -> None:
        """`keep_skipped_hours` is for ticks that launched nothing: Dagster's retention counts in days."""
        self.keep_skipped = timedelta(hours=keep_skipped_hours)
        self._purged: dict[tuple[str, tuple[TickStatus, ...]], float] = {}
        super().__init__("", inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the schema of `config` in dagster.yaml."""
        return {"keep_skipped_hours": dg.Field(int, default_value=2)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledScheduleStorage:
        """Return the storage for `config` in dagster.yaml."""
        return cls(config_value["keep_skipped_hours"], inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Open the database in the instance's folder, which the configuration does not know."""
        super().register_instance(instance)
        default = SqliteScheduleStorage.from_local(str(Path(instance.root_directory) / "schedules"))
        self._conn_string = default._conn_string

    @functools.cached_property
    def engine(self) -> sqlalchemy.Engine:
        """Return the engine, whose connections are used again."""
        return sqlalchemy.create_engine(self._conn_string, connect_args={"timeout": BUSY_SECONDS})

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """Yield a connection in a transaction."""
        with self.engine.begin() as connection:
            yield connection

    @functools.cached_property
    def _has_table(self) -> bool:
        return bool(super().has_instigators_table())

    def has_instigators_table(self) -> bool:
        """Return whether the database was migrated: looked up once, and not before each statement."""
        return self._has_table

    def has_built_index(self, migration_name: str) -> bool:
        """Return whether a migration was completed, looked up until it was."""
        built: set[str] = self.__dict__.setdefault("_built", set())
        if migration_name not in built and super().has_built_index(migration_name):
            built.add(migration_name)
        return migration_name in built

    def purge_ticks(
        self,
        origin_id: str,
        selector_id: str,
        before: float,
        tick_statuses: Sequence[TickStatus] | None = None,
    ) -> None:
        """Delete old ticks of a sensor, every ten minutes."""
        key = selector_id, tuple(tick_statuses or ())
        if time.monotonic() - self._purged.get(key, -PURGE_SECONDS) < PURGE_SECONDS:
            return
        self._purged[key] = time.monotonic()
        super().purge_ticks(origin_id, selector_id, before, tick_statuses)
        if TickStatus.SKIPPED in key[1]:
            recent = time.time() - self.keep_skipped.total_seconds()
            super().purge_ticks(origin_id, selector_id, max(before, recent), [TickStatus.SKIPPED])

    def dispose(self) -> None:
        """Close the connections."""
        self.engine.dispose()
