"""A maintainer of a project without images, a release that only needs to be looked at, a key pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from release_assets.process import environment, run
from release_assets_tests.conftest import skipped_where_impossible
from release_assets_tests.destinations.conftest import server
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands
from tools.sandbox import system

__all__ = ["server"]  # a fixture of the destinations' tests


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands) -> Maintainer:
    """The maintainer of a new project without images."""
    return new(package_stands)


@dataclass(frozen=True)
class Released:
    """A release that only needs to be looked at, or to be materialized again."""

    maintainer: Maintainer
    tag: str
    commit: str
    first: Outcome


@pytest.fixture(scope="package")
def released(new: NewMaintainer, package_stands: Stands) -> Released:
    """v1.2.3, the whole release half."""
    maintainer = new(package_stands)
    commit = maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success, outcome.said
    return Released(maintainer, "v1.2.3", commit, outcome)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair of cosign's, which is installed where it is missing."""
    with skipped_where_impossible():
        system.install(system.missing_packages(system.COSIGN), why="signed images", say=print)
    folder = tmp_path_factory.mktemp("keys")
    run(
        ["cosign", "generate-key-pair"],
        env=environment(COSIGN_PASSWORD="the-password"),
        timeout=60,
        directory=folder,
    )
    return folder
