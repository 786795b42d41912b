"""release_tags: a new tag in the remote launches its release, a new rebuild tag the images of its release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from packaging.version import Version
from pydantic import BaseModel

from release_assets.destinations import git
from release_assets.project import Project
from release_assets.release import MalformedTag, ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.text import one_line

TICK_SECONDS = 10


class SeenTags(BaseModel):
    """The sensor's cursor: every tag that was ever seen, with its commit. Nothing is ever forgotten."""

    tags: dict[str, str]


@dataclass(frozen=True)
class Rebuild:
    """A rebuild tag, the commit it names, and the release tag whose images it asks for."""

    tag: str
    commit: str
    release: str


@dataclass
class TagChanges:
    """What a look at the remote asks for."""

    partitions: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    rebuilds: list[Rebuild] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def tag_changes(
    observed: Mapping[str, str], seen: Mapping[str, str] | None, patterns: TagPatterns
) -> TagChanges:
    """What is new in `observed` (tag → commit) since `seen`, which is None on the first look.

    The first look launches nothing: what was there before is history, whose partitions can be
    materialized by hand. A release tag that moved or came back is not released again; a rebuild tag that
    moved is a new rebuild.
    """
    changes = TagChanges()
    release_names = _releases(observed, patterns)
    for name, commit in sorted(observed.items()):
        known = (seen or {}).get(name)
        if known == commit:
            continue
        match parse_tag(name, patterns):
            case None:
                continue
            case MalformedTag(reason=reason):
                if known is None:
                    changes.remarks.append(f"tag {one_line(name)} is skipped: {reason}")
            case ParsedTag(kind=TagKind.REBUILD) as tag:
                if seen is None:
                    continue
                release = release_names.get(tag.version)
                if release is None:
                    changes.remarks.append(f"tag {name} is skipped: no release tag has version {tag.version}")
                    continue
                changes.partitions.append(release)
                changes.rebuilds.append(Rebuild(name, commit, release))
            case ParsedTag():
                if known is not None:
                    changes.remarks.append(
                        f"tag {name} moved from commit {known} to {commit}; it is not released again"
                    )
                    continue
                changes.partitions.append(name)
                if seen is not None:
                    changes.releases.append(name)
    return changes


def _releases(observed: Iterable[str], patterns: TagPatterns) -> dict[Version, str]:
    """The release tag of each version; the first by its name, where a version is written in several ways.

    Made once for all rebuild tags: somebody who may push ten thousand of them must not stop the sensor.
    """
    parsed = (parse_tag(name, patterns) for name in sorted(observed, reverse=True))
    return {
        tag.version: tag.name for tag in parsed if isinstance(tag, ParsedTag) and tag.kind is TagKind.RELEASE
    }


def release_tags(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    release_job: dg.UnresolvedAssetJobDefinition,
    docker_job: dg.UnresolvedAssetJobDefinition | None,
) -> dg.SensorDefinition:
    """The sensor `<project>_release_tags`."""

    @dg.sensor(
        name=f"{project.project}_release_tags",
        jobs=[job for job in (release_job, docker_job) if job is not None],
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Releases new tags of {project.repository}; rebuilds images for rebuild tags.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = SeenTags.model_validate_json(context.cursor).tags if context.cursor else None
        # An error here fails the tick and keeps the cursor: an outage releases and forgets nothing.
        observed = git.observe_tags(project.repository)
        changes = tag_changes(observed, seen, project.tags.patterns)
        for remark in changes.remarks:
            context.log.warning(remark)
        if docker_job is None and changes.rebuilds:
            context.log.warning(f"{project.project} declares no image: its rebuild tags are skipped")
        if seen is None:
            context.log.info(f"first look: {len(changes.partitions)} releases were there before")
        requests = [
            dg.RunRequest(run_key=f"release {tag}", job_name=release_job.name, partition_key=tag)
            for tag in changes.releases
        ]
        if docker_job is not None:
            requests += [
                dg.RunRequest(
                    run_key=f"rebuild {rebuild.tag} {rebuild.commit}",
                    job_name=docker_job.name,
                    partition_key=rebuild.release,
                    tags={"release_assets/rebuild_tag": rebuild.tag},
                )
                for rebuild in changes.rebuilds
            ]
        existing = set(context.instance.get_dynamic_partitions(str(partitions.name)))
        new = [name for name in dict.fromkeys(changes.partitions) if name not in existing]
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            cursor=SeenTags(tags={**(seen or {}), **observed}).model_dump_json(),
        )

    return sensor
