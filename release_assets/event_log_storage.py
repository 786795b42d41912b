"""The event log storage of dagster.yaml: Dagster's own in SQLite, for runs that write an event every few ms.

Dagster's makes a new SQLAlchemy engine for each statement, opens the database, compiles the statement again,
and closes the database as the last one, so that SQLite writes its log back each time: 10 to 20 ms for an
event. A run has a hundred of them, one after the other. A PostgreSQL storage keeps its engine.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy

# Dagster exports neither its storages nor what they are configured with.
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import StaticPool

OPEN = 8  # databases that are kept open: one for each run at work, and the index of all runs
BUSY_SECONDS = 30.0  # for another process that writes, as Dagster waits


class PooledEventLogStorage(SqliteEventLogStorage):
    """Keeps events where Dagster's default storage does, in databases that stay open."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Wait for the instance, which knows the folder."""
        self._engines: OrderedDict[str, sqlalchemy.Engine] = OrderedDict()
        self._inst_data = inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the schema of `config` in dagster.yaml: there is none."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledEventLogStorage:
        """Return the storage for `config` in dagster.yaml."""
        return cls(inst_data, **config_value)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Open the databases in the instance's folder, where Dagster's default storage has them."""
        folder = Path(instance.root_directory) / "history" / "runs"
        super().__init__(str(folder), self._inst_data)
        super().register_instance(instance)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        """Yield a connection to the database of a run, or of the index of all runs, in a transaction."""
        with self._db_lock:
            with self._engine(shard).begin() as connection:
                database = connection.connection.driver_connection
                before = getattr(database, "total_changes", 0)
                yield connection
            if getattr(database, "total_changes", 0) != before:
                # The UI follows a run by its file, which SQLite itself writes to at checkpoints only.
                os.utime(self.path_for_shard(shard))

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        if shard in self._initialized_dbs and shard in self._engines:
            self._engines.move_to_end(shard)
            return self._engines[shard]
        self._forget(shard)  # its file was removed
        engine = sqlalchemy.create_engine(
            self.conn_string_for_shard(shard),
            # One connection, which one thread at a time has: see the lock.
            poolclass=StaticPool,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        sqlalchemy.event.listen(engine, "connect", _sync_at_checkpoints)
        self._initdb(engine)
        self._initialized_dbs.add(shard)
        self._engines[shard] = engine
        while len(self._engines) > OPEN:
            self._forget(next(iter(self._engines)))
        return engine

    def _forget(self, shard: str) -> None:
        engine = self._engines.pop(shard, None)
        if engine is not None:
            engine.dispose()

    def dispose(self) -> None:
        """Close the databases."""
        for shard in list(self._engines):
            self._forget(shard)
        super().dispose()


def _sync_at_checkpoints(connection: Any, _: object) -> None:
    """Wait for the disk at checkpoints only: what a power failure takes is observed again, not remembered."""
    connection.execute("PRAGMA synchronous=NORMAL")
