"""Metadata of nodes: without secrets, with the seconds of each stage, as tables where there are rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from release_assets.text import redact


def clean_metadata(metadata: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """Return metadata without the secrets: a server that knows a token can put it into a URL or a text."""
    return {name: _clean(value, secrets) for name, value in metadata.items()}


def _clean(value: Any, secrets: Sequence[str]) -> Any:
    match value:
        case str():
            return redact(value, secrets)
        case dg.TextMetadataValue(text=text):
            return dg.MetadataValue.text(redact(text or "", secrets))
        case dg.UrlMetadataValue(url=url):
            return dg.MetadataValue.url(redact(url or "", secrets))
        case dg.MarkdownMetadataValue(md_str=text):
            return dg.MetadataValue.md(redact(text or "", secrets))
        case dg.TableMetadataValue(records=records):
            return table({name: _clean(cell, secrets) for name, cell in row.data.items()} for row in records)
    return value


def timings(seconds: Mapping[str, float], total: float | None) -> dict[str, dg.MetadataValue]:
    """Return the seconds of each stage and, where the node has ended, of all of it."""
    values: dict[str, dg.MetadataValue] = {
        f"seconds/{stage}": dg.MetadataValue.float(round(spent, 3)) for stage, spent in seconds.items()
    }
    if total is not None:
        values["seconds/total"] = dg.MetadataValue.float(round(total, 3))
    return values


def table(rows: Iterable[Mapping[str, str | int | float | bool]]) -> dg.MetadataValue:
    """Return rows as a table in the UI; there must be at least one."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
