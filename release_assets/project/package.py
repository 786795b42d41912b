"""Declare the Python package inside the repository."""

from __future__ import annotations

from pydantic import Field, model_validator

from release_assets.project.build import Build
from release_assets.project.declared import Declared
from release_assets.project.trial import Trial
from release_assets.project.values import RepositoryPath
from release_assets.project.wheels import AdoptedWheels, WheelSource
from release_assets.rules.wheel_tags import linux_platform, matches, wheel_node_name


class Package(Declared):
    """The Python package inside the repository."""

    directory: RepositoryPath = Field(
        default=".", description="The folder of pyproject.toml, for monorepos.", examples=["packages/core"]
    )
    version_file: RepositoryPath | None = Field(
        default=None,
        description=(
            "The file that declares the version, where pyproject.toml does not. Read without running it: "
            "`__version__ = ...` of a Python file, the version of a TOML, JSON, YAML or setup.cfg file, or a "
            "file that holds nothing else. The path starts at the repository's top."
        ),
        examples=["src/mypackage/__about__.py", "VERSION"],
    )
    name: str | None = Field(
        default=None,
        description="The distribution's name, where pyproject.toml does not declare it.",
        examples=["my-package"],
    )
    build: Build = Field(
        default=Build(),
        description="The Python, the requirements and the settings of the build; all are optional.",
        examples=[{"exclude_newer": "7 days", "constraints": "build-constraints.txt"}],
    )
    trial: Trial = Field(
        default=Trial(),
        description="The trial of sdist and wheel before the upload, and of the release after it.",
        examples=[{"command": ["mytool", "--version"]}],
    )
    wheels: list[WheelSource] | None = Field(
        default=None,
        description=(
            "The sources of the wheels. Unset, one wheel of pure Python is built; an empty list releases the "
            "sdist alone."
        ),
        examples=[[{"zig": {"platforms": ["linux/amd64", "linux/arm64"]}}], []],
    )

    @model_validator(mode="after")
    def _has_one_source_of_a_kind(self) -> Package:
        for name in ("pure", "adopted"):
            if sum(getattr(source, name) is not None for source in self.wheels or ()) > 1:
                raise ValueError(f"wheels names {name} twice; use one entry for all its files")
        return self

    @property
    def wheel_platforms(self) -> list[str]:
        """Return the platforms that wheels are built for, in the order of the YAML."""
        found = [
            platform for source in self.wheels or () if source.built for platform in source.built.platforms
        ]
        return list(dict.fromkeys(found))

    @property
    def adopted_wheels(self) -> AdoptedWheels | None:
        """Return the wheels that another machine builds, or None."""
        return next((source.adopted for source in self.wheels or () if source.adopted), None)

    def is_made_by(self, node: str, filename: str, version: str) -> bool:
        """Return whether a node makes a file of this name, by its declaration."""
        is_wheel = filename.endswith(".whl")
        if node == "sdist" or not is_wheel:
            return node == "sdist" and not is_wheel
        if self.wheels is None:
            return node == "wheel"  # one wheel, whatever its tags are
        adopted = self.adopted_wheels
        if adopted is not None and any(matches(adopted.files, [filename], version).values()):
            return node == "adopted_wheels"
        platform = linux_platform(filename)
        return node == (wheel_node_name(platform) if platform is not None else "wheel")

    @property
    def last_distributions(self) -> list[str]:
        """Return the nodes after which all files of the release are made."""
        return self.distributions[1:] or self.distributions

    @property
    def distributions(self) -> list[str]:
        """Return the nodes that make the release's files: the sdist, then those of wheels."""
        if self.wheels is None:
            return ["sdist", "wheel"]
        return [
            "sdist",
            *(["wheel"] if any(source.pure is not None for source in self.wheels) else []),
            *map(wheel_node_name, self.wheel_platforms),
            *(["adopted_wheels"] if self.adopted_wheels is not None else []),
        ]
