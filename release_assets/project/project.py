"""Declare one project: its repository, its package, and where its releases go."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from release_assets.project.alerts import Alerts
from release_assets.project.audit import Audit
from release_assets.project.declared import Declared
from release_assets.project.destination import is_loopback
from release_assets.project.image import Image
from release_assets.project.index import PackageIndex, TestPackageIndex
from release_assets.project.package import Package
from release_assets.project.page import GitHub, GitLab
from release_assets.project.publish import Publish
from release_assets.project.retention import Retention
from release_assets.project.tags import Tags
from release_assets.rules.tags import Channel
from release_assets.rules.token_text import shown


def _owner(text: str) -> str:
    # Dagster's rule, told here with the key's name and line.
    if not re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("expected an e-mail address or team:NAME")
    return text


Owner = Annotated[str, AfterValidator(_owner)]


def _no_block() -> Any:
    """Return the empty block of a key that is left out: its validator fills it in."""
    return {}


class Project(Declared):
    """One released package: a git repository, a package in it, and where it goes."""

    project: str = Field(
        pattern=r"^[a-z0-9_]+$",
        description="The project's name: key prefix and group of its assets, prefix of its jobs and sensors.",
        examples=["mypackage"],
    )
    repository: str = Field(
        min_length=1,
        description="The git remote or path that tags are read from.",
        examples=["https://github.com/me/mypackage.git", "git@github.com:me/mypackage.git"],
    )
    allow_http: bool = Field(
        default=False,
        description="Fetch the repository unencrypted, over http:// or git://.",
        examples=[True],
    )
    package: Package = Field(
        description="The Python package inside the repository; `{}` where pyproject.toml is at its top.",
        examples=[{}, {"directory": "packages/core"}],
    )
    tags: Tags = Field(
        default=Tags(),
        description="The patterns of the tags that start something; `{version}` is the version.",
        examples=[{"release": "mypackage-{version}"}],
    )
    index: PackageIndex = Field(
        default=PackageIndex(),
        description="The package index of releases; PyPI by default.",
        examples=[{"token_env": "MYPACKAGE_PYPI_TOKEN"}],
    )
    test_index: TestPackageIndex = Field(
        default=TestPackageIndex(),
        description="The package index of test releases; TestPyPI by default.",
        examples=[{"token_env": "MYPACKAGE_TEST_PYPI_TOKEN"}],
    )
    gitlab: GitLab | None = Field(
        default=None,
        description="The project on GitLab that gets the release, instead of `github`.",
        examples=[{"project": "me/mypackage"}],
    )
    github: GitHub | None = Field(
        default_factory=_no_block,
        validate_default=True,
        description="The repository on GitHub that gets the release. Derived from `repository`.",
        examples=[{"repository": "me/mypackage"}],
    )
    image: Image | None = Field(
        default=None,
        description="The container image. Leave it out for a package without images.",
        examples=[{"repository": "docker.io/me/mypackage"}],
    )
    alerts: Alerts | None = Field(
        default=None,
        description="Send alerts through Apprise. Unset, nobody is told.",
        examples=[{"targets_env": ["ALERTS_SLACK"]}],
    )
    publish: Publish = Field(
        default=Publish(),
        description="What must happen before anything is published: nothing, or a person's approval.",
        examples=[{"approval": "required"}],
    )
    audit: Audit = Field(
        default=Audit(),
        description="The scheduled look at what was published before. It repairs nothing.",
        examples=[{"releases": 3}],
    )
    retention: Retention = Field(
        default=Retention(),
        description="The bounds of stored files, caches, logs and runs.",
        examples=[{"distributions": 100}],
    )
    after: list[str] = Field(
        default=[],
        description=(
            "Projects of the same repository whose releases must be on their package index before one of "
            "this project is built: those tagged on the same commit, or seen together with it."
        ),
        examples=[["core"]],
    )
    owners: list[Owner] = Field(
        default=[],
        description="The owners of the assets: e-mail addresses or team:NAME.",
        examples=[["me@example.org", "team:release"]],
    )

    @field_validator("repository")
    @classmethod
    def _is_a_remote(cls, remote: str) -> str:
        parts = urlsplit(remote)
        if parts.password or (parts.username and parts.scheme in {"http", "https"}):
            # GitHub accepts a token in the user's place: https://TOKEN@github.com/owner/name
            raise ValueError("the remote holds a password; use git's credential helper or an SSH key")
        if remote.startswith("-") or "::" in remote:
            # git would read the first as an option, and run a helper program named by the second.
            raise ValueError(f"{shown(remote)} is not a git remote or path")
        return remote

    @field_validator("github", mode="before")
    @classmethod
    def _find_github_by_the_repository(cls, block: Any, info: ValidationInfo) -> Any:
        remote = info.data.get("repository")
        if not block and ("gitlab" not in info.data or info.data["gitlab"] is not None):
            return None  # it is on GitLab; a mistake there is told by itself
        if remote is None or not isinstance(block, dict) or "repository" in block:
            return block  # a repository that is refused is told by itself
        match = re.search(r"github\.com[:/]+([\w.-]+/[\w.-]+?)(\.git)?/?$", remote)
        if match is None:
            raise ValueError(
                f"github.repository is missing, and {shown(remote)} does not tell it; "
                "add `github: {repository: owner/name}`, or `gitlab: {project: group/name}`"
            )
        return block | {"repository": match[1]}

    @model_validator(mode="after")
    def _publish_one_page(self) -> Project:
        if self.gitlab is not None and self.github is not None:
            raise ValueError("github and gitlab are both declared; a release has one page")
        adopted = self.package.adopted_wheels
        if self.gitlab is not None and adopted is not None and adopted.location == "draft":
            raise ValueError(
                "package.wheels.adopted waits for a draft, and only GitHub has drafts; set its location to a "
                "folder or a page"
            )
        return self

    @property
    def page(self) -> GitHub | GitLab:
        """Return where the release's page is: GitLab where it is declared, else GitHub."""
        page = self.gitlab or self.github
        assert page is not None  # noqa: S101  (github is derived, or is an error)
        return page

    @model_validator(mode="after")
    def _fetch_encrypted(self) -> Project:
        # Somebody in between could serve another commit under our tag.
        unencrypted = urlsplit(self.repository).scheme in {"http", "git"} and not is_loopback(self.repository)
        if unencrypted and not self.allow_http:
            raise ValueError(
                f"{shown(self.repository)} is not encrypted; use https or ssh, "
                "or set allow_http: true for the project"
            )
        return self

    @model_validator(mode="after")
    def _keep_secrets_out_of_builds(self) -> Project:
        secret = sorted(set(self.package.build.environment) & set(self.secret_variables))
        if secret:
            raise ValueError(
                f"package.build.environment names {', '.join(secret)}, which holds a secret; build code "
                "never sees one"
            )
        return self

    @property
    def secret_variables(self) -> list[str]:
        """Return the names of all variables that hold a secret. Image addresses hold the user name."""
        named = [*self.index.secret_variables, *self.test_index.secret_variables, self.page.token_env]
        if self.image is not None:
            named += [place.token_env for place in self.image.places]
            named += self.image.secrets.values()
            if self.image.sign is not None:
                named += filter(None, [self.image.sign.key_env, self.image.sign.password_env])
        if self.alerts is not None:
            named += self.alerts.targets_env
        return named

    @property
    def pool(self) -> str:
        """Return Dagster's pool of everything that publishes this project: one run at a time."""
        return f"{self.project}_publishing"

    @property
    def needs_approval(self) -> bool:
        """Return whether a person must approve a release before anything of it is published."""
        return self.publish.approval == "required"

    @property
    def gates(self) -> list[str]:
        """Return the names of the nodes that come before everything irreversible."""
        return ["approval"] if self.needs_approval else []

    def approving_job(self, *, published: bool) -> str:
        """Return the job that goes on after an approval; of the images, where the rest is `published`."""
        half = "docker" if published and self.image is not None else "release"
        return f"{self.project}_{half}"

    def index_for(self, channel: Channel) -> PackageIndex:
        """Return the index that a channel's distributions go to: the test index for test releases."""
        return self.test_index if channel is Channel.TEST else self.index
