"""Sizes: what grows with images, tags, releases and projects, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import bounds, idle, startup, ui
from benchmarks.figures import slope
from benchmarks.result import Result


@dataclass(frozen=True)
class Size:
    """`what` grows by `growth`, in `unit`, with each `with_each`."""

    what: str
    with_each: str
    growth: float
    unit: str


def sizes(result: Result) -> Iterator[Size]:
    """Yield every slope for which the result has two sizes or more."""
    yield from _images(result)
    tags = [(tags, idle.row_name(projects, tags)) for projects, tags in idle.SIZES if projects == 1]
    for what, unit, each in (
        (bounds.TICK, "ms", 1_000),
        (bounds.MEMORY, "MiB", 1_000),
        (bounds.CURSOR, "bytes", 1_000),
    ):
        yield from _slope(result, what, unit, tags, each, f"{each:,} tags of a project")
    projects = [
        (projects, idle.row_name(projects, tags)) for projects, tags in idle.SIZES if tags == idle.COMMON_TAGS
    ]
    for what, unit in (
        (bounds.CPU, "% of a core"),
        (bounds.MEMORY, "MiB"),
        (bounds.HOME, "MiB/h"),
        (bounds.LOOKS, "s"),
    ):
        yield from _slope(result, what, unit, projects, 1, "project")
    loaded = [(projects, startup.row_name(projects)) for projects in startup.PROJECTS]
    yield from _slope(result, bounds.LOAD, "s", loaded, 1, "project")
    recorded = [(releases, ui.row_name(releases)) for releases in ui.RELEASES]
    for page in ui.QUERIES:
        yield from _slope(result, page, "ms", recorded, 1_000, "1,000 recorded releases")
    if home := result.of(bounds.HOME_BYTES, "small"):
        yield Size("DAGSTER_HOME", "release", median(home.ours) / 1_000, "kB")


def _images(result: Result) -> Iterator[Size]:
    sized = [
        (median(image.ours), median(seconds.ours))
        for row in ("small", "large-code")
        if (image := result.of(bounds.IMAGE_BYTES, row)) and (seconds := result.of(bounds.OWN_SECONDS, row))
    ]
    if len(sized) > 1:
        yield Size(bounds.OWN_SECONDS, "GB of cached layers", 1e9 * slope(sized), "s")
    first, code = (result.of(bounds.OWN_SECONDS, row) for row in ("middling-first", "middling-code"))
    if first and code:
        yield Size(
            bounds.OWN_SECONDS,
            "60 MB of new requirements, on two platforms",
            median(first.ours) - median(code.ours),
            "s",
        )


def _slope(
    result: Result, what: str, unit: str, rows: Sequence[tuple[int, str]], each: int, with_each: str
) -> Iterator[Size]:
    found = [(size, result.of(what, row)) for size, row in rows]
    points = [(float(size), median(series.ours)) for size, series in found if series]
    if len(points) > 1:
        yield Size(what, with_each, each * slope(points), unit)
