"""One side of the benchmark: Dagster's daemon with the sensors, as users run it, found by polling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from benchmarks.sample import Sample
from release_assets.sandbox.stack import Stack

RELEASED_SECONDS = 1200.0
POLL_SECONDS = 0.5
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
PACKAGE_NODES = ("version", "sdist", "wheel", "pypi_publication", "github_release")
IMAGE_NODES = ("image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags")


@dataclass(frozen=True)
class Half:
    """A run: when it was created, started and ended (seconds since 1970), and its nodes' metadata."""

    created: float
    started: float
    ended: float
    metadata: dict[str, dict[str, Any]]

    @property
    def seconds(self) -> float:
        """Return the run's own seconds, from created to ended."""
        return self.ended - self.created


@dataclass(frozen=True)
class Released:
    """A release: when its tag was pushed, when GitHub had it, when the last image tag was there."""

    pushed: float
    published: float
    last_tag: float
    package: Half
    images: Half

    @property
    def seconds(self) -> float:
        """Return the seconds from the tag's push to the last image tag."""
        return self.last_tag - self.pushed


def release(stack: Stack, sample: Sample, tag: str) -> Released:
    """Push the tag and wait until the sensors' two runs have ended. Raises RuntimeError when one fails."""
    pushed = time.time()
    sample.push(tag)
    project = sample.module
    with stack.instance() as instance:
        images = _wait(
            lambda: _ended(instance, f"{project}_docker", tag, since=pushed),
            lambda: _failure(instance, tag),
        )
        package = _ended(instance, f"{project}_release", tag, since=pushed)
        if package is None:
            raise RuntimeError(f"{tag} of {project} has images, but no release run")
        return Released(
            pushed=pushed,
            published=_materialized(instance, project, "github_release", tag)[0],
            last_tag=_materialized(instance, project, "floating_tags", tag)[0],
            package=_half(instance, package, project, PACKAGE_NODES, tag),
            images=_half(instance, images, project, IMAGE_NODES, tag),
        )


def rebuild(stack: Stack, sample: Sample, tag: str) -> Half:
    """Push a rebuild tag for a release on the same commit, and wait until its run has ended."""
    began = time.time()
    sample.tag_again(f"docker-rebuild-{tag}")
    project = sample.module
    with stack.instance() as instance:
        run = _wait(
            lambda: _ended(instance, f"{project}_docker", tag, since=began), lambda: _failure(instance, tag)
        )
        return _half(instance, run, project, IMAGE_NODES, tag)


def _wait(look: Callable[[], dg.RunRecord | None], failure: Callable[[], str | None]) -> dg.RunRecord:
    deadline = time.monotonic() + RELEASED_SECONDS
    while (found := look()) is None:
        if (why := failure()) is not None:
            raise RuntimeError(why)
        if time.monotonic() > deadline:
            raise RuntimeError(f"not released within {RELEASED_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return found


def _ended(instance: dg.DagsterInstance, job: str, tag: str, *, since: float) -> dg.RunRecord | None:
    """Return the job's newest run for a release where it was created after `since` and has succeeded."""
    filters = dg.RunsFilter(job_name=job, tags={"dagster/partition": tag})
    records = instance.get_run_records(filters, limit=1)
    if not records or records[0].create_timestamp.timestamp() < since:
        return None
    return records[0] if records[0].dagster_run.status is dg.DagsterRunStatus.SUCCESS else None


def _failure(instance: dg.DagsterInstance, tag: str) -> str | None:
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": tag})):
        if run.status in ENDED - {dg.DagsterRunStatus.SUCCESS}:
            records = instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
            ).records
            events = [record.event_log_entry.dagster_event for record in records]
            said = [str(event.step_failure_data.error_display_string) for event in events if event]
            return f"run {run.run_id} of {run.job_name} for {tag} failed: {' '.join(said)}"
    return None


def _half(
    instance: dg.DagsterInstance, record: dg.RunRecord, project: str, nodes: tuple[str, ...], tag: str
) -> Half:
    if record.start_time is None or record.end_time is None:
        raise RuntimeError(f"run {record.dagster_run.run_id} has no times")
    metadata = {node: _materialized(instance, project, node, tag)[1] for node in nodes}
    return Half(record.create_timestamp.timestamp(), record.start_time, record.end_time, metadata)


def _materialized(
    instance: dg.DagsterInstance, project: str, node: str, tag: str
) -> tuple[float, dict[str, Any]]:
    """Return when a node was materialized for a release, in seconds since 1970, and its metadata."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey([project, node]), asset_partitions=[tag]), limit=1
    ).records
    if not records or records[0].asset_materialization is None:
        raise RuntimeError(f"{node} of {tag} was not materialized")
    metadata = records[0].asset_materialization.metadata
    return records[0].timestamp, {name: value.value for name, value in metadata.items()}
