"""Rebuild the images of the newest release where a base image has changed."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import hashlib
from collections.abc import Sequence

import dagster as dg

from release_assets.audit.bases import NewBase, new_bases, observe_bases, recorded_bases
from release_assets.audit.recorded import newest_release
from release_assets.nodes.image_step import PULL, REASON, image_name
from release_assets.planning.records import recorded_metadata
from release_assets.project import Image, Project


def fresh_bases(
    project: Project,
    image: Image,
    partitions: str,
    docker_job: "dg.UnresolvedAssetJobDefinition",
    cron: str,
) -> dg.ScheduleDefinition:
    """Return the schedule `<project>_fresh_bases`, which launches the rebuild when one is due."""

    @dg.schedule(
        name=f"{project.project}_fresh_bases",
        job=docker_job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Rebuilds the images of the newest release where a base image has changed.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return fresh_base_rebuild(project, image, context.instance, partitions)

    return schedule


def fresh_base_rebuild(
    project: Project, image: Image, instance: dg.DagsterInstance, partitions: str
) -> dg.RunRequest | dg.SkipReason:
    """Return the rebuild of the newest release where a base image has changed, else why there is none."""
    tag = newest_release(project, instance, partitions)
    if tag is None:
        return dg.SkipReason("no release with images is recorded")
    changed, hidden = changed_bases(project, image, instance, tag)
    bases = [base for found in changed.values() for base in found]
    if not bases:
        words = "; ".join(["no base image has changed", *hidden])
        return dg.SkipReason(f"{tag}: {words}")
    words = "; ".join(dict.fromkeys(f"{base.reference} is {base.now} now" for base in bases))
    # A rebuild that ends with the same base, from a mirror that lags, is not launched a second time.
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"fresh bases {tag} {digest}",
        partition_key=tag,
        tags={PULL: "true", REASON: f"fresh base image: {words}"},
    )


def changed_bases(
    project: Project, image: Image, instance: dg.DagsterInstance, tag: str
) -> tuple[dict[str, list[NewBase]], Sequence[str]]:
    """Return the base images of each image node that changed, and why others cannot be looked at."""
    bases = {
        image_name(platform): recorded_bases(recorded_metadata(instance, project, image_name(platform), tag))
        for platform in image.platforms
    }
    now, hidden = observe_bases(image, (base for found in bases.values() for base in found))
    return {node: new_bases(found, now) for node, found in bases.items() if found}, hidden
