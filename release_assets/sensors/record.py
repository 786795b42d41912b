"""The record of a sensor: kept in Dagster's database, and only named by the cursor.

Dagster writes the cursor into the row of every tick. 2,000 tags would be 107 kB in each.
"""

from __future__ import annotations

import hashlib
import threading

import dagster as dg
from pydantic import BaseModel


class Place(BaseModel):
    """The place of a record, and a digest that shows whether it is still the one that was written."""

    slot: int
    digest: str


def write_record(instance: dg.DagsterInstance, name: str, text: str, replaced: Place | None) -> Place:
    """Keep `text` under a name and return its place, without touching the record that it replaces.

    A tick that fails after this keeps its cursor, and so the record before. The next one overwrites this.
    """
    digest = _digest(text)
    if replaced is not None and replaced.digest == digest:
        return replaced
    place = Place(slot=1 - replaced.slot if replaced else 0, digest=digest)
    # Dagster has no public key-value store. This one is in the run storage, in SQLite and in PostgreSQL.
    instance.daemon_cursor_storage.set_cursor_values({_key(name, place.slot): text})
    return place


def read_record(instance: dg.DagsterInstance, name: str, place: Place) -> str | None:
    """Return the record at a place, or None where it is gone or is another one."""
    key = _key(name, place.slot)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    return text if text is not None and _digest(text) == place.digest else None


def read_both(instance: dg.DagsterInstance, name: str) -> list[str]:
    """Return the records of a name, for those who have no cursor that tells which one counts."""
    keys = {_key(name, slot) for slot in (0, 1)}
    return [text for _, text in sorted(instance.daemon_cursor_storage.get_cursor_values(keys).items())]


def _key(name: str, slot: int) -> str:
    return f"release_assets/{name}/{slot}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Shared:
    """The instance of a code server's sensors. Opening one takes longer than everything else in a tick."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ref: object = None
        self.instance: dg.DagsterInstance | None = None


_shared = _Shared()


def shared_instance(context: dg.SensorEvaluationContext) -> dg.DagsterInstance:
    """Return the tick's instance; the same one for all ticks in a process."""
    ref = context.instance_ref
    if ref is None:
        return context.instance
    with _shared.lock:
        if _shared.instance is None or _shared.ref != ref:
            _shared.ref, _shared.instance = ref, dg.DagsterInstance.from_ref(ref)
        return _shared.instance
