"""Hold up the images of a published release until its tag's release run has succeeded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence, Set

import dagster as dg

from release_assets.project import Project
from release_assets.rules.pointers import pointers
from release_assets.sensors.attempts import FAILED
from release_assets.sensors.seen_tags import read_seen

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Between a tick that launches a release and its run's creation. After that, somebody has deleted the run.
CREATION_SECONDS = 600.0


def unfinished_partitions(runs: Iterable[dg.DagsterRun], job: str, makes: dg.AssetKey) -> set[str]:
    """Return the partitions for which an unfinished run is about to make an asset.

    A run that a sensor launched has no selection: it makes everything in its job.
    """
    return {
        tag
        for run in runs
        if (makes in run.asset_selection if run.asset_selection else run.job_name == job)
        if (tag := run.tags.get("dagster/partition")) is not None
    }


def why_it_waits(
    tag: str,
    *,
    releasing: Set[str],
    newest_run: dg.DagsterRunStatus | None,
    launched: float | None,
    is_seen: bool,
    now: float,
) -> str | None:
    """Return why the images of a published release wait for its release run, or None where they are due.

    `releasing` are tags with an unfinished release run, `newest_run` is the status of the newest one of all.
    `launched` is when release_tags asked for the run, in seconds since 1970; None for a tag that it did not
    launch. `is_seen` is False while that sensor has still to look at the tag.
    A release that a person publishes on GitHub's page makes the tag in the same moment: either may be seen
    first, and images are built from files that only the release run brings to the package index.
    """
    if tag in releasing:
        return "its release runs"
    if newest_run in FAILED:
        return f"its release run failed; retry it, or build the images with `release-assets rebuild {tag}`"
    if newest_run is None and launched is not None and now - launched < CREATION_SECONDS:
        return "its release run is about to start"
    if newest_run is None and not is_seen:
        return "the sensor release_tags has not seen its tag yet"
    return None


class ReleaseHalf:
    """The work of the release job and its sensor for a project's tags."""

    def __init__(self, project: Project, release_job: str) -> None:
        self.project = project
        self.release_job = release_job

    def waits(
        self, instance: dg.DagsterInstance, tags: Set[str], runs: Sequence[dg.DagsterRun]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return why those tags wait that do, and those that are pointers with the tag they point to.

        `runs` are all unfinished runs of the instance.
        """
        if not tags:
            return {}, {}
        records = read_seen(instance, self.project.project)
        seen = {name for record in records for name in record.tags}
        launched = {name: at for record in records for name, at in record.launched.items()}
        points_to: dict[str, str] = {}
        for record in records:
            points_to |= pointers(record.tags, self.project.tags.patterns, released=record.launched)
        releasing = unfinished_partitions(
            runs, self.release_job, dg.AssetKey([self.project.project, "github_release"])
        )
        waiting = {}
        approved = (
            instance.get_materialized_partitions(dg.AssetKey([self.project.project, "approval"]))
            if self.project.needs_approval
            else tags
        )
        for tag in tags - points_to.keys():
            of_tag = dg.RunsFilter(job_name=self.release_job, tags={"dagster/partition": tag})
            newest = instance.get_runs(of_tag, limit=1)
            why = why_it_waits(
                tag,
                releasing=releasing,
                newest_run=newest[0].status if newest else None,
                launched=launched.get(tag),
                # Without any record, or switched off, the sensor sees no tag: nothing is to be waited for.
                is_seen=tag in seen or not records or self._is_stopped(instance),
                now=time.time(),
            )
            if why is None and any(tag in record.held for record in records):
                why = "its release waits for the one of another project"
            if why is None and tag not in approved:
                why = f"nobody has approved it; run `release-assets approve {tag}`"
            if why is not None:
                waiting[tag] = why
        return waiting, {tag: points_to[tag] for tag in tags & points_to.keys()}

    def _is_stopped(self, instance: dg.DagsterInstance) -> bool:
        """Return whether somebody has switched release_tags off."""
        if instance.schedule_storage is None:
            return False
        name = f"{self.project.project}_release_tags"
        return any(
            state.instigator_name == name and not state.is_running
            for state in instance.all_instigator_state()
        )
