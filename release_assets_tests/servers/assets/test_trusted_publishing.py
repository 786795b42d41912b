"""pypi_publication by a job's identity: minted last, attested, and read back as the index serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.version import Version
from sigstore.models import ClientTrustConfig

from release_assets.destinations.package_index import attestations
from release_assets.destinations.package_index.trusted_publishing import claims_of
from release_assets.errors import ConflictError
from release_assets.nodes.metadata import rows_of
from release_assets_tests.maintainer import BUILD, Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.warehouse import Warehouse, id_token, warehouse_server
from tools.sandbox.package_index import PackageIndexes
from tools.sandbox.sigstore import sigstore_server


@pytest.fixture(scope="module", autouse=True)
def sigstore(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[None]:
    """A Sigstore of this machine in the place of the public one."""
    with (
        sigstore_server(tmp_path_factory.mktemp("sigstore"), state=state) as trust,
        pytest.MonkeyPatch.context() as patch,
    ):
        config = ClientTrustConfig.from_json(trust.read_text())
        patch.setattr(ClientTrustConfig, "production", lambda **_: config)
        yield


@pytest.fixture
def warehouse(package_index: PackageIndexes) -> Iterator[Warehouse]:
    with warehouse_server(package_index) as running:
        yield running


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands, warehouse: Warehouse) -> Maintainer:
    """A maintainer whose index trusts the job, which has no token of it."""
    made = new(package_stands)
    made.attributes["index"] = {**warehouse.index, "trusted_publishing": True, "attestations": True}
    del made.variables["PYPI_TOKEN"]
    made.variables |= warehouse.github_job
    warehouse.publishers.add(warehouse.repository)
    made.tag("v1.2.3", "1.2.3")
    return made


def shown(outcome: Outcome) -> str:
    return "\n".join([*map(str, outcome.events), *map(str, outcome.records)])


def test_an_identity_publishes_and_attests_without_a_token(
    maintainer: Maintainer, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    assert outcome.failed == []
    passed, words = outcome.checked["version/preflight"]
    assert passed
    assert (
        "exchanges the identity of https://token.actions.githubusercontent.com (repository maintainer/sample"
        in words
    )
    assert len(maintainer.served()) == 2
    assert len(warehouse.minted) == 1
    rows = rows_of(outcome.metadata("pypi_publication"), "files")
    publisher = "kind GitHub, repository maintainer/sample, workflow release.yml, environment pypi"
    assert [row["attested_by"] for row in rows] == [publisher, publisher]
    posts = [said for said in warehouse.said if said.startswith("POST")]
    upload = f"POST {urlsplit(warehouse.index['upload_url']).path}"
    assert posts == ["POST /_/oidc/mint-token", upload, upload]
    everything = shown(outcome) + "".join(capfd.readouterr())
    assert "uploading" in everything
    assert not [secret for secret in warehouse.secrets if secret in everything]

    again = maintainer.materialize("v1.2.3", "pypi_publication")
    assert again.failed == []
    assert len(warehouse.minted) == 1
    assert [row["attested_by"] for row in rows_of(again.metadata("pypi_publication"), "files")] == [
        publisher, publisher,
    ]  # fmt: skip

    # Attestations of another file, or by another job, are refused.
    sdist, wheel = sorted(warehouse.attestations)[::-1]
    digests = {name: file.sha256 or "" for name, file in maintainer.served().items()}
    other = claims_of(id_token("sigstore", repository="mallory/sample"))
    with pytest.raises(ConflictError, match=r"says that .* was published by kind GitHub"):
        attestations.verify(
            warehouse.index["simple_url"], maintainer.name, Version("1.2.3"), sdist, digests[sdist],
            claims=other,
        )  # fmt: skip
    warehouse.attestations[sdist] = warehouse.attestations[wheel]
    refused = maintainer.materialize("v1.2.3", "pypi_publication")
    assert f"that is not of {sdist} with sha256 {digests[sdist]}" in refused.words("pypi_publication")
    warehouse.attestations[sdist] = warehouse.attestations[wheel][:0]
    refused = maintainer.materialize("v1.2.3", "pypi_publication")
    assert f"holds no attestation of {sdist}" in refused.words("pypi_publication")


def test_an_unregistered_publisher_is_refused_in_the_indexs_words(
    maintainer: Maintainer, warehouse: Warehouse
) -> None:
    warehouse.publishers.clear()
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    assert outcome.failed == ["pypi_publication"]
    words = outcome.words("pypi_publication")
    assert "invalid-publisher: valid token, but no corresponding publisher" in words
    assert "repository maintainer/sample" in words
    assert f"Register this identity as a publisher of {maintainer.name} at localhost." in words
    assert maintainer.served() == {}
    assert not [secret for secret in warehouse.secrets if secret in shown(outcome)]


def test_a_job_without_an_identity_fails_before_anything_is_built(maintainer: Maintainer) -> None:
    del maintainer.variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    assert outcome.failed == ["version"]
    assert "this GitHub job may not request one" in outcome.words("version")
    assert "Add `permissions: {id-token: write}` to the job in its workflow." in outcome.words("version")


def test_attestations_that_the_index_loses_are_missed(
    maintainer: Maintainer, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """devpi drops them silently."""
    monkeypatch.setattr("release_assets.nodes.attested_files.SERVED_SECONDS", 0.0)
    warehouse.loses_attestations = True
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    words = outcome.words("pypi_publication")
    assert "was uploaded with its attestation, and http://localhost:" in words
    assert "shows none after 0 s" in words
    # The files are there, and nobody can add attestations to them: the release goes on.
    again = maintainer.materialize("v1.2.3", "pypi_publication")
    rows = rows_of(again.metadata("pypi_publication"), "files")
    assert {row["attested_by"] for row in rows} == {"nobody: it was published without attestations"}
