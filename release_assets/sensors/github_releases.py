"""github_releases: a release that is published on GitHub, by us or by a person, launches its images."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import dagster as dg
from packaging.version import Version
from pydantic import BaseModel, ValidationError

from release_assets.destinations.http.kept import KeptConnection
from release_assets.destinations.release_hosts import release_host
from release_assets.destinations.releases import Page
from release_assets.project import Project
from release_assets.rules.tags import ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.secrets import read_secret
from release_assets.sensors.claims import CLAIMED, is_claimed
from release_assets.sensors.pace import projects_here, tick_seconds
from release_assets.sensors.record import Place, read_record, shared_instance, write_record
from release_assets.sensors.release_half import UNFINISHED as UNFINISHED
from release_assets.sensors.release_half import ReleaseHalf, unfinished_partitions
from release_assets.sensors.words import counted, with_remarks

# GitHub is asked on every second tick. Ticks between that are sooner than Dagster's are a person's: they ask.
ASK_SECONDS = 9.0
DAGSTERS_SECONDS = 3.0
# While a release of its own is under way, a tick waits for it: the daemon's next one is five seconds later.
LINGER_SECONDS = 4.0
LINGER_LOOK_SECONDS = 0.25
# A tick that waits has one of the daemon's threads (sensors.num_workers in dagster.yaml: 8).
LINGERING_PROJECTS = 4


class SeenReleases(BaseModel):
    """The sensor's record: tags that were dealt with, those that wait, and each page's ETag."""

    done: list[str]
    waiting: list[str]
    pages: list[Page]


class Cursor(BaseModel):
    """The sensor's cursor: what it saw at the last look, what it said, and where its record is."""

    asked: float  # GitHub, in seconds since 1970
    recorded: list[int | None]  # the newest materializations that its decision depends on
    waits: bool
    said: str
    place: Place


@dataclass(frozen=True)
class ImagesDue:
    """The releases that get their images now, and those of the next tick."""

    launch: list[str]
    waiting: list[str]
    done: list[str]


def candidates(
    published: Set[str],
    *,
    done: Set[str] | None,
    waiting: Set[str],
    ours: Set[str],
    built: Set[str],
    patterns: TagPatterns,
) -> set[str]:
    """Return those of the `published` tags that lack their images.

    `done` is None on the first look: what is published then is history, except for what this Dagster
    published itself (`ours`), whose images are due. `built` have their manifest list already. Tags that name
    no release are passed over.
    """
    releases = {tag for tag in published | waiting if _version(tag, patterns) is not None}
    return (releases & ours if done is None else releases - done) - built


def images_due(
    published: Set[str],
    *,
    done: Set[str] | None,
    waiting: Set[str],
    ours: Set[str],
    built: Set[str],
    in_flight: Set[str],
    patterns: TagPatterns,
) -> ImagesDue:
    """Return which of the tags that lack images get them now, in the order of their versions.

    Those `in_flight` are released or built by a run that has not succeeded yet, and looked at again on the
    next tick. Everything else was dealt with.
    """
    lacking = candidates(published, done=done, waiting=waiting, ours=ours, built=built, patterns=patterns)
    releases = {tag for tag in published | waiting if _version(tag, patterns) is not None}
    return ImagesDue(
        launch=_ordered(lacking - in_flight, patterns),
        waiting=_ordered(lacking & in_flight, patterns),
        done=sorted((set(done or ()) | releases) - (lacking & in_flight)),
    )


def _version(name: str, patterns: TagPatterns) -> Version | None:
    """Return the version of a release or test tag, or None for other tags."""
    tag = parse_tag(name, patterns)
    return tag.version if isinstance(tag, ParsedTag) and tag.kind is not TagKind.REBUILD else None


def _ordered(tags: Iterable[str], patterns: TagPatterns) -> list[str]:
    versions = {tag: version for tag in tags if (version := _version(tag, patterns)) is not None}
    return sorted(versions, key=lambda tag: (versions[tag], tag))


