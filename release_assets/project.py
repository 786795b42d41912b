"""What a user declares: a project, its package, and where its releases go. Errors name the key."""

from __future__ import annotations

import difflib
import ipaddress
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from release_assets.release import Channel, TagPatterns


class Declared(BaseModel):
    """A block of the YAML: nothing in it is ignored, so a misspelt key is an error and not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, block: Any) -> Any:
        for key in block if isinstance(block, dict) else ():
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(cls.model_fields)}"
                raise ValueError(f"unknown key {key!r}; {hint}")
        return block


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine: only there is plain http accepted without asking."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError(f"{path!r} leads out of the repository; give a path below its top folder")
    return path


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # The value is not repeated: whoever put the secret itself here must not find it in a log.
        raise ValueError(
            "must be the name of an environment variable; the YAML never holds the secret itself"
        )
    return name


def _platform(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", text):
        raise ValueError(f"{text!r} is not a platform such as linux/amd64")
    return text


RepositoryPath = Annotated[str, AfterValidator(_inside)]
VariableName = Annotated[str, AfterValidator(_variable)]
Platform = Annotated[str, AfterValidator(_platform)]


class Package(Declared):
    """The Python package inside the repository."""

    directory: RepositoryPath = Field(default=".", description="where pyproject.toml is")
    version_file: RepositoryPath | None = Field(
        default=None,
        description="a file below the repository's top with `__version__ = ...`; read without importing it",
    )
    name: str | None = Field(
        default=None,
        description="the distribution's name, for packages whose pyproject.toml does not say it",
    )


class Tags(Declared):
    """How git tags are written; `{version}` stands where the version does."""

    release: str = "v{version}"
    test: str = "test-v{version}"
    rebuild: str = "docker-rebuild-v{version}"

    @field_validator("release", "test", "rebuild")
    @classmethod
    def _holds_the_version_once(cls, pattern: str) -> str:
        if pattern.count("{version}") != 1:
            raise ValueError(f"{pattern!r} must hold {{version}} once")
        return pattern

    @model_validator(mode="after")
    def _tell_the_kinds_apart(self) -> Tags:
        if len({self.release, self.test, self.rebuild}) < 3:
            raise ValueError("release, test and rebuild tags must be written differently")
        return self

    @property
    def patterns(self) -> TagPatterns:
        return TagPatterns(self.release, self.test, self.rebuild)


class Destination(Declared):
    """A place outside: reached with TLS, unless it is on this machine or the YAML allows plain http."""

    allow_http: bool = Field(default=False, description="accept plain http to this destination")

    def _check_tls(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not an http(s) URL")
        if parts.username or parts.password:
            raise ValueError("a URL must not hold a user or password; name a variable with token_env")
        if parts.scheme == "http" and not (self.allow_http or is_loopback(url)):
            raise ValueError(
                f"{url!r} is not encrypted; use https, or say allow_http: true for this destination"
            )


WAREHOUSE_DAYS = 14  # PyPI's rule since July 2026


class PackageIndex(Destination):
    """A package index: where twine uploads to, and where pip reads from."""

    upload_url: str = "https://upload.pypi.org/legacy/"
    simple_url: str = "https://pypi.org/simple/"
    token_env: VariableName = "PYPI_TOKEN"
    closes_after_days: int | None = Field(
        default=None,
        ge=0,
        description="a release takes no new file so many days after its first one; 14 on PyPI and TestPyPI",
    )

    @model_validator(mode="after")
    def _use_tls(self) -> PackageIndex:
        self._check_tls(self.upload_url)
        self._check_tls(self.simple_url)
        return self

    @property
    def window_days(self) -> int | None:
        """How long a release takes new files after its first one; None where that has no end."""
        if self.closes_after_days is not None:
            return self.closes_after_days
        host = urlsplit(self.upload_url).hostname or ""
        return WAREHOUSE_DAYS if host == "pypi.org" or host.endswith(".pypi.org") else None


class TestPackageIndex(PackageIndex):
    """Where `test-v*` tags go; TestPyPI where nothing else is said."""

    __test__ = False  # its name is TestPyPI's, not a test's: pytest passes it by

    upload_url: str = "https://test.pypi.org/legacy/"
    simple_url: str = "https://test.pypi.org/simple/"
    token_env: VariableName = "TEST_PYPI_TOKEN"


class GitHub(Destination):
    """The repository on GitHub (or GitHub Enterprise) that gets the release."""

    api_url: str = "https://api.github.com"
    repository: str = Field(description="owner/name", pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")
    token_env: VariableName = "GITHUB_TOKEN"

    @model_validator(mode="after")
    def _use_tls(self) -> GitHub:
        self._check_tls(self.api_url)
        return self


class Scan(Declared):
    """A scanner that looks at the images before any floating tag moves to them."""

    command: list[str] = Field(
        min_length=1,
        description="such as [trivy, image, --format, json, --quiet, '{image}']; trivy's or grype's JSON",
    )
    blocks_at: Literal["low", "medium", "high", "critical"] | None = Field(
        default="critical", description="the lowest severity that keeps the floating tags where they are"
    )


class Sign(Declared):
    """How cosign signs the manifest list: with a key, or keyless with the machine's own identity."""

    key_env: VariableName | None = Field(
        default=None, description="the variable that holds the private key; without it, keyless"
    )
    password_env: VariableName = "COSIGN_PASSWORD"


