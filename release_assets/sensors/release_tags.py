"""release_tags: a new tag in the remote launches its release, a new rebuild tag the images of its release."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from packaging.version import Version
from pydantic import BaseModel, ValidationError

from release_assets.destinations import git
from release_assets.destinations.tag_look import TagLook, digest_of
from release_assets.project import Project
from release_assets.rules.pointers import overtaken, pointers
from release_assets.rules.tags import MalformedTag, ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.sensors.attempts import Attempts, Move, refusal
from release_assets.sensors.claims import CLAIMED, is_claimed
from release_assets.sensors.order import Order, waits_words
from release_assets.sensors.pace import projects_here, tick_seconds
from release_assets.sensors.record import Place, read_record, shared_instance, write_record
from release_assets.sensors.seen_tags import SeenTags, record_name
from release_assets.sensors.words import counted, with_remarks
from release_assets.text import one_line

# Partitions that the sensor adds itself: Dagster's daemon looks up each one that a tick requests, which takes
# half a minute for the first look at a repository of 2,000 tags.
BULK = 500


class Cursor(BaseModel):
    """The sensor's cursor: the digest of the tags at the last look, what it said, and where its record is."""

    look: str
    said: str
    place: Place
    waits: bool = False  # for the run of a tag that is gone


@dataclass(frozen=True)
class Rebuild:
    """A rebuild tag, the commit it names, and the release tag whose images it asks for."""

    tag: str
    commit: str
    release: str


@dataclass
class TagChanges:
    """The runs that a look at the remote leads to, in the order of the versions."""

    partitions: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    rebuilds: list[Rebuild] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def tag_changes(
    observed: Mapping[str, str], seen: Mapping[str, str] | None, patterns: TagPatterns
) -> TagChanges:
    """Return what is new in `observed` (tag → commit) since `seen`, which is None on the first look.

    The first look launches nothing: what was there before is history, whose partitions can be
    materialized by hand. A release tag that comes back to its commit is not released again; whether one
    that moved is a new attempt depends on what is published. A rebuild tag that moved is a new rebuild.
    """
    changes = TagChanges()
    known = seen or {}
    were_pointers = pointers(known, patterns)
    are_pointers = pointers(observed, patterns, released=known.keys() - were_pointers.keys())
    late = overtaken(observed.keys() - known.keys(), observed.keys() & known.keys(), patterns)
    release_names = _releases(observed.keys() - are_pointers.keys(), patterns)
    highest = max(release_names, default=None)
    for name, tag in _in_order(observed, patterns):
        commit, before = observed[name], known.get(name)
        if before == commit:
            continue
        if isinstance(tag, MalformedTag):
            if before is None:
                changes.remarks.append(f"tag {one_line(name)} is skipped: {tag.reason}")
        elif tag.kind is TagKind.REBUILD:
            if seen is None:
                continue
            release = release_names.get(tag.version)
            if release is None:
                changes.remarks.append(f"tag {name} is skipped: no release tag has version {tag.version}")
                continue
            if release not in known:
                changes.remarks.append(f"tag {name} is skipped: the release of {release} builds its images")
                continue
            changes.partitions.append(release)
            changes.rebuilds.append(Rebuild(name, commit, release))
        elif name in are_pointers:
            changes.remarks.append(f"tag {name} is skipped: it only points to {are_pointers[name]}")
        elif name in were_pointers:
            # It moves on with the release it points to, whose own tag may be pushed a moment later.
            changes.remarks.append(f"tag {name} is skipped: it only pointed to {were_pointers[name]} before")
        elif name in late:
            changes.remarks.append(
                f"tag {name} is skipped: {late[name]} was there before it, so it is a tag that moves. "
                f"Run `release-assets release {name}` where it is a release"
            )
        elif before is None:
            changes.partitions.append(name)
            if seen is not None:
                changes.releases.append(name)
        else:
            is_newest = tag.kind is TagKind.TEST or highest is None or tag.version >= highest
            changes.moves.append(Move(name, before, commit, is_newest))
    changes.partitions = list(dict.fromkeys(changes.partitions))
    return changes


