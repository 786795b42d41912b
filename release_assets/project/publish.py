"""Declare the conditions under which a release is published, and who approves it."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from release_assets.project.declared import Declared


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
