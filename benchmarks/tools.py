"""Tools: how many of a run's seconds were the tools' that every release needs, and how many were added."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The stages, as the nodes record them, in which a program or a destination does what it does for the script.
# Everything else is ours: looks before and after, waits, Dagster's processes, imports and events.
TOOLS = frozenset({
    "git", "fetch", "checkout",  # git
    "environment", "build", "check",  # python -m build, twine check
    "upload",  # twine upload
    "draft", "assets", "publish",  # GitHub's API
    "buildx", "starts", "push",  # docker buildx, docker run, imagetools or the registry's API
})  # fmt: skip
# BuildKit's own parts of an image's build, which are inside of `buildx`.
INSIDE_BUILDX = frozenset({"build", "export", "push", "cache_export"})
CHECKS = ("starts", "verify")


@dataclass(frozen=True)
class StepSpan:
    """A step of a run: when it began and ended, in seconds since 1970, how long its tools worked."""

    began: float
    ended: float
    tool_seconds: float


def tool_seconds(stages: Mapping[str, float], total: float) -> float:
    """Return the tools' part of a step's stages, in seconds; never more than the step's `total`.

    Stages of one step can overlap: BuildKit exports one layer while it builds another.
    """
    tools = TOOLS - INSIDE_BUILDX if "buildx" in stages else TOOLS | INSIDE_BUILDX
    return min(total, sum(seconds for stage, seconds in stages.items() if stage in tools))


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
