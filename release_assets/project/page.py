"""Declare the page of a release on GitHub or GitLab."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from release_assets.project.declared import without_default
from release_assets.project.destination import Destination
from release_assets.project.values import RepositoryPath, VariableName


class ReleasePage(Destination):
    """The page of a release on GitHub or GitLab: its title, its text and its files."""

    host: ClassVar[str]  # GitHub or GitLab, for people

    api_url: str

    notes: Literal["none", "commits", "changelog", "github"] = Field(
        default="none",
        description=(
            "The source of the release's text: conventional commits since the previous release (git-cliff, "
            "with the repository's cliff.toml), the changelog's section, or GitHub. `none` leaves it out."
        ),
        examples=["changelog"],
    )
    title: str = Field(
        default="Release {tag}",
        description="The release's title. {tag}, {version} and {name} (the package's) are replaced.",
        examples=["{name} {version}"],
    )
    changelog: RepositoryPath | None = Field(
        default=None,
        description="The file of `notes: changelog`. Unset, CHANGELOG.md and other usual names are tried.",
        examples=["docs/changes.md"],
    )
    template: RepositoryPath | None = Field(
        default=None,
        description=(
            "A Markdown file of the repository to use as the release's text. $notes, $name, $version, $tag, "
            "$commit, $docker and $files are replaced."
        ),
        examples=[".github/release.md"],
    )
    assets: list[RepositoryPath] = Field(
        default=[],
        description="Globs of files in the repository to attach. The distributions are always attached.",
        examples=[["install.sh", "schema/*.json"]],
    )

    @field_validator("title")
    @classmethod
    def _uses_known_placeholders(cls, title: str) -> str:
        unknown = [
            name for name in re.findall(r"\{([^{}]*)\}", title) if name not in {"tag", "version", "name"}
        ]
        if unknown:
            raise ValueError(
                f"{{{unknown[0]}}} is unknown in a title; known are {{tag}}, {{version}} and {{name}}"
            )
        if not title.strip() or not title.isprintable():
            raise ValueError("a title is one line of text")
        return title

    @model_validator(mode="after")
    def _use_tls(self) -> ReleasePage:
        self._check_tls(self.api_url)
        return self

    @property
    def reads_the_repository(self) -> bool:
        """Return whether the release's page takes anything from the repository's files or history."""
        return self.notes in {"commits", "changelog"} or self.template is not None or bool(self.assets)


class GitHub(ReleasePage):
    """The repository on GitHub (or GitHub Enterprise) that gets the release."""

    host: ClassVar[str] = "GitHub"

    api_url: str = Field(
        default="https://api.github.com",
        description="The address of GitHub's API; that of GitHub Enterprise ends in /api/v3.",
        examples=["https://github.example/api/v3"],
    )
    repository: str = Field(
        default="",  # Project fills it in, so that no editor and no `dg check` requires it
        description="owner/name. Derived from the project's `repository` where that is on github.com.",
        examples=["me/mypackage"],
        json_schema_extra=without_default,
    )
    token_env: VariableName = Field(
        default="GITHUB_TOKEN",
        description="The environment variable that holds a token with `Contents: write`.",
        examples=["MYPACKAGE_GITHUB_TOKEN"],
    )

    latest: bool = Field(
        default=True,
        description=(
            'Let the highest stable release be GitHub\'s "Latest". In a monorepo, set it to false for all '
            "packages but one."
        ),
        examples=[False],
    )

    @field_validator("repository")
    @classmethod
    def _names_owner_and_repository(cls, repository: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repository):
            raise ValueError("expected owner/name")
        return repository


class GitLab(ReleasePage):
    """The project on GitLab (gitlab.com or a server of one's own) that gets the release."""

    host: ClassVar[str] = "GitLab"

    api_url: str = Field(
        default="https://gitlab.com/api/v4",
        description="The address of GitLab's API; it ends in /api/v4.",
        examples=["https://gitlab.example/api/v4"],
    )
    project: str = Field(
        description="The project's path, with its groups.",
        examples=["group/subgroup/mypackage"],
    )
    token_env: VariableName = Field(
        default="GITLAB_TOKEN",
        description="The environment variable that holds a token with the scope `api`, role Developer.",
        examples=["MYPACKAGE_GITLAB_TOKEN"],
    )

    @field_validator("project")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)+", path):
            raise ValueError("expected group/project, as in the project's address")
        return path

    @field_validator("notes")
    @classmethod
    def _has_no_generated_notes(cls, notes: str) -> str:
        if notes == "github":
            raise ValueError("GitLab generates no notes; use commits or changelog")
        return notes

    @property
    def repository(self) -> str:
        """Return the project's path, as GitHub's owner/name."""
        return self.project
