"""`release-assets check` of a compiled package: the tools, and the engines that import its foreign wheels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import open_terminal, rows

OWN, FOREIGN = ("arm64", "amd64") if os.uname().machine == "aarch64" else ("amd64", "arm64")

pytestmark = pytest.mark.timeout(180)


def test_tools_and_foreign_engines_of_wheels_are_looked_at(
    new: NewMaintainer, package_stands: Stands, tmp_path: Path
) -> None:
    zig = {"builders": {f"linux/{FOREIGN}": "a-context-that-is-nowhere"}}
    maintainer = new(package_stands, package={"wheels": [{"zig": zig}]})
    maintainer.tag("v1.0.0", "1.0.0")
    found = rows(open_terminal(maintainer, tmp_path), 1)
    assert found["wheels"]["words"] == "what makes and checks wheels is installed (zig)"
    assert found[f"wheel_linux_{FOREIGN}"]["state"] == "failed"
    assert "a-context-that-is-nowhere does not exist" in found[f"wheel_linux_{FOREIGN}"]["words"]
    assert f"wheel_linux_{OWN}" not in found  # compiled and imported without a container
