"""Declare the targets of alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from release_assets.project.declared import Declared
from release_assets.project.values import VariableName


class Alerts(Declared):
    """The targets that people are told at what became of a release."""

    targets_env: list[VariableName] = Field(
        default=["ALERTS_URL"],
        min_length=1,
        description=(
            "The environment variables that each hold one Apprise URL, such as slack://… or mailto://…. "
            "The URLs hold secrets."
        ),
        examples=[["ALERTS_SLACK", "ALERTS_MAIL"]],
    )
    levels: list[Literal["success", "warning", "failure"]] = Field(
        default=["success", "warning", "failure"],
        min_length=1,
        description="The levels that are sent.",
        examples=[["warning", "failure"]],
    )
