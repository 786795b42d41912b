"""Declare the signature of the manifest list."""

from __future__ import annotations

from pydantic import Field, model_validator

from release_assets.project.declared import Declared
from release_assets.project.values import VariableName


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
