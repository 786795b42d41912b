"""Find the releases that this Dagster has published."""

from __future__ import annotations

import dagster as dg

from release_assets.project import Project
from release_assets.rules.tags import Channel, ParsedTag, TagKind, channel_of, parse_tag


def recorded_releases(project: Project, instance: dg.DagsterInstance, partitions: str) -> list[ParsedTag]:
    """Return the releases that this Dagster has published, the highest version first; no test releases."""
    published = {
        tag
        for node in ("pypi_publication", "github_release", "manifest_list")
        for tag in instance.get_materialized_partitions(dg.AssetKey([project.project, node]))
    } & set(instance.get_dynamic_partitions(partitions))
    parsed = [parse_tag(tag, project.tags.patterns) for tag in published]
    releases = [tag for tag in parsed if isinstance(tag, ParsedTag) and tag.kind is TagKind.RELEASE]
    return sorted(releases, key=lambda tag: (tag.version, tag.name), reverse=True)


def newest_release(project: Project, instance: dg.DagsterInstance, partitions: str) -> str | None:
    """Return the tag of the highest stable release with images, None where none is recorded."""
    built = instance.get_materialized_partitions(dg.AssetKey([project.project, "manifest_list"]))
    for tag in recorded_releases(project, instance, partitions):
        if tag.name in built and channel_of(tag.kind, tag.version) is Channel.STABLE:
            return tag.name
    return None
