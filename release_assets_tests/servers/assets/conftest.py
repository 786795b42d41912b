"""A release that only needs to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands


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
