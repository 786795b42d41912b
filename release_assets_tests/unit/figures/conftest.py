"""A DAGSTER_HOME with its own records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tools.sandbox.stack import DAGSTER_YAML


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder, with the dagster.yaml that users copy."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(DAGSTER_YAML, folder)
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of that folder."""
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened
