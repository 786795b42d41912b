"""Fixtures of the tests that build."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets_tests.unit.distributions.workshop import Workshop


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache for the whole session."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def workshop(tmp_path: Path, cache: Path) -> Workshop:
    (tmp_path / "workshop").mkdir()
    return Workshop(tmp_path / "workshop", cache)
