"""The record of release_tags: every tag that was ever seen, and which of them it launched."""

from __future__ import annotations

import dagster as dg
from pydantic import BaseModel

from release_assets.sensors.record import read_both


class SeenTags(BaseModel):
    """Every tag that was ever seen, with its last commit. Nothing is ever forgotten."""

    tags: dict[str, str]
    launched: dict[str, float] = {}  # when a tag's release was last launched, in seconds since 1970
    held: dict[str, list[tuple[str, str]]] = {}  # tags that wait, and the projects and tags they wait for
    attempts: dict[str, int] = {}  # of tags that were tried more than once, for the keys of their runs


def record_name(project: str) -> str:
    """Return the name under which the record of a project is kept."""
    return f"{project}/release_tags"


def read_seen(instance: dg.DagsterInstance, project: str) -> list[SeenTags]:
    """Return the record of the last tick, and the one before: a tick may be under way."""
    return [SeenTags.model_validate_json(text) for text in read_both(instance, record_name(project))]
