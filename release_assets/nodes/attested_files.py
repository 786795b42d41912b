"""Attestations of a release's files: signed before the upload, and verified as the index serves them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from release_assets.destinations.package_index import attestations
from release_assets.destinations.package_index.trusted_publishing import identity_for
from release_assets.distributions.store import Distribution
from release_assets.errors import PermanentError
from release_assets.nodes.step import Step
from release_assets.project import PackageIndex

SERVED_SECONDS = 60.0  # in which the index shows the attestations of what was uploaded just now
NONE = "nobody: it was published without attestations"


def attest_files(step: Step, index: PackageIndex, files: Sequence[Path]) -> dict[Path, Path]:
    """Return the attestation of each file, signed with this job's identity; {} where the index gets none."""
    if not index.attestations or not files:
        return {}
    identity = identity_for(attestations.SIGSTORE, "Sigstore")
    step.secrets.append(identity.token)
    with step.stage("attest"):
        signed = {file: attestations.attest(file, identity) for file in files}
    step.say(f"signed {', '.join(file.name for file in files)} as {identity.words}")
    return signed


def verify_attestations(
    step: Step, index: PackageIndex, distributions: Sequence[Distribution], *, uploaded: Collection[str]
) -> dict[str, str]:
    """Return who attests each file, as the index serves it and Sigstore verifies it; {} where none are due.

    Files that were there before may have none, since nobody can add them. Raises PermanentError where those
    of an `uploaded` file are missing, ConflictError as attestations.verify does.
    """
    if not index.attestations:
        return {}
    claims = identity_for(attestations.SIGSTORE, "Sigstore").claims if uploaded else None
    found = {}
    for kept in distributions:
        is_new = kept.filename in uploaded
        with step.stage("verify_attestations"):
            attested = attestations.verify(
                index.simple_url,
                kept.name,
                step.release.version,
                kept.filename,
                kept.sha256,
                claims=claims if is_new else None,
                seconds=SERVED_SECONDS if is_new else 0.0,
            )
        if attested is None and is_new:
            url = attestations.provenance_url(
                index.simple_url, kept.name, step.release.version, kept.filename
            )
            raise PermanentError(
                f"{kept.filename} was uploaded with its attestation, and {url} shows none after "
                f"{SERVED_SECONDS:.0f} s.",
                f"Check that {index.title} supports attestations; if not, remove `attestations` from that "
                "index in defs.yaml, and materialize again.",
            )
        found[kept.filename] = attested.publisher if attested else NONE
        step.say(f"{kept.filename} is attested by {found[kept.filename]}")
    return found
