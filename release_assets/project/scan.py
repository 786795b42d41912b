"""Declare the scanner of images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from release_assets.project.declared import Declared


class Scan(Declared):
    """A scanner that looks at the images before any floating tag moves to them."""

    command: list[str] = Field(
        min_length=1,
        description="The scanner's command; `{image}` is the image. It prints Trivy's or Grype's JSON.",
        examples=[["trivy", "image", "--format", "json", "--quiet", "{image}"]],
    )
    blocks_at: Literal["low", "medium", "high", "critical"] | None = Field(
        default="critical",
        description="The lowest severity that keeps the floating tags where they are; null only warns.",
        examples=["high"],
    )
