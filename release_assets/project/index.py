"""Declare the package indexes of releases and of test releases."""

from __future__ import annotations

from pydantic import ByteSize, Field, model_validator

from release_assets.project.destination import Destination
from release_assets.project.values import VariableName
from release_assets.rules import warehouse

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