def github_releases(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    release_job: dg.UnresolvedAssetJobDefinition,
    docker_job: dg.UnresolvedAssetJobDefinition,
) -> dg.SensorDefinition:
    """Return the sensor `<project>_github_releases`.

    A test release has no GitHub release: its images are due when its publication is recorded.
    """
    patterns = project.tags.patterns
    connection = KeptConnection()
    turns = itertools.count()
    release_half = ReleaseHalf(project, release_job.name)
    record = record_name(project.project)
    sensor_name = f"{project.project}_github_releases"
    last_asked = 0.0  # also by a tick that failed, and kept its cursor

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey([project.project, name])

    decisive = [key(name) for name in ("github_release", "pypi_publication", "manifest_list")]
    lingers = projects_here() <= LINGERING_PROJECTS

    @dg.sensor(
        name=sensor_name,
        job=docker_job,
        minimum_interval_seconds=tick_seconds(projects_here()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Builds the images of releases published in {project.page.repository}.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        nonlocal last_asked
        instance = shared_instance(context)
        now = time.time()
        cursor, seen = read_cursor(context.cursor)
        since = now - max(cursor.asked if cursor else 0.0, last_asked)
        asks = not DAGSTERS_SECONDS < since < ASK_SECONDS
        # Before anything is decided: what is recorded meanwhile is seen by the next tick.
        *recorded, sdist = _newest(instance, [*decisive, key("sdist")])
        if lingers and cursor is not None and recorded == cursor.recorded and _follows(sdist, recorded):
            recorded = _linger(instance, release_job.name, patterns, decisive, recorded)
        is_quiet = cursor is not None and recorded == cursor.recorded and not cursor.waits
        if not asks and (cursor is None or is_quiet):
            has_failed = cursor is None or cursor.asked < last_asked
            said = f"{project.page.host} failed {since:.0f} s ago and is asked again soon"
            return dg.SensorResult(
                skip_reason=said if has_failed or cursor is None else cursor.said, cursor=context.cursor
            )

        if cursor is not None and (text := read_record(instance, record, cursor.place)) is not None:
            seen = SeenReleases.model_validate_json(text)
        pages: Sequence[Page] = seen.pages if seen else []
        published: set[str] = set()
        if asks:
            last_asked = now
            # An error here fails the tick and keeps the cursor: an outage launches and forgets nothing.
            host = release_host(project.page, read_secret(project.page.token_env) or None)
            answer = host.published_releases(pages, connection, next(turns))
            published = {release.tag for release in answer.releases}
            is_same = not published and answer.pages == tuple(pages)
            if is_same and is_quiet and seen is not None and cursor is not None:
                unchanged = cursor.model_copy(update={"asked": now}).model_dump_json()
                return dg.SensorResult(skip_reason=cursor.said, cursor=unchanged)
            pages = answer.pages

        done = set(seen.done) if seen else None
        waiting = set(seen.waiting) if seen else set()
        tests = {
            tag
            for tag in instance.get_materialized_partitions(key("pypi_publication"))
            if isinstance(parsed := parse_tag(tag, patterns), ParsedTag) and parsed.kind is TagKind.TEST
        }
        ours = instance.get_materialized_partitions(key("github_release")) | tests
        published |= tests if done is None else ours
        built = instance.get_materialized_partitions(key("manifest_list"))
        lacking = candidates(published, done=done, waiting=waiting, ours=ours, built=built, patterns=patterns)
        runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) if lacking else []
        waits, points_to = release_half.waits(instance, lacking - ours, runs)
        for tag in unfinished_partitions(runs, docker_job.name, key("manifest_list")) & lacking:
            waits[tag] = "a run builds its images"
        due = images_due(
            published,
            done=done,
            waiting=waiting,
            ours=ours,
            built=built | points_to.keys(),
            in_flight=waits.keys(),
            patterns=patterns,
        )
        remarks = [
            f"tag {tag} is skipped: it only points to {target}" for tag, target in sorted(points_to.items())
        ]
        if cursor is not None and seen is None:
            remarks.append("the record of the releases is lost: what was published is history now")
        for remark in remarks:
            context.log.warning(remark)
        for tag in due.launch:
            context.log.info(f"{tag} is published: its images are built")
        remarks += [f"the images of {tag} wait: {waits[tag]}" for tag in due.waiting]

        known = _ordered([*due.done, *due.waiting], patterns)
        newest = f"; the newest is {known[-1]}" if known else ""
        quiet = f"{counted(len(known), 'release')}, none new{newest}"
        said = (
            quiet if seen else f"first look: {counted(len(due.done) - len(due.launch), 'release')} before it"
        )
        existing = set(instance.get_dynamic_partitions(str(partitions.name)))
        new = [tag for tag in due.launch if tag not in existing]
        after = SeenReleases(done=due.done, waiting=due.waiting, pages=list(pages)).model_dump_json()
        place = write_record(instance, record, after, cursor.place if cursor else None)
        requests = [images_request(tag) for tag in due.launch]
        if is_claimed(instance, sensor_name, [request.run_key for request in requests]):
            return dg.SensorResult(skip_reason=CLAIMED, cursor=context.cursor)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if due.launch else with_remarks(said, remarks),
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            cursor=Cursor(
                asked=now if asks else cursor.asked if cursor else 0.0,
                recorded=recorded,
                waits=bool(due.waiting),
                said=with_remarks(quiet, remarks),
                place=place,
            ).model_dump_json(),
        )

    return sensor


