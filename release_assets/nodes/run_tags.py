"""The tags of a run: the version it is about, and the run of the release's other half."""

from __future__ import annotations

import dagster as dg

from release_assets.nodes.step import Step

VERSION = "release_assets/version"
RELEASE_RUN = "release_assets/release_run"  # on a run that makes images: the one that published the package
DOCKER_RUN = "release_assets/docker_run"  # on a run that published a package: the newest one of its images


def tag_run(step: Step, *, makes_images: bool) -> None:
    """Make the step's run known by its version, and let the two runs of a release name each other.

    The steps do it, since a run that is launched in the UI has no tags of ours. The first one writes.
    """
    instance, run_id = step.context.instance, step.context.run.run_id
    wanted = {VERSION: str(step.tag.version)}
    release_run = _release_run(step) if makes_images else None
    if release_run is not None and release_run != run_id:
        wanted[RELEASE_RUN] = release_run
    run = instance.get_run_by_id(run_id)
    if run is None or wanted.items() <= run.tags.items():
        return
    instance.add_run_tags(run_id, wanted)
    # Runs are deleted by people and by retention; their records stay.
    if RELEASE_RUN in wanted and instance.has_run(wanted[RELEASE_RUN]):
        instance.add_run_tags(wanted[RELEASE_RUN], {DOCKER_RUN: run_id})


def _release_run(step: Step) -> str | None:
    """Return the id of the run that published the package, None where this Dagster did not."""
    records = step.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([step.project.project, "pypi_publication"]),
            asset_partitions=[step.context.partition_key],
        ),
        limit=1,
    ).records
    return (records[0].run_id or None) if records else None  # "": it was reported, not run
