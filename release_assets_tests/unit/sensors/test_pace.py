"""The pace of sensors, by how many projects share the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.sensors.pace import LOOP_SECONDS, projects_here, tick_seconds


@pytest.mark.parametrize(("projects", "loops"), [(1, 1), (25, 1), (26, 2), (50, 2), (51, 3), (100, 4)])
def test_sensors_tick_less_often_with_many_projects(projects: int, loops: int) -> None:
    interval = tick_seconds(projects)
    # The daemon's looks are five seconds apart, a little more or less.
    assert (loops - 1) * LOOP_SECONDS < interval < loops * LOOP_SECONDS


def test_what_is_not_urgent_ticks_every_half_minute() -> None:
    assert tick_seconds(1, at_least=30) == 29
    assert tick_seconds(500, at_least=30) == 99


def test_projects_are_counted_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path))
    assert projects_here() == 1
    for number in range(30):
        (tmp_path / f"p{number}").mkdir()
    (tmp_path / "README.md").touch()
    assert projects_here() == 30
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path / "missing"))
    assert projects_here() == 1
    monkeypatch.delenv("RELEASE_ASSETS_DEFS")
    assert projects_here() == 1
