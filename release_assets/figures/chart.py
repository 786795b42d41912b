"""release_figures: an asset whose page in the UI plots the figures, a point for each look at the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from release_assets.figures.compute import figures
from release_assets.figures.observed import ObservedRun

KEY = dg.AssetKey("release_figures")
LAST = 20  # releases


def release_figures() -> dg.AssetSpec:
    """Return the asset, which the sensor release_alerts reports after runs that ended."""
    return dg.AssetSpec(
        KEY,
        group_name="release_assets",
        description=f"The figures of each project's last {LAST} releases, plotted on this page.",
        kinds={"dagster"},
    )


def plotted(runs: Mapping[str, Sequence[ObservedRun]], now: float) -> dg.AssetMaterialization:
    """Return a point of the plots: ratios, and seconds, by project and figure; `now` is since 1970."""
    points = {}
    for project, found in runs.items():
        for figure in figures(found, now):
            if figure.value is not None and figure.name != "retries":
                points[f"{project}/{figure.title}"] = dg.MetadataValue.float(round(figure.value, 3))
    return dg.AssetMaterialization(KEY, metadata=points)
