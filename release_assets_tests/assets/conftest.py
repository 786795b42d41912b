"""A maintainer of a project without images, a release that only needs to be looked at, a key pair."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from release_assets_tests.destinations.conftest import server
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands

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
