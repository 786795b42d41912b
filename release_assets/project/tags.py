"""Declare the patterns of git tags."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from release_assets.project.declared import Declared
from release_assets.rules.tags import TagPatterns
from release_assets.rules.token_text import shown


class Tags(Declared):
    """The patterns of git tags; `{version}` stands where the version does."""

    release: str = Field(
        default="v{version}", description="The tag of a release.", examples=["mypackage-{version}"]
    )
    test: str = Field(
        default="test-v{version}",
        description="The tag of a test release, which goes to `test_index`.",
        examples=["test-{version}"],
    )
    rebuild: str = Field(
        default="docker-rebuild-v{version}",
        description="The tag that rebuilds the images of a release from the commit that it points to.",
        examples=["rebuild-{version}"],
    )

    @field_validator("release", "test", "rebuild")
    @classmethod
    def _holds_the_version_once(cls, pattern: str) -> str:
        if pattern.count("{version}") != 1:
            raise ValueError(f"{shown(pattern)} must hold {{version}} once")
        return pattern

    @model_validator(mode="after")
    def _tell_the_kinds_apart(self) -> Tags:
        if len({self.release, self.test, self.rebuild}) < 3:
            raise ValueError("release, test and rebuild tags must be written differently")
        return self

    @property
    def patterns(self) -> TagPatterns:
        """Return the three patterns as the rules of tags use them."""
        return TagPatterns(self.release, self.test, self.rebuild)
