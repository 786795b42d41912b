"""Decide at which minute of the day a project's daily schedule runs. Pure."""

from __future__ import annotations

import hashlib

MINUTES_A_DAY = 24 * 60


def cron_at(project: str, schedule: str | None, offset: int) -> str | None:
    """Return a cron schedule, None for never; `daily` is a minute of the day that the name decides.

    Fifty projects that start at the same minute would fill the run queue. `offset` is in minutes and moves
    `daily` only.
    """
    if schedule != "daily":
        return schedule
    digest = hashlib.sha256(project.encode()).digest()
    minute = (int.from_bytes(digest[:4], "big") + offset) % MINUTES_A_DAY
    return f"{minute % 60} {minute // 60} * * *"
