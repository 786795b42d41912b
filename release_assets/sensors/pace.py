"""The pace of sensors: as often as Dagster can, and less often where many projects share a daemon."""

from __future__ import annotations

import math
import os
from pathlib import Path

LOOP_SECONDS = 5  # between two looks of Dagster's daemon at all sensors
# Two sensors of 25 projects tick ten times a second. A tick costs 10 to 15 ms of CPU, most of them Dagster's.
PROJECTS_A_LOOP = 25


def tick_seconds(projects: int, at_least: int = LOOP_SECONDS) -> int:
    """Return the minimum interval of a sensor where so many projects share a daemon, in seconds.

    A second less than a multiple of the daemon's loop: it would miss every second one, whose times vary.
    """
    loops = max(math.ceil(at_least / LOOP_SECONDS), math.ceil(projects / PROJECTS_A_LOOP))
    return loops * LOOP_SECONDS - 1


def projects_here() -> int:
    """Return how many projects the daemon has, by the folders in RELEASE_ASSETS_DEFS; at least 1."""
    folder = os.environ.get("RELEASE_ASSETS_DEFS")
    try:
        return max(1, sum(entry.is_dir() for entry in Path(folder).iterdir())) if folder else 1
    except OSError:
        return 1