class Image(Destination):
    """The container image, one for each platform. An engine wants to hear of plain http by itself."""

    repository: str = Field(description="an image repository such as docker.io/owner/name, without a tag")
    dockerfile: RepositoryPath = "Dockerfile"
    context: RepositoryPath = "."
    platforms: list[Platform] = Field(default=["linux/amd64", "linux/arm64"], min_length=1)
    builders: dict[Platform, str] = Field(
        default={}, description="a buildx builder or docker context for a platform"
    )
    emulate_unreachable: bool = Field(
        default=False,
        description="where a platform's builder cannot be reached, build with QEMU on docker's own",
    )
    version_command: list[str] | None = Field(
        default=None,
        description="run in each platform's image; its output must hold the version",
    )
    warn_growth: float = Field(
        default=0.2, ge=0, description="warn where an image grew by more than this part of the one before"
    )
    sbom_generator: str | None = Field(
        default=None,
        description="an image that makes the SBOM, such as docker/buildkit-syft-scanner:stable-1",
    )
    provenance: bool = Field(
        default=True, description="attach SLSA provenance; false for registries that refuse attestations"
    )
    scan: Scan | None = None
    sign: Sign | None = None
    keep_git: bool = Field(
        default=False,
        description="check out with a whole .git at the repository's top, for a Dockerfile that runs git",
    )
    build_args: dict[str, str] = {}
    build_contexts: dict[str, str] = Field(
        default={}, description="named contexts; `dist`, the published files, is always there"
    )
    cache: Literal["registry", "local", "none"] = "registry"
    username_env: VariableName = "DOCKER_USERNAME"
    token_env: VariableName = "DOCKER_TOKEN"

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Image:
        if len(set(self.platforms)) < len(self.platforms):
            raise ValueError(f"platforms names one of them twice: {', '.join(self.platforms)}")
        strangers = sorted(set(self.builders) - set(self.platforms))
        if strangers:
            raise ValueError(f"builders names {', '.join(strangers)}, which platforms does not")
        if "dist" in self.build_contexts:
            raise ValueError("build_contexts must not name 'dist': that is the folder of the published files")
        return self


class Project(Declared):
    """One released package: a git repository, a package in it, and where it goes."""

    project: str = Field(pattern=r"^[a-z0-9_]+$", description="asset key prefix and group name")
    repository: str = Field(min_length=1, description="any git remote or path")
    allow_http: bool = Field(
        default=False, description="fetch the repository unencrypted: over http:// or git://"
    )
    package: Package
    tags: Tags = Tags()
    index: PackageIndex = PackageIndex()
    test_index: TestPackageIndex = TestPackageIndex()
    github: GitHub
    image: Image | None = None
    owners: list[str] = Field(default=[], description="owners of the assets: e-mail addresses or team:NAME")

    @model_validator(mode="before")
    @classmethod
    def _find_github_by_the_repository(cls, block: Any) -> Any:
        if not isinstance(block, dict) or not isinstance(block.get("repository"), str):
            return block
        github = block.get("github") or {}
        if not isinstance(github, dict) or "repository" in github:
            return block
        match = re.search(r"github\.com[:/]+([\w.-]+/[\w.-]+?)(\.git)?/?$", block["repository"])
        if match is None:
            raise ValueError(
                f"github.repository is missing, and {block['repository']!r} does not tell it; "
                "add `github: {repository: owner/name}`"
            )
        return block | {"github": github | {"repository": match[1]}}

    @field_validator("repository")
    @classmethod
    def _is_a_remote(cls, remote: str) -> str:
        if remote.startswith("-") or "::" in remote:
            # git would read the first as an option, and run a helper program named by the second.
            raise ValueError(f"{remote!r} is not a git remote or path")
        parts = urlsplit(remote)
        if parts.password or (parts.username and parts.scheme in {"http", "https"}):
            # GitHub takes a token in the user's place: https://TOKEN@github.com/owner/name
            raise ValueError("the remote holds a password; use git's credential helper or an SSH key")
        return remote

    @model_validator(mode="after")
    def _fetch_encrypted(self) -> Project:
        # Whoever stands between could hand out another commit under our tag.
        unencrypted = urlsplit(self.repository).scheme in {"http", "git"} and not is_loopback(self.repository)
        if unencrypted and not self.allow_http:
            raise ValueError(
                f"{self.repository!r} is not encrypted; use https or ssh, "
                "or say allow_http: true for the project"
            )
        return self

    @property
    def secret_variables(self) -> list[str]:
        """The names of all variables that hold a secret. A user name is none: image addresses hold it."""
        named = [self.index.token_env, self.test_index.token_env, self.github.token_env]
        if self.image is not None:
            named.append(self.image.token_env)
            if self.image.sign is not None:
                named += filter(None, [self.image.sign.key_env, self.image.sign.password_env])
        return named

    @property
    def pool(self) -> str:
        """Dagster's pool of everything that publishes this project: one run at a time."""
        return f"{self.project}_publishing"

    def index_for(self, channel: Channel) -> PackageIndex:
        """Where a channel's distributions go: the test index for test releases."""
        return self.test_index if channel is Channel.TEST else self.index
