"""rollback: the floating tags that a release moved go back to what they pointed to before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from release_assets.assets.image_step import point_tag, published_images
from release_assets.assets.step import Recorded, Step, table
from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError
from release_assets.image_tags import floating_tags, image_tag, is_in_series

ROLLBACK = "release_assets/rollback"  # the run tag that makes floating_tags go back instead of forward
HISTORY = 100  # materializations of one partition that are looked through


@dataclass(frozen=True)
class Move:
    """A floating tag that was moved: the digests before (None where it did not exist) and after."""

    tag: str
    before: str | None
    after: str


def before_release(tag: str, now: str | None, moves: Iterable[Move]) -> str | None:
    """Where `tag` pointed before its release moved it, from the release's own moves, the newest first.

    None where the release did not put it where it is `now`, or where it did not exist. A release that was
    rebuilt has moved it several times: what counts is the digest before the first of them.
    """
    here = now
    for move in moves:
        if move.tag == tag and move.after == here:
            here = move.before
    return here if here != now else None


def roll_back(step: Step, registry: Registry) -> Recorded:
    """Point the floating tags of the step's release back, and record it as a materialization.

    Where Dagster has no record of the move, the highest other version of the series counts. A tag that some
    other release has moved meanwhile stays. Raises PermanentError where there is nothing to go back to.
    """
    release = step.release
    moves = list(_recorded_moves(step))
    with step.stage("observe"):
        own = registry.manifest(image_tag(release.version, release.channel))
        published = published_images(step, step.remote_tags, registry.tags())
    ours = {move.after for move in moves} | ({own.digest} if own else set())
    rows: list[dict[str, str]] = []
    for tag, series in floating_tags(release.version, release.channel).items():
        with step.stage("observe"):
            there = registry.manifest(tag)
        now = there.digest if there else None
        if now is None or now not in ours:
            rows.append(_row(tag, now, now, "not where this release put it"))
            continue
        back = before_release(tag, now, moves)
        why = "where it pointed before"
        if back is None and not any(move.tag == tag for move in moves):
            others = {other for other in published - {release.version} if is_in_series(other, series)}
            if others:
                former = registry.manifest(image_tag(max(others), release.channel))
                back = former.digest if former else None
                why = f"no record of before: {max(others)} is the highest other version"
        manifest = registry.manifest(back) if back is not None else None
        if back is not None and manifest is None:
            rows.append(_row(tag, now, now, f"the registry no longer has {back}, where it pointed before"))
            continue
        if manifest is None:
            rows.append(_row(tag, now, now, "did not exist before, and no tag can point to nothing"))
            continue
        point_tag(step, registry, tag, manifest)
        step.say(f"{tag} went back from {now} to {manifest.digest}")
        rows.append(_row(tag, now, manifest.digest, why))
    moved = [row["tag"] for row in rows if row["from"] != row["to"]]
    if not moved:
        raise PermanentError(
            f"no floating tag of {release.tag} can go back: "
            + ("; ".join(f"{row['tag']} {row['why']}" for row in rows) or "a prerelease has none"),
            "Materialize floating_tags of the release that shall hold them.",
        )
    state = "\n".join(f"{row['tag']} {row['to']}" for row in rows)
    return Recorded(
        data_version=hashlib.sha256(state.encode()).hexdigest(),
        metadata={
            "action": "rollback",
            "reason": step.context.run.tags.get("release_assets/reason", "none given"),
            "moved": ", ".join(moved),
            "tags": table(rows),
        },
    )


def _row(tag: str, now: str | None, then: str | None, why: str) -> dict[str, str]:
    return {"tag": tag, "from": now or "none", "to": then or "none", "why": why}


def _recorded_moves(step: Step) -> Iterable[Move]:
    """The moves of floating tags that this partition's materializations record, the newest first.

    Rollbacks are no moves of the release: going back twice must not go forward again.
    """
    context = step.context
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([step.project.project, "floating_tags"]),
            asset_partitions=[context.partition_key],
        ),
        limit=HISTORY,
    ).records
    for record in records:
        materialization = record.asset_materialization
        metadata: Mapping[str, dg.MetadataValue] = materialization.metadata if materialization else {}
        rows = metadata.get("tags")
        if "action" in metadata or not isinstance(rows, dg.TableMetadataValue):
            continue
        for row in rows.records:
            before, after = str(row.data["from"]), str(row.data["to"])
            if before != after:
                yield Move(str(row.data["tag"]), None if before == "none" else before, after)
