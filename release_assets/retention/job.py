"""The job `<project>_cleanup`: it removes what is not needed anymore, as far as the YAML allows."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
from filelock import FileLock, Timeout

from release_assets.distributions.store import DistributionStore, open_root
from release_assets.errors import ReleaseError
from release_assets.process import CommandFailedError, environment, run
from release_assets.project import Project
from release_assets.retention.rules import removable
from release_assets.rules.daily import cron_at
from release_assets.rules.tags import ParsedTag, parse_tag
from release_assets.sensors.release_half import UNFINISHED

MEGABYTE = 1000**2
UV_SECONDS = 600.0
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def cleanup(project: Project) -> dg.Definitions:
    """Return the job `<project>_cleanup` and its schedule."""
    name = f"{project.project}_cleanup"

    @dg.op(name=f"{name}_op")
    def remove(context: dg.OpExecutionContext) -> None:
        try:
            freed = sum(size for _, size in _removed(project, context))
        except ReleaseError as error:
            raise dg.Failure(f"{error.problem}\n\nWhat to do: {error.remedy}") from None
        context.log.info(f"{freed / MEGABYTE:.1f} MB were freed")

    @dg.job(
        name=name,
        description=(
            "Removes stored files of complete releases, caches, logs and runs of audits that are beyond the "
            "limits in the YAML. What a release needs to be resumed stays."
        ),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        remove()

    cron = cron_at(project.project, project.retention.schedule, 60)
    schedules = (
        [
            dg.ScheduleDefinition(
                name=name, job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING
            )
        ]
        if cron is not None
        else []
    )
    return dg.Definitions(jobs=[job], schedules=schedules)


def _removed(project: Project, context: dg.OpExecutionContext) -> Iterator[tuple[str, int]]:
    """Remove what is beyond the limits; yield what it was, and its bytes. Raises a ReleaseError."""
    limits, instance = project.retention, context.instance
    storage = Path(instance.storage_directory())
    ours = storage / "release_assets"
    at_work = [
        one for one in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) if one.run_id != context.run_id
    ]
    before = datetime.now(UTC) - timedelta(days=limits.days)
    parts = [
        _runs(project, instance, before),
        _logs(project, instance, storage, before),
    ]
    if limits.distributions is not None:
        root = os.environ.get("RELEASE_ASSETS_STORE") or str(ours / "distributions")
        busy = {one.tags.get("dagster/partition", "") for one in at_work}
        parts.append(_distributions(project, instance, root, limits.distributions, busy))
    if not at_work:
        parts += [
            _build_cache(ours / "uv" / project.project, int(limits.build_cache)),
            _mirrors(ours / "mirrors", before.timestamp()),
        ]
    for part in parts:
        for what, size in part:
            context.log.info(f"removed {what}, {size / MEGABYTE:.1f} MB")
            yield what, size


def _distributions(
    project: Project, instance: dg.DagsterInstance, root: str, keep: int, busy: set[str]
) -> Iterator[tuple[str, int]]:
    folder = open_root(root) / project.project
    if not folder.exists():
        return
    names = [unquote(entry.name.rstrip("/")) for entry in folder.iterdir()]
    parsed = [parse_tag(name, project.tags.patterns) for name in names]
    stored = [(tag.name, tag.version) for tag in parsed if isinstance(tag, ParsedTag)]
    for tag in removable(stored, _complete(project, instance) - busy, keep):
        size = DistributionStore(open_root(root), project.project, tag).remove()
        yield f"the stored files of {tag}", size


def _complete(project: Project, instance: dg.DagsterInstance) -> set[str]:
    """Return the releases of which everything is recorded that the project publishes."""
    nodes = [*project.package.distributions, "pypi_publication", "github_release"]
    for place in project.image.places if project.image is not None else ():
        nodes += [place.manifest_list_node, place.floating_tags_node]
    recorded = [
        set(instance.get_materialized_partitions(dg.AssetKey([project.project, node]))) for node in nodes
    ]
    return set.intersection(*recorded)


def _build_cache(folder: Path, limit: int) -> Iterator[tuple[str, int]]:
    size = _size(folder)
    if size <= limit:
        return
    try:
        # uv waits for builds that use the cache.
        run(["uv", "cache", "clean", "--cache-dir", folder], env=environment(), timeout=UV_SECONDS)
    except CommandFailedError as error:
        raise ReleaseError(f"uv cannot clean {folder}: {error}", "Remove the directory by hand.") from None
    yield f"the build cache {folder}", size - _size(folder)


def _mirrors(folder: Path, before: float) -> Iterator[tuple[str, int]]:
    """Remove mirrors that nobody has fetched into; the next release makes its own again."""
    for mirror in folder.glob("*.git"):
        times = [file.stat().st_mtime for name in ("FETCH_HEAD", "HEAD") if (file := mirror / name).exists()]
        if not times or max(times) > before:
            continue
        try:
            with FileLock(f"{mirror}.lock", timeout=0):
                size = _size(mirror)
                gone = mirror.with_name(f"{mirror.name}.removed")
                mirror.rename(gone)  # at once: nobody finds the half of one
                shutil.rmtree(gone)
        except Timeout:
            continue
        yield f"the unused mirror {mirror}", size


def _runs(project: Project, instance: dg.DagsterInstance, before: datetime) -> Iterator[tuple[str, int]]:
    """Remove old runs of the audit and of this job; those of releases are its records, and stay."""
    for job in ("audit", "cleanup"):
        filters = dg.RunsFilter(job_name=f"{project.project}_{job}", created_before=before)
        for one in instance.get_runs(filters):
            if one.is_finished:
                instance.delete_run(one.run_id)
                yield f"run {one.run_id} of {one.job_name}", 0


def _logs(
    project: Project, instance: dg.DagsterInstance, storage: Path, before: datetime
) -> Iterator[tuple[str, int]]:
    """Remove what the steps of old runs printed; Dagster's local files of it are never removed by itself."""
    jobs = {f"{project.project}_{job}" for job in ("release", "docker", "audit", "cleanup")}
    for folder in storage.iterdir() if storage.is_dir() else ():
        if not RUN_ID.fullmatch(folder.name) or folder.stat().st_mtime > before.timestamp():
            continue
        one = instance.get_run_by_id(folder.name)
        if one is None or (one.job_name in jobs and one.is_finished):
            size = _size(folder)
            shutil.rmtree(folder)
            yield f"the logs of run {folder.name}", size


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; what goes away meanwhile is not counted."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
