"""Fixtures of the tests of destinations."""

from __future__ import annotations

import pytest

from release_assets_tests.scripted_server import ScriptedServer
from release_assets_tests.unit.destinations.github_hub import Hub


@pytest.fixture
def hub(server: ScriptedServer) -> Hub:
    return Hub(server)
