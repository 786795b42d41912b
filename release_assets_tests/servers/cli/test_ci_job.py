"""A release in a GitHub job, with an empty DAGSTER_HOME and no token of the index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import open_terminal
from release_assets_tests.warehouse import Warehouse, warehouse_server
from tools.sandbox.package_index import PackageIndexes

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def warehouse(package_index: PackageIndexes) -> Iterator[Warehouse]:
    with warehouse_server(package_index) as running:
        yield running


def test_a_job_releases_by_its_identity_and_the_next_one_finds_it(
    new: NewMaintainer, package_stands: Stands, warehouse: Warehouse, tmp_path: Path
) -> None:
    maintainer = new(package_stands)
    maintainer.attributes["index"] = {**warehouse.index, "trusted_publishing": True}
    del maintainer.variables["PYPI_TOKEN"]
    page = tmp_path / "summary.md"
    maintainer.variables |= {**warehouse.github_job, "GITHUB_STEP_SUMMARY": str(page)}
    warehouse.publishers.add(warehouse.repository)
    maintainer.tag("v1.0.0", "1.0.0")
    terminal = open_terminal(maintainer, tmp_path)
    ended = terminal.run("release", "v1.0.0")
    assert ended.returncode == 0, ended.stderr
    assert len(maintainer.served()) == 2
    assert list(maintainer.github_releases()) == ["v1.0.0"]
    assert "- package: http://localhost:" in page.read_text()
    posts = [said for said in warehouse.said if said.startswith("POST")]
    assert [said for said in posts if "/_/oidc/" in said] == [posts[0]] == ["POST /_/oidc/mint-token"]
    files = [file for file in Path(terminal.env["DAGSTER_HOME"]).rglob("*") if file.is_file()]
    said = [ended.stdout, ended.stderr, *(file.read_bytes().decode(errors="replace") for file in files)]
    assert len(files) > 3
    assert not [secret for secret in warehouse.secrets for words in said if secret in words]

    # The next job remembers nothing: it builds again, finds all of it, and has no use for a token.
    again = maintainer.materialize("v1.0.0")
    assert again.failed == []
    assert again.metadata("pypi_publication")["uploaded"] == 0
    assert len(warehouse.minted) == 1
