"""`release-assets check`: what a release will need, tried before it is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from release_assets.process import environment
from release_assets.readiness import machine

pytestmark = pytest.mark.timeout(180)


def run_check(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing else is set."""
    command = Path(sys.executable).with_name("release-assets")
    return subprocess.run(
        [command, "check"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_any_project_it_fails(tmp_path: Path) -> None:
    ended = run_check(RELEASE_ASSETS_DEFS="")
    assert ended.returncode == 2
    assert "there is no project: RELEASE_ASSETS_DEFS is unset, and " in ended.stdout
    assert "Set RELEASE_ASSETS_DEFS to a directory with one subdirectory per project" in ended.stdout
    assert re.fullmatch(r"\d ok, \d warnings?, 1 failed", ended.stdout.splitlines()[-1])

    (tmp_path / "empty").mkdir()
    assert (
        f"there is no project: {tmp_path} has no defs.yaml"
        in run_check(RELEASE_ASSETS_DEFS=str(tmp_path)).stdout
    )
    missing = run_check(RELEASE_ASSETS_DEFS=str(tmp_path / "missing"))
    assert missing.returncode == 2
    assert f"RELEASE_ASSETS_DEFS='{tmp_path}/missing' is not a directory" in missing.stdout


@pytest.mark.parametrize(
    ("free", "state"), [(50_000_000_000, "ok"), (9_000_000_000, "warning"), (1_000_000_000, "failed")]
)
def test_little_disk_space_is_told(monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    (look,) = [look for look in machine.looks([]) if look.key == "disk"]
    for row in look.answer():
        assert (row.state, row.words.partition(" in ")[0]) == (state, f"{free / 1e9:.1f} GB free")
        assert bool(row.command) == (state != "ok")
