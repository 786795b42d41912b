"""Declare the environment that sdist and wheel are built in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from release_assets.project.declared import Declared
from release_assets.project.values import RepositoryPath, VariableName
from release_assets.rules.exclude_newer import check_exclude_newer

# What a build's environment has from us, or what would run code outside its isolation.
RESERVED_VARIABLES = frozenset(
    {"BASH_ENV", "HOME", "PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "SOURCE_DATE_EPOCH"}
)

ExcludeNewer = Annotated[str, AfterValidator(check_exclude_newer)]


class Build(Declared):
    """The environment that sdist and wheel are built in."""

    python: str | None = Field(
        default=None,
        pattern=r"^3\.(1[1-9]|[2-9][0-9])(\.[0-9]+)?$",
        description=(
            "The version of Python that builds, 3.11 or newer. It is looked for on the machine, and else "
            "installed by uv. Unset, it is the Python that release-assets runs on."
        ),
        examples=["3.13.1"],
    )
    exclude_newer: ExcludeNewer | None = Field(
        default=None,
        description=(
            "Ignore build requirements that were uploaded later: a duration before the commit's time (a "
            "commit of the future counts as now), a date or a timestamp. The index must serve upload times, "
            "as PyPI does."
        ),
        examples=["7 days", "2026-11-01"],
    )
    constraints: RepositoryPath | None = Field(
        default=None,
        description=(
            "A constraints file of the repository for build requirements. If it holds hashes, each package "
            "that is installed must be listed in it with a hash. The path starts at the repository's top."
        ),
        examples=["build-constraints.txt"],
    )
    config_settings: dict[str, str | list[str]] = Field(
        default={},
        description="Settings for the build backend, as `python -m build --config-setting` has them.",
        examples=[{"--build-option": ["--quiet"]}],
    )
    environment: dict[VariableName, str] = Field(
        default={},
        description=(
            "Environment variables for the build backend. The values are not secret: build code never sees a "
            "secret."
        ),
        examples=[{"MYPACKAGE_EXTENSIONS": "none"}],
    )

    @field_validator("exclude_newer", mode="before")
    @classmethod
    def _may_be_a_date(cls, written: Any) -> Any:
        """Return a date or a time, which YAML makes of an unquoted one, as text."""
        return written.isoformat() if isinstance(written, date) else written

    @field_validator("environment")
    @classmethod
    def _leaves_ours_alone(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if name in RESERVED_VARIABLES or name.startswith(("LD_", "UV_")):
                raise ValueError(f"{name} is set by release-assets; remove it")
            if "\0" in value:
                raise ValueError(f"the value of {name} holds a NUL character")
        return variables
