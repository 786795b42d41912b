"""Declare the trial of sdist and wheel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from release_assets.project.declared import Declared


def _module(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r} is not the name of a module")
    return name


ModuleName = Annotated[str, AfterValidator(_module)]

ExtraName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]


class Trial(Declared):
    """The trial of sdist and wheel: each is installed into a fresh environment and imported."""

    distributions: list[Literal["sdist", "wheel"]] = Field(
        default=["sdist", "wheel"],
        description="The files to install before anything is uploaded; `[]` tries none.",
        examples=[["wheel"], []],
    )
    imports: list[ModuleName] | None = Field(
        default=None,
        description=(
            "The modules to import. Unset, they are the package's top-level modules; `[]` imports none, for "
            "a package that needs a GPU or a display."
        ),
        examples=[["mypackage", "mypackage.cli"], []],
    )
    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The command to run instead of the imports. It must exit with status 0.",
        examples=[["mytool", "--version"]],
    )
    extras: list[ExtraName] = Field(
        default=[],
        description="The extras to install with the package.",
        examples=[["cli"]],
    )
    from_index: bool = Field(
        default=True,
        description=(
            "Install the release from its package index after the upload, too. A failure of that warns and "
            "blocks nothing."
        ),
        examples=[False],
    )