def _follows(sdist: int | None, recorded: Sequence[int | None]) -> bool:
    """Return True for an sdist newer than the newest release's: its release is under way, or has failed."""
    published, _, built = recorded
    return sdist is not None and sdist > max(published or 0, built or 0)


def _linger(
    instance: dg.DagsterInstance,
    release_job: str,
    patterns: TagPatterns,
    decisive: Sequence[dg.AssetKey],
    recorded: list[int | None],
) -> list[int | None]:
    """Wait for the release that runs, if one does; return the newest materializations after that.

    That is its GitHub release, or the publication of a test release, which has no other.
    """
    deadline = time.monotonic() + LINGER_SECONDS
    while runs := instance.get_runs(dg.RunsFilter(job_name=release_job, statuses=UNFINISHED), limit=1):
        tag = parse_tag(runs[0].tags.get("dagster/partition", ""), patterns)
        awaited = 1 if isinstance(tag, ParsedTag) and tag.kind is TagKind.TEST else 0
        newest = _newest(instance, decisive)
        if newest[awaited] != recorded[awaited] or time.monotonic() > deadline:
            return newest
        time.sleep(LINGER_LOOK_SECONDS)
    return _newest(instance, decisive)


def record_name(project: str) -> str:
    """Return the name under which the record of a project is kept."""
    return f"{project}/github_releases"


def images_request(tag: str) -> dg.RunRequest:
    """Return the request for the images of a published release."""
    return dg.RunRequest(run_key=f"images {tag}", partition_key=tag)


def read_cursor(text: str | None) -> tuple[Cursor | None, SeenReleases | None]:
    """Return the cursor; or what a cursor of release-assets 0.1 holds itself, which is everything."""
    if not text:
        return None, None
    try:
        return Cursor.model_validate_json(text), None
    except ValidationError:
        return None, SeenReleases.model_validate_json(text)


def _newest(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> list[int | None]:
    """Return the storage id of each asset's newest materialization, whatever its partition."""
    entries = {
        record.asset_entry.asset_key: record.asset_entry for record in instance.get_asset_records(keys)
    }
    return [entries[key].last_materialization_storage_id if key in entries else None for key in keys]
