"""A release to a private index: passwords for uploading and for reading, and a client certificate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from release_assets.destinations import package_index as index_destination
from release_assets.errors import PermanentError
from release_assets.project import PackageIndex as Declared
from release_assets_tests.maintainer import BUILD, Maintainer, NewMaintainer, Stands
from release_assets_tests.private_index import PUBLISHER, READER, PrivateIndex, private_index
from tools.sandbox.package_index import PackageIndexes

HALF = (*BUILD, "pypi_publication", "github_release", "summary")


@pytest.fixture(scope="module")
def private(
    tmp_path_factory: pytest.TempPathFactory, package_index: PackageIndexes
) -> Iterator[PrivateIndex]:
    with private_index(tmp_path_factory.mktemp("private"), package_index) as running:
        yield running


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands, private: PrivateIndex) -> Maintainer:
    maintainer = new(package_stands, package={})
    maintainer.attributes["index"] = private.attributes
    maintainer.variables |= private.variables
    return maintainer


def test_a_private_index_is_released_to(
    maintainer: Maintainer, private: PrivateIndex, tmp_path_factory: pytest.TempPathFactory
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *HALF)
    assert outcome.success
    assert outcome.metadata("pypi_publication")["uploaded"] == 2
    passed, words = outcome.checked["summary/installs_from_index"]
    assert passed, words
    shown = "\n".join([outcome.said, *map(repr, outcome.events)])
    assert not [secret for _, secret in (PUBLISHER, READER) if secret in shown]

    # Its sdists are redirected to another server, which gets neither password nor certificate.
    with maintainer.environment():
        index = maintainer.project.index
        served = index_destination.observe_index(index, maintainer.name)
        assert len(served) == 2
        for file in served.values():
            folder = tmp_path_factory.mktemp("downloads")
            login = index_destination.login_of(index)
            assert index_destination.download(file, folder, login=login).stat().st_size > 0
    lines = private.elsewhere.read_text().splitlines()
    assert any(".tar.gz" in line for line in lines)
    assert all(line.endswith(" auth=[-] certificate=[-]") for line in lines)


def test_without_the_password_the_variable_is_named(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    del maintainer.variables["PYPI_READ_TOKEN"]
    outcome = maintainer.materialize("v1.2.3", *HALF)
    assert outcome.failed == ["version"]
    assert "environment variables that are not set: PYPI_READ_TOKEN" in outcome.words("version")
    maintainer.variables["PYPI_READ_TOKEN"] = "wrong-scrt"
    outcome = maintainer.materialize("v1.2.3", *HALF)
    words = outcome.words(outcome.failed[0])
    assert "answered 401" in words
    assert "Check the password in PYPI_READ_TOKEN and the user 'reader': may it read this index?" in words
    assert "wrong-scrt" not in "\n".join([outcome.said, *map(repr, outcome.events)])


def test_a_wrong_user_or_certificate_is_refused(maintainer: Maintainer, private: PrivateIndex) -> None:
    with maintainer.environment(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYPI_USERNAME", "somebody")
        index = maintainer.project.index
        with pytest.raises(PermanentError, match="401"):
            index_destination.check_access(
                index.upload_url,
                PUBLISHER[1],
                token_env="PYPI_TOKEN",
                username=index_destination.username(index.username_env),
                certificate=index.client_certificate,
            )
        attributes = private.attributes
        without = Declared.model_validate({**attributes, "client_certificate": None})
        with pytest.raises(PermanentError, match="answered 400 Bad Request"):
            index_destination.observe_index(without, "sample")
        absent = Declared.model_validate({**attributes, "client_certificate": "/etc/no-such.pem"})
        with pytest.raises(PermanentError, match=r"the client certificate /etc/no-such\.pem cannot be read"):
            index_destination.observe_index(absent, "sample")
