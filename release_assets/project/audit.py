"""Declare the scheduled audit of published releases."""

from __future__ import annotations

from pydantic import Field

from release_assets.project.declared import Declared
from release_assets.project.values import SCHEDULE


class Audit(Declared):
    """The audit: published releases are looked at again and compared with what was recorded."""

    schedule: str | None = Field(
        default="daily",
        pattern=SCHEDULE,
        description=(
            "`daily`, at a minute of the day that the project's name decides, or a cron schedule in UTC; "
            "null turns it off."
        ),
        examples=["30 5 * * 1"],
    )
    releases: int = Field(
        default=10, ge=1, description="The number of releases to look at, the highest versions.", examples=[3]
    )
    rebuild: bool = Field(
        default=False,
        description=(
            "Rebuild the images of the newest release where a base image has changed. Otherwise a failed "
            "check proposes it."
        ),
        examples=[True],
    )
