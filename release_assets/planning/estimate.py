"""Estimate how long a planned release takes, by the records of releases before. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from release_assets.planning.changes import Change
from release_assets.planning.plan import Action, Plan

# Of the images, without records: from the change that costs the most to none.
IMAGE_MINUTES = {Change.DOCKERFILE: 11, Change.REQUIREMENTS: 4, Change.CODE: 2, Change.NOTHING: 1}
# Of the other nodes, without records: seconds of a small package.
NODE_SECONDS = {
    "version": 2.0,
    "sdist": 5.0,
    "wheel": 3.0,
    "pypi_publication": 10.0,
    "github_release": 5.0,
    "manifest_list": 3.0,
    "floating_tags": 3.0,
}
PLATFORM_WHEEL_SECONDS = 25.0  # of a small package compiled by zig


@dataclass(frozen=True)
class Records:
    """Recorded seconds of releases before: of each node, and of images by the kind of change."""

    nodes: Mapping[str, Sequence[float]]
    images: Mapping[Change, Sequence[float]]  # of the slowest platform of each release


@dataclass(frozen=True)
class Estimate:
    """Seconds of a release's two halves, and of how many records those of the images are the median."""

    package: float
    images: float
    recorded: int

    @property
    def total(self) -> float:
        """Both halves, in seconds."""
        return self.package + self.images


def estimate(plan: Plan, change: Change, records: Records) -> Estimate:
    """Return how long the nodes take that have something to do.

    The images of all platforms are built at the same time: they take as long as the slowest.
    """
    work = [node.node for node in plan.nodes if node.action in {Action.DO, Action.UNKNOWN}]
    package = sum(
        statistics.median(records.nodes.get(node) or [_usual_seconds(node)])
        for node in work
        if _usual_seconds(node)
    )
    recorded = records.images.get(change) or []
    images = 0.0
    if any(node.startswith("image_") for node in work):
        images = statistics.median(recorded) if recorded else IMAGE_MINUTES[change] * 60.0
    return Estimate(package, images, len(recorded))


def _usual_seconds(node: str) -> float:
    """Return the seconds of a node without records; 0 for an image."""
    return NODE_SECONDS.get(node, PLATFORM_WHEEL_SECONDS if "wheel" in node else 0.0)
