"""Copy an instance from SQLite to PostgreSQL: `python -m release_assets.move_storage OLD_DAGSTER_HOME`.

DAGSTER_HOME's dagster.yaml names the database, which must hold no run. Dagster has no such command. Tables
are the same in both, so rows are copied as they are and keep their ids, to which cursors and records refer.
SQLite keeps a run's events in a file of its own, and those of assets a second time in the index: the index is
copied first, then from each run's file what the index lacks, with new ids.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import click
import dagster as dg
import sqlalchemy as db

from release_assets.errors import ReleaseError

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
BATCH = 1000  # rows
# What belongs to the database itself, or to processes that have ended.
LEFT_OUT = {"alembic_version", "secondary_indexes", "instance_info", "daemon_heartbeats", "pending_steps"}


def move(old: Path, url: str) -> dict[str, int]:
    """Copy everything below a DAGSTER_HOME to the database and return the rows by table.

    Raises ReleaseError where there is nothing to copy, or the database holds runs; then it is unchanged.
    """
    tables = db.MetaData()
    copied: dict[str, int] = {}
    with _readable(old) as history, db.create_engine(url).begin() as target:  # all of it or nothing
        tables.reflect(target)
        if target.execute(db.select(db.func.count()).select_from(tables.tables["runs"])).scalar():
            raise ReleaseError("the database holds runs already", "Copy into an empty database, or leave it.")
        for file in (history / "runs.db", history / "runs" / "index.db", history / "schedules.db"):
            with closing(sqlite3.connect(file)) as source:
                for (name,) in source.execute(TABLES).fetchall():
                    if name in tables.tables and name not in LEFT_OUT:
                        rows = _rows(source, name)
                        copied[name] = copied.get(name, 0) + _insert(target, tables.tables[name], rows)
        _reset_sequences(target, tables)
        events = tables.tables["event_logs"]
        for file in sorted((history / "runs").glob("*.db")):
            if file.name != "index.db":
                copied["event_logs"] += _copy_events(file, target, events)
    return copied


@contextlib.contextmanager
def _readable(old: Path) -> Iterator[Path]:
    """Yield a copy of the files: SQLite writes next to a file to read it, and the old ones stay."""
    if not (old / "history" / "runs.db").is_file():
        raise ReleaseError(
            f"{old} has no history/runs.db",
            "Name the DAGSTER_HOME of an instance that keeps its runs in SQLite.",
        )
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder, "history")
        shutil.copytree(old / "history", history)
        for file in (old / "schedules").glob("schedules.db*"):
            shutil.copy(file, history)
        yield history


def _rows(source: sqlite3.Connection, table: str) -> Iterable[dict[str, object]]:
    cursor = source.execute(f'SELECT * FROM "{table}"')  # noqa: S608  (a name of the database's own)
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def _copy_events(file: Path, target: db.Connection, events: db.Table) -> int:
    """Copy the events of a run that the index lacks."""
    known = set(target.execute(db.select(events.c.event).where(events.c.run_id == file.stem)).scalars())
    with closing(sqlite3.connect(file)) as source:
        rows = [row for row in _rows(source, "event_logs") if row["event"] not in known]
    for row in rows:
        del row["id"]
    return _insert(target, events, rows)


def _insert(target: db.Connection, table: db.Table, rows: Iterable[dict[str, object]]) -> int:
    batch: list[dict[str, object]] = []
    count = 0
    for row in rows:
        batch.append(
            {name: _converted(table.c[name], value) for name, value in row.items() if name in table.c}
        )
        if len(batch) == BATCH:
            target.execute(table.insert(), batch)
            count, batch = count + len(batch), []
    if batch:
        target.execute(table.insert(), batch)
    return count + len(batch)


def _converted(column: db.Column[object], value: object) -> object:
    """Return a value as PostgreSQL's driver takes it: SQLite has neither booleans nor times."""
    if value is not None and isinstance(column.type, db.Boolean):
        return bool(value)
    return value


def _reset_sequences(target: db.Connection, tables: db.MetaData) -> None:
    for table in tables.tables.values():
        if "id" in table.c and isinstance(table.c["id"].type, db.Integer):
            target.execute(
                db.text(
                    "SELECT setval(pg_get_serial_sequence(:name, 'id'), COALESCE(MAX(id), 0) + 1, false) "  # noqa: S608
                    f'FROM "{table.name}"'
                ),
                {"name": table.name},
            )


@click.command()
@click.argument("old", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(old: Path) -> None:
    """Copy runs, events, partitions and cursors of the DAGSTER_HOME OLD to the database of this one."""
    try:
        with dg.DagsterInstance.get() as instance:
            url = getattr(instance.run_storage, "postgres_url", None)
            if url is None:
                raise ReleaseError(
                    "this instance does not use PostgreSQL", "Set DAGSTER_HOME to one that does."
                )
            copied = move(old, url)
    except ReleaseError as error:
        sys.exit(str(error))
    for name, count in sorted(copied.items()):
        click.echo(f"{name:30} {count}")


if __name__ == "__main__":
    main()
