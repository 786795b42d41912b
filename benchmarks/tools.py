"""Tools: how many of a run's seconds were the tools' that every release needs, and how many were added."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The stages, by node, in which a program or a destination does what it does for the script.
# Everything else is ours: looks before and after, waits, Dagster's processes, imports and events.
BUILD = {"git", "checkout", "environment", "build", "check"}  # python -m build, twine check
TOOLS = {
    "version": {"git", "fetch"},
    "sdist": BUILD,
    "wheel": BUILD,
    "pypi_publication": {"upload"},
    "github_release": {"draft", "assets", "publish"},
    "image": {"git", "checkout", "buildx", "starts"},
    "manifest_list": {"push"},
    "floating_tags": {"push"},
}
CHECKS = ("starts", "verify")


@dataclass(frozen=True)
class StepSpan:
    """A step of a run: when it began and ended, in seconds since 1970, how long its tools worked."""

    began: float
    ended: float
    tool_seconds: float


def tool_seconds(node: str, stages: Mapping[str, float]) -> float:
    """Return the tools' part of the seconds of a node's stages."""
    tools = TOOLS.get("image" if node.startswith("image_") else node, set())
    return sum(seconds for stage, seconds in stages.items() if stage in tools)


def longest_chain(steps: Iterable[StepSpan]) -> float:
    """Return the most tool seconds that steps have which follow one another.

    Steps that run at the same time, such as the platforms' images, are not in one chain.
    """
    ordered = sorted(steps, key=lambda step: step.ended)
    ends = [step.ended for step in ordered]
    best = [0.0]  # by how many of the steps, in the order of their ends, are looked at
    for index, step in enumerate(ordered):
        before = bisect_right(ends, step.began, hi=index)
        best.append(max(best[-1], best[before] + step.tool_seconds))
    return best[-1]
