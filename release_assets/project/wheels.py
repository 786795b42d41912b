"""Declare the sources of wheels."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from release_assets.project.declared import Declared
from release_assets.project.destination import is_loopback
from release_assets.project.values import Platform
from release_assets.rules.wheel_tags import MACHINES


def _pattern(pattern: str) -> str:
    if not re.fullmatch(r"[\w.+!*?\[\]-]+\.whl", pattern.replace("{version}", "1")):
        raise ValueError(f"{pattern!r} is not a pattern of a wheel's file name such as '*-win_amd64.whl'")
    return pattern


def _python(version: str) -> str:
    if not re.fullmatch(r"3\.\d+", version):
        raise ValueError(f"{version!r} is not a version of Python such as '3.12'")
    return version


WheelPattern = Annotated[str, AfterValidator(_pattern)]

PythonVersion = Annotated[str, AfterValidator(_python)]


class TriedWheels(Declared):
    """Wheels that are installed and imported on their platform before anything is uploaded."""

    imports: list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.\w+)*$")]] | None = Field(
        default=None,
        description=(
            "The modules to import from each installed wheel. Unset, its top-level packages and all its "
            "extension modules; an empty list imports none."
        ),
        examples=[["mypackage", "mypackage._speedups"], []],
    )
    trial_image: str = Field(
        default="python:{python}-slim",
        min_length=1,
        description=(
            "The image in which wheels are imported that this machine cannot run by itself. `{python}` is "
            "the wheel's version of Python; in the default, `slim` is `alpine` for musllinux wheels."
        ),
        examples=["registry.example/python:{python}"],
    )
    builders: dict[Platform, str] = Field(
        default={},
        description="A docker context per platform. Others use the current engine.",
        examples=[{"linux/arm64": "arm-host"}],
    )


class ZigWheels(TriedWheels):
    """manylinux wheels that zig compiles on this machine for each platform. It needs no image."""

    platforms: list[Platform] = Field(
        default=["linux/amd64", "linux/arm64"],
        min_length=1,
        description="The platforms to build for: linux/amd64 and linux/arm64.",
        examples=[["linux/amd64"]],
    )
    pythons: list[PythonVersion] = Field(
        default=[],
        description=(
            "The versions of Python to build for, which uv finds or fetches. Unset, the one that runs "
            "Dagster: enough for a stable ABI (abi3) wheel."
        ),
        examples=[["3.11", "3.12", "3.13"]],
    )
    glibc: str = Field(
        default="2.17",
        pattern=r"^2\.\d{1,2}$",
        description="The oldest glibc that the wheels run on. 2.17 makes manylinux_2_17 wheels.",
        examples=["2.28"],
    )

    @field_validator("platforms")
    @classmethod
    def _zig_can_compile_for(cls, platforms: list[str]) -> list[str]:
        unknown = sorted(set(platforms) - {"linux/amd64", "linux/arm64"})
        if unknown:
            # Other platforms have other sizes of types than this machine's Python.h declares.
            raise ValueError(
                f"zig compiles for linux/amd64 and linux/arm64 here, not for {', '.join(unknown)}; use "
                "cibuildwheel or adopted"
            )
        return platforms


class CibuildwheelWheels(TriedWheels):
    """Wheels that cibuildwheel builds in its containers, by the project's [tool.cibuildwheel]."""

    platforms: list[Platform] = Field(
        default=["linux/amd64", "linux/arm64"],
        min_length=1,
        description="The platforms to build for.",
        examples=[["linux/amd64"]],
    )
    identifiers: list[Annotated[str, Field(pattern=r"^[\w*?\[\]{},-]+$")]] = Field(
        default=[],
        description=(
            "The build identifiers, as cibuildwheel's `build` option has them. Unset, those of the project."
        ),
        examples=[["cp311-*", "cp312-manylinux_*"]],
    )
    images: dict[Literal["manylinux", "musllinux"], str] = Field(
        default={},
        description="The container images to build in. Unset, those of cibuildwheel or the project.",
        examples=[{"manylinux": "registry.example/manylinux_2_28_x86_64:2026.10.1"}],
    )

    @field_validator("platforms")
    @classmethod
    def _are_linux(cls, platforms: list[str]) -> list[str]:
        others = sorted(set(platforms) - set(MACHINES))
        if others:
            raise ValueError(
                f"cibuildwheel's containers run {', '.join(MACHINES)}, not {', '.join(others)}; build "
                "those on a machine of that platform, and declare them under adopted"
            )
        return platforms


class AdoptedWheels(TriedWheels):
    """Wheels that another machine builds, such as those for macOS and Windows."""

    files: list[WheelPattern] = Field(
        min_length=1,
        description=(
            "A pattern for each wheel's file name; `{version}` is the release's version. Each must match "
            "exactly one file: the release waits for all of them."
        ),
        examples=[["*-cp312-*-macosx_*_arm64.whl", "*-cp312-*-win_amd64.whl"]],
    )
    location: str = Field(
        default="draft",
        description=(
            "Where the files appear: `draft` is the draft of the release on GitHub; else an absolute folder "
            "or the https URL of a page that links them. `{tag}` and `{version}` are replaced."
        ),
        examples=["/srv/wheels/{tag}", "https://ci.example/mypackage/{tag}/"],
    )
    wait_minutes: float = Field(
        default=120.0,
        ge=0,
        le=300,  # dagster.yaml ends a run after six hours
        description="For how long to wait until all files are there. Then the release fails and can go on.",
        examples=[30],
    )

    @field_validator("location")
    @classmethod
    def _is_a_place(cls, location: str) -> str:
        if location == "draft" or location.startswith("/"):
            return location
        parts = urlsplit(location)
        if parts.username or parts.password:
            raise ValueError("a URL must not hold a user or password")
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(location)):
            return location
        raise ValueError("expected draft, an absolute folder, or an https URL")


class PureWheel(Declared):
    """The wheel of pure Python that is built by default."""


class WheelSource(Declared):
    """One source of wheels: exactly one of its keys."""

    pure: PureWheel | None = Field(
        default=None,
        description="`{}`: the py3-none-any wheel that is built without `wheels`, next to others.",
        examples=[{}],
    )
    zig: ZigWheels | None = Field(
        default=None,
        description="Compile manylinux wheels for amd64 and arm64 with zig; no image is needed.",
        examples=[{}, {"platforms": ["linux/amd64"]}],
    )
    cibuildwheel: CibuildwheelWheels | None = Field(
        default=None,
        description="Build in cibuildwheel's manylinux and musllinux containers.",
        examples=[{}, {"identifiers": ["cp312-*"]}],
    )
    adopted: AdoptedWheels | None = Field(
        default=None,
        description="Wait for wheels that another machine builds, such as for macOS and Windows.",
        examples=[{"files": ["*-macosx_*_arm64.whl", "*-win_amd64.whl"]}],
    )

    @model_validator(mode="after")
    def _is_one_source(self) -> WheelSource:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(type(self).model_fields)
            raise ValueError(f"expected exactly one of {known}, got {', '.join(given) or 'none'}")
        return self

    @property
    def built(self) -> ZigWheels | CibuildwheelWheels | None:
        """Return the source where it builds wheels for platforms, else None."""
        return self.zig or self.cibuildwheel
