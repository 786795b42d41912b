"""Declare the bounds of what releases leave on disk."""

from __future__ import annotations

from pydantic import ByteSize, Field

from release_assets.project.declared import Declared
from release_assets.project.values import SCHEDULE


class Retention(Declared):
    """The bounds of what releases leave on disk. What one needs to be resumed is never removed."""

    schedule: str | None = Field(
        default="daily",
        pattern=SCHEDULE,
        description="When the cleanup runs, as `audit.schedule`; null turns it off.",
        examples=["0 6 * * 0"],
    )
    distributions: int | None = Field(
        default=20,
        ge=0,
        description=(
            "The complete releases whose stored files are kept, the highest versions; null keeps all. Files "
            "of a release that is not complete are always kept."
        ),
        examples=[100],
    )
    days: int = Field(
        default=90,
        ge=1,
        description="For how long to keep the output of steps, runs of audits, and mirrors without a fetch.",
        examples=[30],
    )
    build_cache: ByteSize = Field(
        default=ByteSize(5 * 1024**3),
        description="The size at which the project's cache for build environments is emptied.",
        examples=["2 GiB"],
    )