def _in_order(names: Iterable[str], patterns: TagPatterns) -> list[tuple[str, ParsedTag | MalformedTag]]:
    """Return the tags that match a pattern in the order of their versions, malformed ones at the end."""
    parsed = [(name, tag) for name in names if (tag := parse_tag(name, patterns)) is not None]
    versions = [(name, tag) for name, tag in parsed if isinstance(tag, ParsedTag)]
    versions.sort(key=lambda pair: (pair[1].version, pair[0]))
    malformed = [(name, tag) for name, tag in parsed if isinstance(tag, MalformedTag)]
    malformed.sort(key=lambda pair: pair[0])
    return [*versions, *malformed]


def _by_version(names: Iterable[str], patterns: TagPatterns) -> list[str]:
    return [name for name, _ in _in_order(names, patterns)]


def _releases(names: Iterable[str], patterns: TagPatterns) -> dict[Version, str]:
    """Return the release tag of each version; the first by its name, where one is written in several ways.

    Made once for all rebuild tags: somebody who may push ten thousand of them must not stop the sensor.
    """
    parsed = (parse_tag(name, patterns) for name in sorted(names, reverse=True))
    return {
        tag.version: tag.name for tag in parsed if isinstance(tag, ParsedTag) and tag.kind is TagKind.RELEASE
    }


def summary(observed: Mapping[str, str], new: int, patterns: TagPatterns) -> str:
    """Return how many tags there are, how many of them are new, and which release is the newest."""
    releases = _releases(observed.keys() - pointers(observed, patterns).keys(), patterns)
    newest = f"the newest is {releases[max(releases)]}" if releases else "none names a release"
    return f"{counted(len(observed), 'tag')}, {new or 'none'} new; {newest}"


