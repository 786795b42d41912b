"""The stand-in for PyPI refuses what PyPI refuses."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path

import requests

from tools.sandbox.package_index import Index, PackageIndexes, package_index_server
from tools.sandbox.servers import answers

FILE = "sandbox_probe-1.0-py3-none-any.whl"


def upload(index: Index, token: str, content: bytes) -> requests.Response:
    return requests.post(
        index.upload_url,
        auth=("__token__", token),
        data={
            ":action": "file_upload",
            "protocol_version": "1",
            "metadata_version": "2.1",
            "name": "sandbox-probe",
            "version": "1.0",
            "filetype": "bdist_wheel",
            "pyversion": "py3",
            "sha256_digest": hashlib.sha256(content).hexdigest(),
        },
        files={"content": (FILE, content)},
        timeout=30,
    )


def page(index: Index) -> str:
    return requests.get(f"{index.simple_url}sandbox-probe/", timeout=30).text


def test_an_upload_is_served_with_its_hash_on_that_index_only(package_index: PackageIndexes) -> None:
    content = b"not really a wheel"
    assert upload(package_index.test_index, package_index.token, content).ok
    assert f"{FILE}#sha256={hashlib.sha256(content).hexdigest()}" in page(package_index.test_index)
    assert FILE not in page(package_index.index)


def test_a_file_is_never_replaced(package_index: PackageIndexes) -> None:
    assert upload(package_index.index, package_index.token, b"first").ok
    assert upload(package_index.index, package_index.token, b"first").ok
    answer = upload(package_index.index, package_index.token, b"second")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert hashlib.sha256(b"first").hexdigest() in page(package_index.index)


def test_a_wrong_token_uploads_nothing(package_index: PackageIndexes) -> None:
    answer = upload(package_index.index, "pypi-wrong", b"never")
    assert answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    assert hashlib.sha256(b"never").hexdigest() not in page(package_index.index)


def test_a_second_one_beside_it_is_empty_and_gone_afterwards(
    package_index: PackageIndexes, tmp_path: Path
) -> None:
    upload(package_index.index, package_index.token, b"first")
    with package_index_server(tmp_path) as second:
        assert second.token != package_index.token
        assert FILE not in page(second.index)
        assert upload(second.index, package_index.token, b"x").status_code >= HTTPStatus.BAD_REQUEST
    assert not answers(second.index.simple_url)
    assert answers(package_index.index.simple_url)
    assert second.token not in (tmp_path / "devpi.log").read_text()
