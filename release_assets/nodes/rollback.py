"""rollback: the floating tags that point to a release go back to the release before it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence

import dagster as dg
from packaging.version import Version

from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError
from release_assets.nodes.image_holders import observe_pointers, version_of
from release_assets.nodes.image_step import point_tag
from release_assets.nodes.metadata import rows_of, table
from release_assets.nodes.node import Recorded
from release_assets.nodes.step import Step
from release_assets.project import Image, Project
from release_assets.rules.image_tags import (
    floating_tags,
    image_tag,
    published_versions,
    tagged_versions,
    why_none,
)
from release_assets.rules.tag_moves import (
    Pointer,
    RecordedMove,
    TagMove,
    as_rows,
    before_release,
    is_own,
    lower_version,
    moves_back,
)
from release_assets.rules.tags import ParsedTag, Release, parse_tag

ROLLBACK = "release_assets/rollback"  # the run tag that makes floating_tags go back instead of forward
ROLLBACK_TO = "release_assets/rollback_to"  # the run tag that names the release to go to, where a person did
HISTORY = 100  # materializations of one partition that are looked through


def roll_back(step: Step, image: Image, registry: Registry) -> Recorded:
    """Point the floating tags of the step's release back, and record it as a materialization.

    Raises PermanentError where there is nothing to go back to; of several repositories, one may have nothing.
    """
    project, release, run_tags = step.project, step.release, step.context.run.tags
    to = target_version(project, release, run_tags[ROLLBACK_TO]) if ROLLBACK_TO in run_tags else None
    with step.stage("observe"):
        moves = plan_rollback(
            registry, project, image, release, step.remote_tags, instance=step.context.instance, to=to
        )
    if not any(move.is_needed for move in moves) and not image.mirrors:
        raise nothing_to_roll_back(release, moves)
    for move in moves:
        if not move.is_needed or move.after is None:
            step.say(f"{move.tag} stays: {move.why}")
            continue
        with step.stage("observe"):
            manifest = registry.manifest(move.after.digest)
        if manifest is None:
            raise PermanentError(
                f"the registry no longer has {move.after}, where {move.tag} should go",
                "Roll back again to look for another release, or name one with --to.",
            )
        point_tag(step, registry, move.tag, manifest)
        step.say(f"{move.tag} went back from {move.before} to {move.after}: {move.why}")
    state = "\n".join(f"{move.tag} {move.after.digest if move.after else 'none'}" for move in moves)
    return Recorded(
        data_version=hashlib.sha256(state.encode()).hexdigest(),
        metadata={
            "action": "rollback",
            "reason": run_tags.get("release_assets/reason", "none given"),
            "moved": ", ".join(move.tag for move in moves if move.is_needed) or "none",
            **({"tags": table(as_rows(moves))} if moves else {"tags": f"none: {why_none(release.channel)}"}),
        },
    )


def target_version(project: Project, release: Release, tag: str) -> Version:
    """Return the version of the tag that a rollback goes to.

    Raises PermanentError where the tag is not a release of the same channel, or is the release itself.
    """
    parsed = parse_tag(tag, project.tags.patterns)
    if not isinstance(parsed, ParsedTag) or parsed.version not in tagged_versions(
        release, [tag], project.tags.patterns
    ):
        raise PermanentError(
            f"{tag!r} is not a {release.channel.value} release of {project.project}, as {release.tag} is",
            "Name the tag of a release that held the floating tags before.",
        )
    if parsed.version == release.version:
        raise PermanentError(
            f"{release.tag} cannot be rolled back to itself", "Name another release with --to."
        )
    return parsed.version


def nothing_to_roll_back(release: Release, moves: Sequence[TagMove]) -> PermanentError:
    """Return the error for a rollback that would move no tag, with the reason for each tag."""
    reasons = "; ".join(f"{move.tag}: {move.why}" for move in moves) or why_none(release.channel)
    return PermanentError(
        f"no floating tag of {release.tag} can go back: {reasons}",
        "To point the floating tags to another release, name it with --to, or rebuild that release.",
    )


def plan_rollback(
    registry: Registry,
    project: Project,
    image: Image,
    release: Release,
    remote_tags: Collection[str],
    *,
    instance: dg.DagsterInstance,
    to: Version | None = None,
) -> list[TagMove]:
    """Observe the registry and return what a rollback of the release does to each of its floating tags.

    `remote_tags` are the names of the remote's tags. The instance's records tell which digests were the
    release's, and where tags pointed before. Nothing is changed. Raises a ReleaseError where the registry
    does not answer.
    """
    patterns, channel = project.tags.patterns, release.channel
    series = floating_tags(release.version, channel, image.floating_tags)
    published = published_versions(release, remote_tags, registry.tags(), patterns)
    tagged = tagged_versions(release, remote_tags, patterns)
    found = observe_pointers(registry, series, published, channel)
    own = registry.manifest(image_tag(release.version, channel))
    recorded = list(recorded_moves(instance, project, image, release.tag))
    ours = {move.after for move in recorded} | ({own.digest} if own is not None else set())
    held = {
        tag: there.digest
        for tag, there in found.items()
        if there is not None and is_own(release, there, ours)
    }

    wanted = {
        lower_version(release, series[tag], versions) for tag in held for versions in (tagged, published)
    }
    images = {
        version: manifest.digest
        for version in ({*wanted, to} & published) - {None}
        if version is not None and (manifest := registry.manifest(image_tag(version, channel))) is not None
    }
    before: dict[str, Pointer] = {}
    for tag, digest in held.items():
        former = before_release(tag, digest, recorded)
        manifest = registry.manifest(former) if former is not None else None
        if manifest is not None:
            version = version_of(registry, manifest, published, channel)
            before[tag] = Pointer(manifest.digest, version)
    return moves_back(release, found, images, tagged=tagged, recorded=before, own=ours, to=to)


def recorded_moves(
    instance: dg.DagsterInstance, project: Project, image: Image, tag: str
) -> Iterator[RecordedMove]:
    """Yield the moves of floating tags that Dagster has recorded for a release, the newest first.

    A rollback is not a move of the release: going back twice must not go forward again.
    """
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([project.project, image.floating_tags_node]), asset_partitions=[tag]
        ),
        limit=HISTORY,
    ).records
    for record in records:
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        if "action" in metadata:
            continue
        for row in rows_of(metadata, "tags"):
            before, after = str(row["from"]), str(row["to"])
            if before != after:
                yield RecordedMove(str(row["tag"]), None if before == "none" else before, after)
