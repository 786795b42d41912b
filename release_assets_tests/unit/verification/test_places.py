"""The agreement of a release's places, and what its provenance and its publishers prove."""

from __future__ import annotations

import pytest

from release_assets.destinations.attestations import BaseImage
from release_assets.verification.finding import Verdict
from release_assets.verification.image_rebuild import pinned_bases
from release_assets.verification.images import provenance_finding
from release_assets.verification.places import Held, agreement, sums_of
from release_assets.verification.publisher import refused_publisher

A, B = "a" * 64, "b" * 64
DIGEST = f"sha256:{A}"


def test_the_same_bytes_at_all_places_agree() -> None:
    (found,) = agreement({"PyPI": {"a-1.tar.gz": Held(A, True)}, "GitHub": {"a-1.tar.gz": Held(A, False)}})
    assert found.verdict is Verdict.OK
    assert found.words == f"sha256 {A} at PyPI, GitHub (stated)"


def test_other_bytes_at_one_place_name_both() -> None:
    (found,) = agreement({"PyPI": {"a-1.tar.gz": Held(A, True)}, "SHA256SUMS": {"a-1.tar.gz": Held(B, True)}})
    assert found.verdict is Verdict.FAILED
    assert found.details == (f"PyPI: sha256 {A}", f"SHA256SUMS: sha256 {B}")


def test_a_name_that_github_rewrote_is_the_same_file() -> None:
    (found,) = agreement({"PyPI": {"a-1!2.tar.gz": Held(A, True)}, "GitHub": {"a-1.2.tar.gz": Held(B, True)}})
    assert found.verdict is Verdict.FAILED


def test_sums_are_read_and_other_lines_left_out() -> None:
    assert sums_of(f"{A}  a-1.tar.gz\n{B} *a-1.whl\nnonsense\n") == {"a-1.tar.gz": A, "a-1.whl": B}


@pytest.mark.parametrize(
    ("statement", "verdict", "words"),
    [
        ({"subject": [{"digest": {"sha256": A}}], "predicateType": "slsa"}, Verdict.OK, "slsa"),
        ({"subject": [{"digest": {"sha256": B}}]}, Verdict.FAILED, f"about sha256:{B}, not about an image"),
        ({"subject": []}, Verdict.FAILED, "about nothing"),
        (None, Verdict.FAILED, "no SLSA provenance"),
    ],
)
def test_provenance_must_be_about_the_image(
    statement: dict[str, object] | None, verdict: Verdict, words: str
) -> None:
    found = provenance_finding(statement, {DIGEST}, "linux/amd64", is_wanted=True)
    assert found.verdict is verdict
    assert words in found.words


def test_provenance_that_is_turned_off_is_not_missed() -> None:
    found = provenance_finding(None, {DIGEST}, "linux/amd64", is_wanted=False)
    assert found.verdict is Verdict.UNCHECKED


def test_another_repositorys_publisher_is_refused() -> None:
    refusal = refused_publisher("GitHub", "mallory/package", "me/package")
    assert refusal == "signed by GitHub mallory/package; expected me/package"
    assert refused_publisher("GitHub", "Me/Package", "me/package") is None
    assert refused_publisher("Google", "me@example.org", "me/package") is None


def test_bases_are_pinned_to_what_the_image_was_built_from() -> None:
    bases = [BaseImage("docker.io/library/python:3.12", DIGEST), BaseImage("mirror/os:1", DIGEST)]
    assert pinned_bases(bases, {"debian:13": "docker-image://mirror/os:1", "dist": "/dist"}) == {
        "docker.io/library/python:3.12": f"docker-image://docker.io/library/python:3.12@{DIGEST}",
        "debian:13": f"docker-image://mirror/os:1@{DIGEST}",
    }
