"""Declare one more repository of an image."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from release_assets.project.declared import without_default
from release_assets.project.destination import Destination
from release_assets.project.values import VariableName


class Mirror(Destination):
    """One more repository of an image. A Docker engine needs its own setting for plain http."""

    repository: str = Field(
        description="The image repository, without a tag.", examples=["ghcr.io/me/mypackage"]
    )
    name: str = Field(
        default="",  # its validator fills it in
        pattern=r"^[a-z0-9_]*$",
        description=(
            "The end of the names of the mirror's assets: `manifest_list_ghcr`, `floating_tags_ghcr`. Unset, "
            "the registry's host with `_` for other characters: `ghcr_io`."
        ),
        examples=["ghcr"],
        json_schema_extra=without_default,
    )
    username_env: VariableName = Field(
        description="The environment variable that holds this registry's user name.",
        examples=["GHCR_USERNAME"],
    )
    token_env: VariableName = Field(
        description="The environment variable that holds this registry's token.", examples=["GHCR_TOKEN"]
    )

    @model_validator(mode="after")
    def _name_it_by_its_host(self) -> Mirror:
        if not self.name:
            host = registry_host(self.repository)
            object.__setattr__(self, "name", re.sub(r"[^a-z0-9]+", "_", host.lower()).strip("_"))
        return self


def registry_host(repository: str) -> str:
    """Return the host of an image repository by docker's rule: without one it is Docker Hub."""
    first, slash, _ = repository.partition("/")
    return first if slash and (re.search(r"[.:A-Z]", first) or first == "localhost") else "docker.io"
