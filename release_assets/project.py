"""The declaration of a project: its package, and where its releases go. Errors name the key."""

from __future__ import annotations

import difflib
import ipaddress
import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from release_assets.rules import image_name, warehouse
from release_assets.rules.exclude_newer import check_exclude_newer
from release_assets.rules.platforms import parse_platform
from release_assets.rules.tags import Channel, TagPatterns
from release_assets.rules.token_text import shown
from release_assets.rules.wheel_tags import MACHINES, linux_platform, matches, wheel_node_name

# What a build's environment has from us, or what would run code outside its isolation.
RESERVED_VARIABLES = frozenset(
    {"BASH_ENV", "HOME", "PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "SOURCE_DATE_EPOCH"}
)


class Declared(BaseModel):
    """A block of the YAML. Nothing in it is ignored: a misspelt key is an error and not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_key(cls, block: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(block)
        except ValidationError as error:
            mistakes = [_with_hint(mistake, list(cls.model_fields)) for mistake in error.errors()]
        raise ValidationError.from_exception_data(cls.__name__, mistakes, hide_input=True)


def _with_hint(mistake: ErrorDetails, known: list[str]) -> InitErrorDetails:
    """Return a mistake as pydantic found it, or the nearest known key where a key is unknown."""
    loc, given, context = mistake["loc"], mistake["input"], mistake.get("ctx", {})
    if mistake["type"] in {"extra_forbidden", "invalid_key"} and len(loc) == 1:
        near = difflib.get_close_matches(str(loc[0]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        context = {"key": repr(loc[0]), "hint": hint}
    elif mistake["type"] != "unknown_key":
        return {"type": mistake["type"], "loc": loc, "input": given, "ctx": context}
    return {
        "type": PydanticCustomError("unknown_key", "unknown key {key}; {hint}", context),
        "loc": loc,
        "input": given,
    }


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine: only there is plain http accepted by default."""
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
        raise ValueError(f"{shown(path)} leads out of the repository; give a path below its top folder")
    return path


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # The value is not repeated: it may be the secret itself.
        raise ValueError(
            "must be the name of an environment variable; the YAML never holds the secret itself"
        )
    return name


def _owner(text: str) -> str:
    # Dagster's rule, told here with the key's name and line.
    if not re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("expected an e-mail address or team:NAME")
    return text


def _module(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r} is not the name of a module")
    return name


RepositoryPath = Annotated[str, AfterValidator(_inside)]
VariableName = Annotated[str, AfterValidator(_variable)]
Platform = Annotated[str, AfterValidator(parse_platform)]
Owner = Annotated[str, AfterValidator(_owner)]
ModuleName = Annotated[str, AfterValidator(_module)]
ExtraName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
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


class Destination(Declared):
    """A server that is reached over TLS, unless it is on this machine or the YAML allows plain http."""

    allow_http: bool = Field(
        default=False,
        description="Accept plain http to this destination. Without it, only this machine may use http.",
        examples=[True],
    )

    def _check_tls(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ValueError("a URL must not hold a user or password; name a variable with token_env")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            # The value is not repeated: it may be a token in the wrong place.
            raise ValueError("expected an http(s) URL such as https://pypi.example/simple/")
        if parts.scheme == "http" and not (self.allow_http or is_loopback(url)):
            raise ValueError(
                f"http://{parts.hostname} is not encrypted; use https, or set allow_http: true for this "
                "destination"
            )


# What leads to the identity of a GitHub job, and the tokens of a GitLab job for PyPI, TestPyPI and Sigstore.
IDENTITY_VARIABLES = (
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "PYPI_ID_TOKEN", "TESTPYPI_ID_TOKEN", "SIGSTORE_ID_TOKEN",
)  # fmt: skip


class PackageIndex(Destination):
    """A package index: twine uploads to it, and pip reads from it."""

    upload_url: str = Field(
        default="https://upload.pypi.org/legacy/",
        description="The address that `twine upload` sends files to.",
        examples=["https://pypi.example/legacy/"],
    )
    simple_url: str = Field(
        default="https://pypi.org/simple/",
        description="The simple index that pip reads.",
        examples=["https://pypi.example/simple/"],
    )
    token_env: VariableName = Field(
        default="PYPI_TOKEN",
        description="The environment variable that holds the API token.",
        examples=["MYPACKAGE_PYPI_TOKEN"],
    )
    username_env: VariableName | None = Field(
        default=None,
        description=(
            "The environment variable that holds the user name, for an index without API tokens. The token "
            "is the password then. Unset, the user is `__token__`."
        ),
        examples=["PYPI_USERNAME"],
    )
    read_token_env: VariableName | None = Field(
        default=None,
        description=(
            "The environment variable that holds the password for a private simple index. It may be that of "
            "`token_env`. Only the host of `simple_url` gets it. Unset, no login is sent."
        ),
        examples=["PYPI_READ_TOKEN"],
    )
    read_username_env: VariableName | None = Field(
        default=None,
        description="The user name that goes with `read_token_env`. Unset, it is that of `username_env`.",
        examples=["PYPI_READ_USERNAME"],
    )
    client_certificate: str | None = Field(
        default=None,
        pattern=r"^/.+$",
        description=(
            "A PEM file on the machine with a client certificate and its private key. It is shown to the "
            "hosts of `upload_url` and `simple_url` only."
        ),
        examples=["/etc/release-assets/client.pem"],
    )
    trusted_publishing: bool = Field(
        default=False,
        description=(
            "Exchange the OIDC identity of this GitHub job, GitLab job or Google VM for a token of the index "
            "that lives 15 minutes, in place of an API token. The publisher is registered at the index."
        ),
        examples=[True],
    )
    attestations: bool = Field(
        default=False,
        description=(
            "Sign every file with the same identity through Sigstore (PEP 740), upload the attestations with "
            "the files, and verify what the index serves. Needs trusted_publishing and "
            "`pip install release-assets[attestations]`."
        ),
        examples=[True],
    )
    upload_limit: ByteSize | None = Field(
        default=None,
        description=(
            "The largest file that the index accepts, in bytes or with a unit. Unset, it is 100 MiB for PyPI "
            "and TestPyPI, and no limit for other indexes. Raise it where PyPI raised it for your project."
        ),
        examples=["300 MiB"],
    )
    closes_after_days: int | None = Field(
        default=None,
        ge=0,
        description=(
            "The days after its first file in which a release accepts new files. Unset, it is 14 for PyPI "
            "and TestPyPI, and no limit for other indexes."
        ),
        examples=[14],
    )

    @model_validator(mode="after")
    def _use_tls(self) -> PackageIndex:
        self._check_tls(self.upload_url)
        self._check_tls(self.simple_url)
        return self

    @model_validator(mode="after")
    def _attest_with_an_identity(self) -> PackageIndex:
        if self.attestations and not self.trusted_publishing:
            raise ValueError("attestations need an identity; set trusted_publishing: true for this index")
        return self

    @property
    def secret_variables(self) -> list[str]:
        """Return the names of the variables that hold its token, or lead to this job's identity."""
        upload = list(IDENTITY_VARIABLES) if self.trusted_publishing else [self.token_env]
        return upload + ([self.read_token_env] if self.read_token_env else [])

    @property
    def is_warehouse(self) -> bool:
        """Return whether uploads go to PyPI or TestPyPI, whose rules for files are known."""
        return warehouse.is_warehouse(self.upload_url)

    @property
    def title(self) -> str:
        """Return what people call the index: PyPI, TestPyPI, or its host."""
        return warehouse.title(self.upload_url)

    @property
    def largest_file(self) -> int | None:
        """Return the bytes of the largest file that the index accepts, or None for no limit."""
        if self.upload_limit is not None:
            return int(self.upload_limit)
        return warehouse.LARGEST_FILE if self.is_warehouse else None

    @property
    def window_days(self) -> int | None:
        """Return the days in which a release accepts new files after its first one, or None for no end."""
        if self.closes_after_days is not None:
            return self.closes_after_days
        return warehouse.OPEN_DAYS if self.is_warehouse else None


class TestPackageIndex(PackageIndex):
    """The index of test releases; TestPyPI by default."""

    __test__ = False  # its name is TestPyPI's, not a test's: pytest passes it by

    upload_url: str = Field(
        default="https://test.pypi.org/legacy/",
        description="The address that `twine upload` sends files of test releases to.",
        examples=["https://pypi.example/test/legacy/"],
    )
    simple_url: str = Field(
        default="https://test.pypi.org/simple/",
        description="The simple index that pip reads test releases from.",
        examples=["https://pypi.example/test/simple/"],
    )
    token_env: VariableName = Field(
        default="TEST_PYPI_TOKEN",
        description="The environment variable that holds the API token of the test index.",
        examples=["MYPACKAGE_TEST_PYPI_TOKEN"],
    )


def without_default(schema: JsonDict) -> None:
    """Remove the default of a key that a validator sets, so that the reference lists none."""
    schema.pop("default")


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


class Scan(Declared):
    """A scanner that looks at the images before any floating tag moves to them."""

    command: list[str] = Field(
        min_length=1,
        description="The scanner's command; `{image}` is the image. It prints Trivy's or Grype's JSON.",
        examples=[["trivy", "image", "--format", "json", "--quiet", "{image}"]],
    )
    blocks_at: Literal["low", "medium", "high", "critical"] | None = Field(
        default="critical",
        description="The lowest severity that keeps the floating tags where they are; null only warns.",
        examples=["high"],
    )


class Sign(Declared):
    """The signature of the manifest list by cosign: with a key, or keyless with the machine's identity."""

    key_env: VariableName | None = Field(
        default=None,
        description="The environment variable that holds the private key. Unset, signing is keyless.",
        examples=["COSIGN_KEY"],
    )
    password_env: VariableName = Field(
        default="COSIGN_PASSWORD",
        description="The environment variable that holds the key's password.",
        examples=["MYPACKAGE_COSIGN_PASSWORD"],
    )
    public_key: str | None = Field(
        default=None,
        description=(
            "The public half of the key, in PEM or its base64 alone. `release-assets verify` checks "
            "signatures with it, where nobody has the private key."
        ),
        examples=["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEExampleExample=="],
    )
    identity: str | None = Field(
        default=None,
        description=(
            "The identity in the certificate of a keyless signature, for `release-assets verify`; {tag} is "
            "replaced."
        ),
        examples=["https://github.com/me/mypackage/.github/workflows/release.yml@refs/tags/{tag}"],
    )
    issuer: str | None = Field(
        default=None,
        description="The issuer of that identity, for `release-assets verify`.",
        examples=["https://token.actions.githubusercontent.com"],
    )

    @model_validator(mode="after")
    def _name_one_signer(self) -> Sign:
        if self.identity is not None and (self.key_env or self.public_key):
            raise ValueError("a signature is by key or keyless: remove identity and issuer, or the keys")
        if self.public_key is not None and "PRIVATE" in self.public_key:
            raise ValueError("public_key holds a private key; the YAML never holds a secret")
        return self

    @property
    def public_pem(self) -> str | None:
        """Return the public key in PEM, None where none is declared."""
        if self.public_key is None or "BEGIN" in self.public_key:
            return self.public_key
        return f"-----BEGIN PUBLIC KEY-----\n{self.public_key.strip()}\n-----END PUBLIC KEY-----\n"


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


class Alerts(Declared):
    """The targets that people are told at what became of a release."""

    targets_env: list[VariableName] = Field(
        default=["ALERTS_URL"],
        min_length=1,
        description=(
            "The environment variables that each hold one Apprise URL, such as slack://… or mailto://…. "
            "The URLs hold secrets."
        ),
        examples=[["ALERTS_SLACK", "ALERTS_MAIL"]],
    )
    levels: list[Literal["success", "warning", "failure"]] = Field(
        default=["success", "warning", "failure"],
        min_length=1,
        description="The levels that are sent.",
        examples=[["warning", "failure"]],
    )


class Signers(Declared):
    """The keys whose signature of a tag counts as the approval of its release."""

    ssh: list[str] = Field(
        default=[],
        description="Lines of an allowed signers file, as in `man ssh-keygen`: who, the key's type, the key.",
        examples=[
            ["me@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExample"]
        ],
    )
    gpg: list[str] = Field(
        default=[],
        description="Armored public keys: the output of `gpg --armor --export KEY`.",
        examples=[["-----BEGIN PGP PUBLIC KEY BLOCK----- ... -----END PGP PUBLIC KEY BLOCK-----"]],
    )

    @field_validator("ssh")
    @classmethod
    def _are_allowed_signers(cls, lines: list[str]) -> list[str]:
        for line in lines:
            if not re.fullmatch(r"\S+ .*\b(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+.*", line):
                raise ValueError(
                    "expected a line of an allowed signers file such as 'me@example.org ssh-ed25519 AAAA...'"
                )
        return lines

    @field_validator("gpg")
    @classmethod
    def _are_public_keys(cls, keys: list[str]) -> list[str]:
        for key in keys:
            # The value is not repeated: it may be a private key.
            if "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in key or "PRIVATE KEY" in key:
                raise ValueError("expected an armored public key: the output of `gpg --armor --export KEY`")
        return keys


class Publish(Declared):
    """The conditions under which a release is published."""

    approval: Literal["none", "required"] = Field(
        default="none",
        description=(
            "`required`: a release is built and checked, then waits until a person approves it. A pushed tag "
            "alone publishes nothing then."
        ),
        examples=["required"],
    )
    signers: Signers = Field(
        default=Signers(),
        description="Keys whose signature of the release's tag counts as its approval.",
        examples=[{"ssh": ["me@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"]}],
    )

    @model_validator(mode="after")
    def _signers_approve_something(self) -> Publish:
        if (self.signers.ssh or self.signers.gpg) and self.approval == "none":
            raise ValueError("signers approve releases, and approval is none; add `approval: required`")
        return self


SCHEDULE = r"^(daily|[-0-9*/,]+( [-0-9*/,A-Za-z]+){4})$"


class Audit(Declared):
    """The audit: published releases are looked at again and compared with what was recorded."""

    schedule: str | None = Field(
        default="daily",
        pattern=SCHEDULE,
        description=(
            "`daily`, at a minute of the day that the project's name decides, or a cron schedule in UTC; "
            "null turns it off."
        ),
        examples=["30 5 * * 1"],
    )
    releases: int = Field(
        default=10, ge=1, description="The number of releases to look at, the highest versions.", examples=[3]
    )
    rebuild: bool = Field(
        default=False,
        description=(
            "Rebuild the images of the newest release where a base image has changed. Otherwise a failed "
            "check proposes it."
        ),
        examples=[True],
    )


class Retention(Declared):
    """The bounds of what releases leave on disk. What one needs to be resumed is never removed."""

    schedule: str | None = Field(
        default="daily",
        pattern=SCHEDULE,
        description="When the cleanup runs, as `audit.schedule`; null turns it off.",
        examples=["0 6 * * 0"],
    )
    distributions: int | None = Field(
        default=20,
        ge=0,
        description=(
            "The complete releases whose stored files are kept, the highest versions; null keeps all. Files "
            "of a release that is not complete are always kept."
        ),
        examples=[100],
    )
    days: int = Field(
        default=90,
        ge=1,
        description="For how long to keep the output of steps, runs of audits, and mirrors without a fetch.",
        examples=[30],
    )
    build_cache: ByteSize = Field(
        default=ByteSize(5 * 1024**3),
        description="The size at which the project's cache for build environments is emptied.",
        examples=["2 GiB"],
    )


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
