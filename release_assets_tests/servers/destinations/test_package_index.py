"""The package index client against a real index."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.destinations.package_index import (
    download,
    missing_files,
    observe,
    upload,
    wait_until_served,
)
from release_assets.errors import ConflictError, PermanentError
from release_assets_tests.unit.destinations.test_package_index import SDIST, sdist, sha
from tools.sandbox.package_index import PackageIndexes


def test_a_real_index_accepts_a_file_once_and_no_other_bytes(
    package_index: PackageIndexes, tmp_path: Path
) -> None:
    index, token = package_index.index, package_index.token
    path = sdist(tmp_path)
    wanted = {SDIST: sha(path.read_bytes())}
    assert observe(index.simple_url, "Sample.Project") == {}

    for _ in range(2):  # the same bytes again do not conflict
        upload(index.upload_url, token, path, token_env="PYPI_TOKEN", log=lambda _: None)
    served = wait_until_served(index.simple_url, "sample-project", wanted, timeout=30, log=lambda _: None)
    assert missing_files(wanted, observe(index.simple_url, "sample-project")) == []
    (tmp_path / "down").mkdir()
    assert download(served[SDIST], tmp_path / "down").read_bytes() == path.read_bytes()

    with pytest.raises(ConflictError, match="already exists"):
        upload(index.upload_url, token, sdist(tmp_path, b"x"), token_env="PYPI_TOKEN", log=lambda _: None)
    with pytest.raises(PermanentError, match="Check the token in PYPI_TOKEN"):
        upload(index.upload_url, "wrong", path, token_env="PYPI_TOKEN", log=lambda _: None)
