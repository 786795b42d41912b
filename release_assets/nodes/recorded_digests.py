"""Read the digests that Dagster has recorded for the image tag of a release."""

from __future__ import annotations

import dagster as dg

from release_assets.nodes.step import Step
from release_assets.project import Image

HISTORY = 100  # manifest lists of one release that are looked through


def recorded_digests(step: Step, image: Image) -> set[str]:
    """Return the digests that the release's own image tag had before, as far as Dagster has recorded them."""
    records = step.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([step.project.project, image.manifest_list_node]),
            asset_partitions=[step.context.partition_key],
        ),
        limit=HISTORY,
    ).records
    return {
        str(value.value)
        for record in records
        if (materialization := record.asset_materialization) is not None
        for name in ("digest", "previous_digest")
        if (value := materialization.metadata.get(name)) is not None and str(value.value) != "none"
    }
