"""Read Dagster's records of releases: the metadata of each node, and for how long it worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from release_assets.destinations.git import Mirror
from release_assets.errors import ReleaseError
from release_assets.nodes.image_step import image_name
from release_assets.notes.previous import previous_release
from release_assets.planning.changes import Change
from release_assets.planning.estimate import NODE_SECONDS, Records
from release_assets.planning.world import change_since
from release_assets.project import Project
from release_assets.rules.tags import ParsedTag, Release, channel_of, parse_tag

RELEASES = 10  # whose seconds are looked at


def recorded_metadata(instance: dg.DagsterInstance, project: Project, node: str, tag: str) -> dict[str, Any]:
    """Return the newest metadata of a node for a release as plain values; {} where there is none."""
    for _, metadata in _materializations(instance, project, node, tag=tag, limit=1):
        return metadata
    return {}


def recorded_seconds(
    instance: dg.DagsterInstance, project: Project, remote_tags: Mapping[str, str], mirror: Mirror
) -> Records:
    """Return for how long the nodes of the last releases worked, images by what had changed before them."""
    nodes = {
        node: [
            seconds
            for _, metadata in _materializations(instance, project, node, limit=RELEASES)
            if (seconds := _seconds(metadata)) is not None
        ]
        for node in NODE_SECONDS
    }
    slowest: dict[str, float] = {}
    for platform in project.image.platforms if project.image is not None else ():
        newest: dict[str, float] = {}
        for tag, metadata in _materializations(instance, project, image_name(platform), limit=RELEASES):
            if (seconds := _seconds(metadata)) is not None:
                newest.setdefault(tag, seconds)
        for tag, seconds in newest.items():
            slowest[tag] = max(slowest.get(tag, 0.0), seconds)
    images: dict[Change, list[float]] = {}
    for tag, seconds in slowest.items():
        change = _change_of(project, tag, remote_tags, mirror)
        if change is not None:
            images.setdefault(change, []).append(seconds)
    return Records(nodes, images)


def _change_of(project: Project, tag: str, remote_tags: Mapping[str, str], mirror: Mirror) -> Change | None:
    """Return what had changed before a release, None where its tag is gone."""
    parsed = parse_tag(tag, project.tags.patterns)
    if tag not in remote_tags or not isinstance(parsed, ParsedTag):
        return None
    release = Release(tag, parsed.version, remote_tags[tag], channel_of(parsed.kind, parsed.version))
    try:
        return change_since(
            project, previous_release(release, remote_tags, project.tags.patterns), tag, remote_tags, mirror
        )
    except ReleaseError:
        return None


def _materializations(
    instance: dg.DagsterInstance, project: Project, node: str, *, tag: str | None = None, limit: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the partitions and the metadata of a node's materializations, the newest first."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([project.project, node]),
            asset_partitions=[tag] if tag is not None else None,
        ),
        limit=limit,
    ).records
    for record in records:
        materialization = record.asset_materialization
        if materialization is not None and materialization.partition is not None:
            metadata = {name: value.value for name, value in materialization.metadata.items()}
            yield materialization.partition, metadata


def _seconds(metadata: Mapping[str, Any]) -> float | None:
    seconds = metadata.get("seconds/total")
    return float(seconds) if isinstance(seconds, int | float) else None