def release_tags(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    release_job: dg.UnresolvedAssetJobDefinition,
    docker_job: dg.UnresolvedAssetJobDefinition | None,
    order: Order,
) -> dg.SensorDefinition:
    """Return the sensor `<project>_release_tags`."""
    patterns = project.tags.patterns
    remote = TagLook(project.repository)
    attempts = Attempts(project, release_job.name)
    record = record_name(project.project)
    sensor_name = f"{project.project}_release_tags"

    @dg.sensor(
        name=sensor_name,
        jobs=[job for job in (release_job, docker_job) if job is not None],
        minimum_interval_seconds=tick_seconds(projects_here()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Releases new tags of {project.repository}; rebuilds images for rebuild tags.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor, seen = read_cursor(context.cursor)
        # An error here fails the tick and keeps the cursor: an outage releases and forgets nothing.
        look = remote.look()
        if cursor is not None and cursor.look == look.digest and not cursor.waits:
            return dg.SensorResult(skip_reason=cursor.said, cursor=context.cursor)

        instance = shared_instance(context)
        observed = look.tags if look.tags is not None else git.observe_tags(project.repository)
        if cursor is not None and (text := read_record(instance, record, cursor.place)) is not None:
            seen = SeenTags.model_validate_json(text)
        changes = tag_changes(observed, seen.tags if seen else None, patterns)
        existing = set(instance.get_dynamic_partitions(str(partitions.name)))
        after = seen.model_copy(deep=True) if seen else SeenTags(tags={})
        after.tags |= observed
        if cursor is not None and seen is None:
            unknown = ", ".join(name for name in changes.partitions if name not in existing)
            changes.remarks.append(
                f"the record of the tags is lost; not released by itself: {unknown or 'nothing'}"
            )
        if docker_job is None and changes.rebuilds:
            changes.remarks.append(f"{project.project} declares no image: its rebuild tags are skipped")

        released = list(changes.releases)
        for move in changes.moves:
            published = attempts.published(instance, move.tag, move.before)
            refused = refusal(move, published, was_tried=attempts.newest(instance, move.tag) is not None)
            if refused is not None:
                changes.remarks.append(refused)
                continue
            context.log.info(f"{move.tag} moved from commit {move.before} to {move.after}: a new attempt")
            after.attempts[move.tag] = after.attempts.get(move.tag, 1) + 1
            released.append(move.tag)
        gone = [tag for tag in after.tags if tag in existing and tag not in observed]
        abandoned = [tag for tag in gone if attempts.is_abandoned(instance, tag, after.tags[tag])]
        for tag in abandoned:
            changes.remarks.append(f"{tag} is gone, and nothing of it is published: its partition is removed")
            # It is new when it comes back: a person who deletes a tag and pushes it again means it.
            del after.tags[tag]
            after.attempts[tag] = after.attempts.get(tag, 1) + 1

        due, held = [], {}
        for tag in _by_version({*released, *(after.held.keys() & observed.keys())}, patterns):
            # What comes in a later look is not waited for.
            look_before = (seen.tags if seen else {}) if tag in released else observed
            earlier = {*after.held.get(tag, []), *order.earlier(tag, observed, look_before)}
            if waits := order.unpublished(instance, sorted(earlier), observed):
                held[tag] = waits
            else:
                due.append(tag)
        for tag in after.held.keys() - observed.keys():
            after.tags.pop(tag, None)  # it is new when it comes back
        changes.remarks += [f"{tag} waits: {waits_words(held[tag])}" for tag in held]
        after.held = held
        requests = []
        for tag in due:
            context.log.info(f"the release of {tag} starts, at commit {observed[tag]}")
            after.launched[tag] = time.time()
            requests.append(release_request(tag, release_job.name, after.attempts.get(tag, 1)))
        if docker_job is not None:
            requests += [_rebuild(rebuild, docker_job.name) for rebuild in changes.rebuilds]
        for remark in changes.remarks if seen is None or held.keys() - seen.held.keys() or not held else ():
            context.log.warning(remark)
        new = [tag for tag in _by_version({*changes.partitions, *released}, patterns) if tag not in existing]
        while len(new) > BULK:
            instance.add_dynamic_partitions(str(partitions.name), new[:BULK])
            new = new[BULK:]
        said = summary(observed, len(requests), patterns)
        if seen is None:
            said = f"first look: {said}; {counted(len(changes.partitions), 'release')} of before"
        place = write_record(instance, record, after.model_dump_json(), cursor.place if cursor else None)
        if is_claimed(instance, sensor_name, [request.run_key for request in requests]):
            return dg.SensorResult(skip_reason=CLAIMED, cursor=context.cursor)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else with_remarks(said, changes.remarks),
            dynamic_partitions_requests=[
                *([partitions.build_add_request(new)] if new else []),
                *([partitions.build_delete_request(abandoned)] if abandoned else []),
            ],
            cursor=Cursor(
                look="" if held else digest_of(observed),  # those held are looked at on every tick
                waits=any(attempts.is_at_work(instance, tag) for tag in gone),
                said=with_remarks(summary(observed, 0, patterns), changes.remarks),
                place=place,
            ).model_dump_json(),
        )

    return sensor


def read_cursor(text: str | None) -> tuple[Cursor | None, SeenTags | None]:
    """Return the cursor; or what a cursor of release-assets 0.1 holds itself, which is every tag."""
    if not text:
        return None, None
    try:
        return Cursor.model_validate_json(text), None
    except ValidationError:
        return None, SeenTags.model_validate_json(text)


# The webhook launches the same: see webhook/launch.py before anything else holds a release back here.
def release_request(tag: str, job: str, attempt: int) -> dg.RunRequest:
    """Return the request for a release. Dagster launches no second run with the key of an earlier attempt."""
    key = f"release {tag}" if attempt == 1 else f"release {tag} attempt {attempt}"
    return dg.RunRequest(run_key=key, job_name=job, partition_key=tag)


def _rebuild(rebuild: Rebuild, job: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"rebuild {rebuild.tag} {rebuild.commit}",
        job_name=job,
        partition_key=rebuild.release,
        tags={"release_assets/rebuild_tag": rebuild.tag},
    )
