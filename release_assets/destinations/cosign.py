"""cosign: signs an image by its digest, once, with a key or with the machine's own identity.

The key and its password are in cosign's environment and nowhere else. A signature by key is not put into the
public transparency log (it works without the internet, and private images stay private); a keyless one is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.project import is_loopback
from release_assets.text import one_line

# How cosign finds the identity of a CI job or a workload for a keyless signature.
IDENTITY = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "SIGSTORE_ID_TOKEN")
PRIVATE, PUBLIC = "RELEASE_ASSETS_COSIGN_KEY", "RELEASE_ASSETS_COSIGN_PUBLIC_KEY"
PASSING = re.compile(
    r"timeout|timed out|connection re(set|fused)|no such host|\bEOF\b|\b50\d\b|\b429\b|toomanyrequests",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Key:
    """A private key of cosign's, its password ("" for none), and the variable that it came from."""

    pem: str
    password: str
    key_env: str


@dataclass(frozen=True)
class PublicKey:
    """A public key in PEM: who has its private half is the signer."""

    pem: str

    @property
    def name(self) -> str:
        """The signer for people."""
        return "the project's key"


@dataclass(frozen=True)
class Identity:
    """The identity that a keyless signature's certificate holds, and who vouches for it."""

    identity: str
    issuer: str

    @property
    def name(self) -> str:
        """The signer for people."""
        return f"{self.identity} ({self.issuer})"


Signer = PublicKey | Identity


def check_installed(env: Mapping[str, str]) -> None:
    """Raise PermanentError where cosign is not installed, or does not run."""
    try:
        _cosign(["version"], None, env, ())
    except CommandFailedError as error:
        raise PermanentError(f"cosign does not run: {_said(error)}", "Reinstall it.") from None


def public_key(key: Key, env: Mapping[str, str], *, secrets: Sequence[str]) -> str:
    """Return the public half of the key, in PEM: whether there is one shows whether cosign can use the key.

    Raises PermanentError where it cannot.
    """
    try:
        return _cosign(["public-key", "--key", f"env://{PRIVATE}"], key, env, secrets)
    except CommandFailedError as error:
        raise PermanentError(
            f"cosign cannot use the key in {key.key_env}: {_said(error)}",
            f"Put the whole private key (cosign generate-key-pair makes one) into {key.key_env}, and check "
            "its password.",
        ) from None


def is_signed(
    reference: str, key: Key, env: Mapping[str, str], *, secrets: Sequence[str], allow_http: bool
) -> bool:
    """Return True where the image `name@sha256:…` has a valid signature of this key.

    Raises PermanentError where the key cannot be used, TransientError where the registry cannot be asked.
    """
    public = PublicKey(public_key(key, env, secrets=secrets))
    return refusal_of(reference, public, env, secrets=secrets, allow_http=allow_http) is None


def refusal_of(
    reference: str, signer: Signer, env: Mapping[str, str], *, secrets: Sequence[str], allow_http: bool
) -> str | None:
    """Return why the image `name@sha256:…` has no valid signature of the signer; None where it has one.

    A signature by key need not be in the public transparency log, a keyless one must be.
    Raises PermanentError where cosign is missing, TransientError where the registry cannot be asked.
    """
    match signer:
        case PublicKey(pem):
            how, env = ["--key", f"env://{PUBLIC}", "--insecure-ignore-tlog=true"], {**env, PUBLIC: pem}
        case Identity(identity, issuer):
            how = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer]
    try:
        _cosign(["verify", *how, *_insecure(reference, allow_http), reference], None, env, secrets)
    except CommandFailedError as error:
        if PASSING.search(" ".join(error.tail)):
            raise TransientError(f"cosign cannot look at {reference}: {_said(error)}", AGAIN) from None
        return _said(error)
    return None


def sign(
    reference: str,
    key: Key | None,
    env: Mapping[str, str],
    *,
    secrets: Sequence[str],
    allow_http: bool,
    log: Callable[[str], None],
) -> None:
    """Sign the image `name@sha256:…`; without a key keyless, with the identity that the machine offers.

    Raises PermanentError or TransientError with cosign's words.
    """
    with_key = ["--key", f"env://{PRIVATE}", "--tlog-upload=false", *_offline(env)] if key else []
    try:
        _cosign(
            ["sign", "--yes", *with_key, *_insecure(reference, allow_http), reference], key, env, secrets, log
        )
    except CommandFailedError as error:
        passing = isinstance(error, CommandTimedOutError) or PASSING.search(" ".join(error.tail))
        problem = f"cosign cannot sign {reference}: {_said(error)}"
        if passing:
            raise TransientError(problem, AGAIN) from None
        remedy = "Check the registry's token: it must be allowed to push signatures." if key else (
            "Keyless signing needs an identity (a CI job's OIDC token); else name a key: sign: {key_env: …}."
        )  # fmt: skip
        raise PermanentError(problem, remedy) from None


def _cosign(
    arguments: Sequence[str],
    key: Key | None,
    env: Mapping[str, str],
    secrets: Sequence[str],
    log: Callable[[str], None] | None = None,
) -> str:
    """Run cosign. Raises PermanentError where it is not installed, CommandFailedError where it fails."""
    needed = {name: os.environ[name] for name in IDENTITY if name in os.environ and key is None}
    if key is not None:
        needed |= {PRIVATE: key.pem, "COSIGN_PASSWORD": key.password}
    hidden = [*secrets, *([key.pem, key.password] if key else []), *needed.values()]
    try:
        return run(
            ["cosign", *arguments],
            env={**env, **needed},
            timeout=bounds.BOUNDS.cosign_seconds,
            secrets=hidden,
            on_line=log,
        )
    except CommandFailedError as error:
        if error.returncode is None and "was not found" in error.reason:
            raise PermanentError(
                "cosign is not installed, and image: sign: in defs.yaml requires it",
                "Install it (apt install cosign on Debian 13, or https://docs.sigstore.dev).",
            ) from None
        raise


def _offline(env: Mapping[str, str]) -> list[str]:
    """Return what cosign 3 wants to hear in addition, if a signature is not to be put into the public log."""
    text = run(["cosign", "sign", "--help"], env=env, timeout=bounds.BOUNDS.cosign_seconds)
    flags = ("--use-signing-config", "--new-bundle-format")
    return [f"{flag}=false" for flag in flags if flag in text]


def _insecure(reference: str, allow_http: bool) -> list[str]:
    """Plain http is for registries of this machine, and for those with allow_http in the YAML."""
    is_here = is_loopback(f"//{reference.partition('/')[0]}")
    return ["--allow-http-registry"] if allow_http or is_here else []


def _said(error: CommandFailedError) -> str:
    return one_line(" ".join(error.tail[-3:]) or error.reason)
