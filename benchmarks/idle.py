"""Idle cost: daemon and code server with more and more projects and tags."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import bounds, startup
from benchmarks.figures import Series
from release_assets import process

ROW_SECONDS = 600.0
# One more at a time, so that what grows with it is seen; then what is to be reached.
COMMON_TAGS = 1_000
SIZES = ((1, 10), (1, COMMON_TAGS), (1, 10_000), (10, COMMON_TAGS), (50, COMMON_TAGS))
GOAL = (50, 2_000)
PUSHED = 20


def measure(projects: int, tags: int, *, seconds: float) -> Iterator[Series]:
    """Measure so many projects with so many tags each, for so many seconds; yield what was found."""
    argv = [
        sys.executable, "-m", "benchmarks.growth",
        "--projects", str(projects), "--tags", str(tags), "--seconds", str(seconds),
        *(["--push", str(PUSHED)] if (projects, tags) == GOAL else []),
    ]  # fmt: skip
    said = process.run(argv, env=process.environment(), timeout=ROW_SECONDS)
    yield from series(projects, tags, json.loads(said))


def row_name(projects: int, tags: int) -> str:
    """Return what the row of so many projects with so many tags each is called."""
    return f"{startup.row_name(projects)}, {tags} tags"


def series(projects: int, tags: int, found: Mapping[str, Any]) -> Iterator[Series]:
    """Yield the figures of one row of benchmarks.growth."""
    row = row_name(projects, tags)
    yield Series(row, bounds.TICK, "ms", (found["cpu_ms_per_tick"],))
    yield Series(row, bounds.CPU, "%", (found["cpu_percent"],))
    yield Series(row, bounds.MEMORY, "MiB", (float(sum(found["rss_mib"].values())),))
    yield Series(row, bounds.WRITTEN, "MiB/h", (found["written_mib_per_hour"],))
    yield Series(row, bounds.HOME, "MiB/h", (found["home_mib_per_hour"],))
    yield Series(row, bounds.CURSOR, "bytes", (float(found["cursor_bytes"]),))
    yield Series(row, bounds.LOOKS, "s", (found["longest_gap_seconds"],))
    if seen := found["seen_seconds"]:
        # The others were not seen within the limit of benchmarks.growth.
        missing = PUSHED - len(seen)
        if missing:
            raise ValueError(f"{row}: {missing} of {PUSHED} pushed tags have no run")
        yield Series(row, bounds.GAP, "s", (max(seen),))
        started = found["started_seconds"]
        yield Series(row, bounds.LAUNCHES, "s", (round(max(started) - min(started), 3),))
