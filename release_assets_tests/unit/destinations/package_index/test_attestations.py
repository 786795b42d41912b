"""Attestations by this job are accepted, and failures of Sigstore are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.version import Version
from sigstore.models import ClientTrustConfig

from release_assets.destinations.package_index import attestations
from release_assets.destinations.package_index.attestations import attest, is_by, provenance_url, verify
from release_assets.destinations.package_index.trusted_publishing import Identity, claims_of
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import Bounded, ScriptedServer, Told
from release_assets_tests.warehouse import id_token

GITHUB = {"kind": "GitHub", "repository": "me/sample", "workflow": "release.yml", "environment": "pypi"}
CLAIMS = claims_of(id_token("sigstore", repository="me/sample"))
MINE = Identity(id_token("sigstore", repository="me/sample"), CLAIMS)
V1 = Version("1.2.3")


@pytest.mark.parametrize(
    ("publisher", "claims", "is_mine"),
    [
        (GITHUB, CLAIMS, True),
        ({**GITHUB, "repository": "Me/Sample"}, CLAIMS, True),  # GitHub's names have no case
        ({**GITHUB, "repository": "mallory/sample"}, CLAIMS, False),
        ({**GITHUB, "workflow": "other.yml"}, CLAIMS, False),
        ({"kind": "GitLab", "repository": "me/sample"}, {"project_path": "me/sample"}, True),
        ({"kind": "GitLab", "repository": "me/sample"}, {"project_path": "me/other"}, False),
        ({"kind": "GitLab", "repository": "me/sample"}, CLAIMS, False),
        ({"kind": "Google", "email": "ci@me.example"}, {"email": "ci@me.example"}, True),
        ({"kind": "Google", "email": "ci@me.example"}, {}, False),
        ({"kind": "Another"}, CLAIMS, False),
        ({}, {}, False),
    ],
)
def test_only_this_job_is_the_publisher(
    publisher: dict[str, Any], claims: dict[str, Any], is_mine: bool
) -> None:
    assert is_by(publisher, claims) is is_mine


def test_provenance_is_at_the_integrity_api() -> None:
    url = provenance_url("https://pypi.org/simple/", "My_Sample", V1, "my_sample-1.2.3.tar.gz")
    assert url == "https://pypi.org/integrity/my-sample/1.2.3/my_sample-1.2.3.tar.gz/provenance"


def looked(server: ScriptedServer) -> object:
    return verify(f"{server.url}/simple/", "sample", V1, "sample-1.2.3.tar.gz", "0" * 64, claims=None)


def test_a_file_without_provenance_has_none(server: ScriptedServer) -> None:
    server.answers(Told(404))
    assert looked(server) is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"[" * 100_000, b'{"attestation_bundles": 7}'])
def test_what_is_not_a_provenance_is_asked_for_again(server: ScriptedServer, body: bytes) -> None:
    server.answers(Told(200, body))
    with pytest.raises(TransientError, match="is not a provenance"):
        looked(server)


def test_an_index_that_fails_says_nothing_of_attestations(server: ScriptedServer) -> None:
    server.answers(Told(503))
    with pytest.raises(TransientError, match="answered 503"):
        looked(server)


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(ClientTrustConfig, "production", fail)


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} for the token {MINE.token}", response=response)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ConnectionError("refused"), TransientError),
        (answered(503), TransientError),
        (answered(429), TransientError),
        (answered(400), PermanentError),
        (ValueError("broken"), PermanentError),
    ],
)
def test_a_failure_of_sigstore_is_told_without_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    file = tmp_path / "sample-1.2.3.tar.gz"
    file.write_bytes(b"content")
    failing(error, monkeypatch)
    with pytest.raises(kind, match=r"signing sample-1.2.3.tar.gz as https://token.actions") as raised:
        attest(file, MINE)
    assert MINE.token not in str(raised.value)
    assert list(tmp_path.iterdir()) == [file]


def test_a_silent_sigstore_is_not_waited_for(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounded: Bounded
) -> None:
    bounded(sigstore_seconds=0.2)
    monkeypatch.setattr(ClientTrustConfig, "production", lambda **_: server.stop.wait(30))
    with pytest.raises(TransientError, match="did not answer within 0 s"):
        attest(tmp_path / "sample-1.2.3.tar.gz", MINE)


def test_a_missing_extra_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PermanentError) as raised:
        attestations.check_installed()
    assert raised.value.remedy == "Install it: pip install 'release-assets[attestations]'."
