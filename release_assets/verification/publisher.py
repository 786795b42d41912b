"""Verify PEP 740 attestations of files on the package index: signed by whom, and for which bytes."""

from __future__ import annotations

from pathlib import Path

from release_assets.destinations import bounds
from release_assets.destinations.http import MEBIBYTE, get
from release_assets.destinations.package_index import IndexFile
from release_assets.errors import ReleaseError
from release_assets.text import one_line
from release_assets.verification.finding import Finding, Verdict
from release_assets.verification.images import SIGNATURES

PROVENANCE_LIMIT = 4 * MEBIBYTE
INSTALL = "install release-assets[attestations] to verify it"


def attestation(file: IndexFile, path: Path, repository: str) -> Finding:
    """Return whether the index's attestations of a downloaded file are valid and by this repository.

    `repository` is owner/name on GitHub or the project's path on GitLab.
    """
    what = f"attestations of {one_line(file.filename)}"
    if file.provenance_url is None:
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, "the index has none")
    try:
        answer = get(
            file.provenance_url,
            headers={"Accept": "application/vnd.pypi.integrity.v1+json"},
            seconds=bounds.BOUNDS.page_seconds,
            limit=PROVENANCE_LIMIT,
        )
    except ReleaseError as error:
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, error.problem)
    if answer.status != 200:
        words = f"{one_line(file.provenance_url)} answered {answer.status}"
        return Finding(SIGNATURES, what, Verdict.FAILED, words)
    return verified(answer.body, path, repository, what)


def verified(provenance: bytes, path: Path, repository: str, what: str) -> Finding:
    """Return whether each attestation of a provenance object is valid for the file, and by whom."""
    try:
        import pypi_attestations as attestations  # an extra, and slow to import
        from sigstore.errors import Error as SigstoreError
    except ImportError:
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, f"the index has some; {INSTALL}")
    signers: list[str] = []
    try:
        found = attestations.Provenance.model_validate_json(provenance)
        distribution = attestations.Distribution.from_file(path)
        for bundle in found.attestation_bundles:
            publisher = bundle.publisher
            signer = str(getattr(publisher, "repository", None) or getattr(publisher, "email", None))
            if (refusal := refused_publisher(publisher.kind, signer, repository)) is not None:
                return Finding(SIGNATURES, what, Verdict.FAILED, refusal)
            for signed in bundle.attestations:
                predicate, _ = signed.verify(publisher, distribution)
                signers.append(f"{one_line(predicate)} by {publisher.kind} {one_line(signer)}")
    except (SigstoreError, attestations.AttestationError, ValueError) as error:
        return Finding(SIGNATURES, what, Verdict.FAILED, one_line(f"{type(error).__name__}: {error}"))
    except OSError as error:  # the public log's keys are fetched from its mirrors
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, one_line(str(error)))
    if not signers:
        return Finding(SIGNATURES, what, Verdict.FAILED, "the index names a provenance without attestations")
    return Finding(SIGNATURES, what, Verdict.OK, "; ".join(signers))


def refused_publisher(kind: str, signer: str, repository: str) -> str | None:
    """Return why a publisher of GitHub's or GitLab's cannot be the project; None where it can be. Pure."""
    if kind in {"GitHub", "GitLab"} and signer.lower() != repository.lower():
        return f"signed by {kind} {one_line(signer)}; expected {repository}"
    return None
