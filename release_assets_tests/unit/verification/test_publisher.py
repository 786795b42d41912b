"""PEP 740 attestations that prove nothing are failures, and what cannot be asked is not one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.package_index import IndexFile
from release_assets.verification.finding import Verdict
from release_assets.verification.publisher import attestation, verified

PUBLISHER = {"kind": "GitHub", "repository": "me/a", "workflow": "release.yml", "environment": None}
MATERIAL = {
    "certificate": "MAAA",
    "transparency_entries": [{}],
}
SIGNED = {
    "version": 1,
    "verification_material": MATERIAL,
    "envelope": {"statement": "e30=", "signature": "AAAA"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-1.0.tar.gz"
    path.write_bytes(b"an sdist")
    return path


def provenance(publisher: dict[str, Any], *signed: dict[str, Any]) -> bytes:
    bundles = [{"publisher": publisher, "attestations": list(signed)}]
    return json.dumps({"version": 1, "attestation_bundles": bundles}).encode()


def test_a_file_without_attestations_is_not_checked(file: Path) -> None:
    served = IndexFile(file.name, "a" * 64, "https://pypi.example/a-1.0.tar.gz", yanked=False)
    found = attestation(served, file, "me/a")
    assert (found.verdict, found.words) == (Verdict.UNCHECKED, "the index has none")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"nonsense", "ValidationError"),
        (provenance(PUBLISHER | {"repository": "mallory/a"}, SIGNED), "signed by GitHub mallory/a; expected"),
        (provenance(PUBLISHER, SIGNED), "Error"),
    ],
)
def test_attestations_that_prove_nothing_fail(file: Path, body: bytes, words: str) -> None:
    found = verified(body, file, "me/a", "attestations of a-1.0.tar.gz")
    assert found.verdict is Verdict.FAILED, found.words
    assert words in found.words


def test_an_index_that_cannot_be_asked_is_not_a_failure(file: Path) -> None:
    served = IndexFile(
        file.name, "a" * 64, "https://x/", yanked=False, provenance_url="http://127.0.0.1:9/provenance"
    )
    assert attestation(served, file, "me/a").verdict is Verdict.UNCHECKED
