"""Declare the container image."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from release_assets.project.destination import Destination
from release_assets.project.mirror import Mirror, registry_host
from release_assets.project.scan import Scan
from release_assets.project.sign import Sign
from release_assets.project.values import Platform, RepositoryPath, VariableName
from release_assets.rules import image_name
from release_assets.rules.platforms import parse_platform

FloatingTag = Literal["minor", "major", "zero", "latest"]


class Image(Destination):
    """The container image, one for each platform. A Docker engine needs its own setting for plain http."""

    repository: str = Field(
        description="The image repository, without a tag.", examples=["docker.io/me/mypackage"]
    )
    mirrors: list[Mirror] = Field(
        default=[],
        description=(
            "More repositories of the same image, each with its own login. It is built once and pushed to "
            "all. A registry that fails holds up none of the others."
        ),
        examples=[
            [
                {
                    "repository": "ghcr.io/me/mypackage",
                    "username_env": "GHCR_USERNAME",
                    "token_env": "GHCR_TOKEN",
                }
            ]
        ],
    )
    floating_tags: list[FloatingTag] = Field(
        default=["minor", "major", "latest"],
        description=(
            "The tags that move to newer releases: `1.2` (minor), `1` (major) and `latest`. `zero` adds the "
            "tag `0` for versions 0.x, which `major` leaves out. A list without entries moves none."
        ),
        examples=[["minor", "latest"], ["minor", "major", "zero", "latest"]],
    )
    annotations: dict[str, str] = Field(
        default={},
        description=(
            "OCI annotations of the manifest list and of its images; `{version}` is the release's version. "
            "They are added to those from pyproject.toml, and override them."
        ),
        examples=[{"org.opencontainers.image.vendor": "Example"}],
    )
    target: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="The stage of the Dockerfile to build. Unset, it is the last one.",
        examples=["runtime"],
    )
    dockerfile: RepositoryPath = Field(
        default="Dockerfile", description="The Dockerfile, in the repository.", examples=["docker/Dockerfile"]
    )
    context: RepositoryPath = Field(
        default=".", description="The folder of the repository that the build sees.", examples=["docker"]
    )
    platforms: list[Platform] = Field(
        default=["linux/amd64", "linux/arm64"],
        min_length=1,
        description="The platforms to build for.",
        examples=[["linux/amd64"]],
    )
    builders: dict[Platform, str] = Field(
        default={},
        description="A buildx builder or docker context per platform. Others use the current engine.",
        examples=[{"linux/arm64": "arm-host"}],
    )
    emulate_unreachable: bool = Field(
        default=False,
        description="Build with QEMU on the current engine where a platform's builder is unreachable.",
        examples=[True],
    )
    version_command: list[str] | None = Field(
        default=None,
        description="The command to run in each image. Its output must hold the version.",
        examples=[["mytool", "--version"]],
    )
    warn_growth: float = Field(
        default=0.2,
        ge=0,
        description="Warn where an image grew by more than this part of the previous release's.",
        examples=[0.5],
    )
    warn_build_minutes: float = Field(
        default=15.0,
        gt=0,
        description="Warn where the build of a platform's image took longer than so many minutes.",
        examples=[30],
    )
    warn_cache_hits: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Warn where less than this part of the steps that could come from the cache did.",
        examples=[0.8],
    )
    sbom_generator: str | None = Field(
        default=None,
        description="The image that makes an SBOM for each image. Unset, none is made.",
        examples=["docker/buildkit-syft-scanner:stable-1"],
    )
    provenance: bool = Field(
        default=True,
        description="Attach SLSA provenance. Set false for registries that reject attestations.",
        examples=[False],
    )
    scan: Scan | None = Field(
        default=None,
        description="The scanner that must pass before floating tags move. Unset, nothing is scanned.",
        examples=[{"command": ["trivy", "image", "--format", "json", "--quiet", "{image}"]}],
    )
    sign: Sign | None = Field(
        default=None,
        description="Sign the manifest list with cosign; `{}` is keyless. Unset, nothing is signed.",
        examples=[{"key_env": "COSIGN_KEY"}, {}],
    )
    pool: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_]+$",
        description=(
            "Dagster's pool of the image builds. Projects that name the same pool share its limit, which "
            "`dagster instance concurrency set` changes. Unset, builds have no limit of their own."
        ),
        examples=["image_builds"],
    )
    build_args: dict[str, str] = Field(
        default={},
        description="Build arguments of the Dockerfile; `{version}` is the release's version.",
        examples=[{"MYPACKAGE_VERSION": "{version}"}],
    )
    keep_git: bool = Field(
        default=False,
        description="Check out with a whole .git at the repository's top, for a Dockerfile that runs git.",
        examples=[True],
    )
    build_contexts: dict[str, str] = Field(
        default={},
        description="Named build contexts. `dist`, the published files, is always there.",
        examples=[{"docs": "docs"}],
    )
    cache: Literal["registry", "local", "none"] = Field(
        default="registry",
        description="Where the build cache is kept: in the registry, in Dagster's storage, or nowhere.",
        examples=["local"],
    )
    cache_ref: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9\[][A-Za-z0-9._:/{}\[\]-]*$",
        description=(
            "The reference of `cache: registry`; `{platform}` is amd64 and so on, and each platform needs a "
            "reference of its own. Unset, it is the tag `buildcache-{platform}` of the image's repository."
        ),
        examples=["ghcr.io/me/cache:mypackage-{platform}"],
    )
    secrets: dict[str, VariableName] = Field(
        default={},
        description=(
            "Build secrets: for each id in the Dockerfile's `RUN --mount=type=secret,id=...`, the "
            "environment variable that holds it."
        ),
        examples=[{"pip_token": "PRIVATE_INDEX_TOKEN"}],
    )
    reproducible: bool = Field(
        default=False,
        description=(
            "Give the files in the layers the commit's time and use no cache: the same commit makes the same "
            "digest. Slow: each release builds and pushes every layer."
        ),
        examples=[True],
    )
    username_env: VariableName = Field(
        default="DOCKER_USERNAME",
        description="The environment variable that holds the registry's user name.",
        examples=["GHCR_USERNAME"],
    )
    token_env: VariableName = Field(
        default="DOCKER_TOKEN",
        description="The environment variable that holds the registry's token.",
        examples=["GHCR_TOKEN"],
    )

    @field_validator("repository")
    @classmethod
    def _names_a_repository(cls, repository: str) -> str:
        # Anything else that is wrong with it is told by `check` and the preflight. These may hold a login.
        if "://" in repository or "@" in repository:
            raise ValueError(f"the value is not an image repository. {image_name.EXAMPLE}")
        return repository

    @field_validator("platforms", "builders", mode="before")
    @classmethod
    def _name_each_platform_once(cls, written: Any) -> Any:
        """Compare the normal names, while the written ones can still be shown."""
        seen: dict[str, str] = {}
        for text in written if isinstance(written, list | dict) else ():
            name = parse_platform(text) if isinstance(text, str) else None
            if name in seen:
                raise ValueError(f"{seen[name]} and {text} are the same platform; remove one of them")
            if name is not None:
                seen[name] = text
        return written

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Image:
        strangers = sorted(set(self.builders) - set(self.platforms))
        if strangers:
            raise ValueError(f"builders names {', '.join(strangers)}, which platforms does not")
        if "dist" in self.build_contexts:
            raise ValueError("build_contexts must not name 'dist': that is the folder of the published files")
        for name in self.secrets:
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                raise ValueError(f"secrets names the id {name!r}; expected letters, digits, '_', '.' and '-'")
        self._check_cache_ref()
        self._check_mirrors()
        return self

    def _check_cache_ref(self) -> None:
        if self.cache_ref is None:
            return
        if self.cache != "registry":
            raise ValueError(f"cache_ref is for `cache: registry`, and cache is {self.cache}")
        unknown = [name for name in re.findall(r"\{([^{}]*)\}", self.cache_ref) if name != "platform"]
        if unknown or self.cache_ref.count("{") != self.cache_ref.count("{platform}"):
            raise ValueError(f"cache_ref {self.cache_ref!r} has another placeholder than {{platform}}")
        if len(self.platforms) > 1 and "{platform}" not in self.cache_ref:
            raise ValueError(
                f"cache_ref {self.cache_ref!r} lacks {{platform}}: {len(self.platforms)} platforms would "
                "overwrite each other's cache"
            )

    def _check_mirrors(self) -> None:
        seen: set[str] = set()
        logins = {registry_host(self.repository): (self.username_env, self.token_env)}
        repositories = {self.repository}
        for mirror in self.mirrors:
            if mirror.repository in repositories:
                raise ValueError(f"{mirror.repository} is named twice; remove one of the mirrors")
            repositories.add(mirror.repository)
            if mirror.name in seen:
                raise ValueError(
                    f"two mirrors are named {mirror.name!r}; give {mirror.repository} a name of its own"
                )
            seen.add(mirror.name)
            # docker looks up a login by the host alone.
            host, login = registry_host(mirror.repository), (mirror.username_env, mirror.token_env)
            if logins.setdefault(host, login) != login:
                raise ValueError(
                    f"{host} has two logins, {' and '.join(logins[host])} and {' and '.join(login)}; docker "
                    "uses one for each registry, so name the same variables"
                )

    _mirror_name: str = PrivateAttr(default="")

    @property
    def places(self) -> list[Image]:
        """Return the image as it is in each of its repositories, its own first, with that one's login."""
        found = [self]
        for mirror in self.mirrors:
            place = self.model_copy(
                update={
                    "repository": mirror.repository,
                    "username_env": mirror.username_env,
                    "token_env": mirror.token_env,
                    "allow_http": mirror.allow_http,
                }
            )
            place._mirror_name = mirror.name
            found.append(place)
        return found

    @property
    def manifest_list_node(self) -> str:
        """Return the name of the asset of the manifest list in this repository."""
        return f"manifest_list_{self._mirror_name}" if self._mirror_name else "manifest_list"

    @property
    def floating_tags_node(self) -> str:
        """Return the name of the asset of the floating tags in this repository."""
        return f"floating_tags_{self._mirror_name}" if self._mirror_name else "floating_tags"
