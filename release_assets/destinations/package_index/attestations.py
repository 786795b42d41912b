"""Attestations (PEP 740): who published a file, signed through Sigstore and served by the index.

They need the extra `attestations`, which is imported only where they are made or verified. An attestation is
signed with a key that lives for the signature alone; Sigstore's certificate names the identity of this job.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from packaging.utils import canonicalize_name
from packaging.version import Version

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, MEBIBYTE, Answer, get, parsed_json
from release_assets.destinations.http.deadline import Line, within
from release_assets.destinations.package_index.answers import for_status, raise_for_status
from release_assets.destinations.package_index.trusted_publishing import Identity
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets.text import one_line, without

if TYPE_CHECKING:
    from pypi_attestations import Provenance

T = TypeVar("T")

SIGSTORE = "sigstore"  # the audience of an identity that Sigstore accepts
SUFFIX = ".publish.attestation"  # by which twine finds the attestation of a file
PAUSE_SECONDS = 2.0  # between two looks at an index that shows no provenance yet


def check_installed() -> None:
    """Raise PermanentError where the extra is missing."""
    if importlib.util.find_spec("pypi_attestations") is None:
        raise PermanentError(
            "attestations: true needs pypi-attestations, which is not installed.",
            "Install it: pip install 'release-assets[attestations]'.",
        )


def attest(file: Path, identity: Identity) -> Path:
    """Sign a file with the identity; return the attestation, which is written next to it.

    Raises TransientError where Sigstore is unreachable, PermanentError where it refuses the identity.
    """
    check_installed()
    from pypi_attestations import Attestation, Distribution
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import SigningContext

    def sign() -> str:
        context = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(IdentityToken(identity.token)) as signer:
            return Attestation.sign(signer, Distribution.from_file(file)).model_dump_json()

    signed = _asked_sigstore(sign, f"signing {file.name} as {identity.words}", (identity.token,))
    attestation = file.with_name(file.name + SUFFIX)
    attestation.write_text(signed)
    return attestation


@dataclass(frozen=True)
class Attested:
    """A file whose attestations the index serves, each verified; `publisher` is whom they name, in words."""

    publisher: str
    url: str


def verify(
    simple_url: str,
    project: str,
    version: Version,
    filename: str,
    sha256: str,
    *,
    claims: Mapping[str, Any] | None,
    seconds: float = 0.0,
) -> Attested | None:
    """Return whom the served attestations of a file name, once all are verified; None where it has none.

    `claims` are those of the identity that signed just now: the index must show that one. It is asked for so
    many `seconds` where it shows none yet. Raises ConflictError for attestations of another file or by
    another publisher.
    """
    check_installed()
    url = provenance_url(simple_url, project, version, filename)
    deadline = time.monotonic() + seconds
    while (answer := _provenance(url)).status == 404:
        if time.monotonic() > deadline:
            return None
        time.sleep(PAUSE_SECONDS)
    provenance = _parsed(answer)
    return Attested(_verified(provenance, filename, sha256, claims, url), url)


def provenance_url(simple_url: str, project: str, version: Version, filename: str) -> str:
    """Return the address of a file's provenance by the index's integrity API."""
    parts = urlsplit(simple_url)
    name = canonicalize_name(project)
    return (
        f"{parts.scheme}://{parts.netloc}/integrity/{name}/{quote(str(version))}/{quote(filename)}/provenance"
    )


def is_by(publisher: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Return True where a publisher, as PEP 740 has it, is the identity with these claims."""

    def same(one: object, other: object) -> bool:
        return isinstance(one, str) and isinstance(other, str) and one.lower() == other.lower()

    match publisher.get("kind"):
        case "GitHub":
            workflow = str(claims.get("workflow_ref", "")).partition("@")[0].rpartition("/")[2]
            return same(publisher.get("repository"), claims.get("repository")) and same(
                publisher.get("workflow"), workflow
            )
        case "GitLab":
            return same(publisher.get("repository"), claims.get("project_path"))
        case "Google":
            return same(publisher.get("email"), claims.get("email"))
    return False


def _provenance(url: str) -> Answer:
    return get(
        url,
        headers={"Accept": "application/vnd.pypi.integrity.v1+json", "Cache-Control": "no-cache"},
        seconds=bounds.BOUNDS.page_seconds,
        limit=4 * MEBIBYTE,
    )


def _parsed(answer: Answer) -> Provenance:
    from pypi_attestations import Provenance

    raise_for_status(answer, "Check the index's simple_url in the project's YAML.")
    try:
        parsed_json(answer.body)  # refuses a bomb
        return Provenance.model_validate_json(answer.body)
    except (ValueError, RecursionError):
        raise TransientError(f"{one_line(answer.url)} is not a provenance (PEP 740).", AGAIN) from None


def _verified(
    provenance: Provenance, filename: str, sha256: str, claims: Mapping[str, Any] | None, url: str
) -> str:
    """Return the publishers in words. Raises ConflictError for the first attestation that does not hold."""
    from pypi_attestations import AttestationError, Distribution

    distribution = Distribution(name=filename, digest=sha256)
    publishers = []
    for bundle in provenance.attestation_bundles:
        named = bundle.publisher.model_dump(exclude_none=True)
        words = one_line(", ".join(f"{key} {value}" for key, value in named.items() if key != "claims"))
        if claims is not None and not is_by(named, claims):
            raise ConflictError(
                f"{url} says that {filename} was published by {words}, and this job is "
                f"{Identity('', claims).words}.",
                "Find out who else publishes this project, and remove that publisher at the index.",
            )
        for attestation in bundle.attestations:

            def look(attestation: Any = attestation, publisher: Any = bundle.publisher) -> str | None:
                try:
                    attestation.verify(publisher, distribution)
                except AttestationError as error:
                    return str(error)
                return None

            if problem := _asked_sigstore(look, f"verifying the attestation of {filename}", ()):
                raise ConflictError(
                    f"{url} has an attestation by {words} that is not of {filename} with sha256 {sha256}: "
                    f"{one_line(problem)}",
                    "Do not announce this release: compare the served file with the stored one, and tell the "
                    "index's operators.",
                )
        publishers.append(words)
    if not any(bundle.attestations for bundle in provenance.attestation_bundles):
        raise ConflictError(
            f"{url} holds no attestation of {filename}.", "Report it to the index's operators."
        )
    return "; ".join(publishers)


def _asked_sigstore(action: Callable[[], T], what: str, secrets: tuple[str, ...]) -> T:
    """Return what an action of sigstore's returns: its requests have no timeout, and its errors no base."""
    try:
        return within(bounds.BOUNDS.sigstore_seconds, action, Line())
    except TimeoutError:
        raise TransientError(
            f"{what}: Sigstore did not answer within {bounds.BOUNDS.sigstore_seconds:.0f} s.", AGAIN
        ) from None
    except Exception as error:
        raise _sigstore_failure(error, what, secrets) from None


def _sigstore_failure(error: Exception, what: str, secrets: tuple[str, ...]) -> ReleaseError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, requests.RequestException):
        cause = cause.__cause__ or cause.__context__
    said = one_line(without(secrets, str(cause or error) or type(error).__name__))
    problem = f"{what} failed: {said}."
    response = getattr(cause, "response", None)
    if response is not None:
        return for_status(
            response.status_code, problem, "Check that Sigstore accepts identities of this issuer."
        )
    if cause is not None:
        return TransientError(problem, AGAIN)
    return PermanentError(
        problem, "See https://docs.sigstore.dev, or leave attestations out of that index in defs.yaml."
    )
