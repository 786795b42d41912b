"""release-assets check of projects whose servers are there."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from release_assets_tests.maintainer import BUILD, NewMaintainer, Stands
from release_assets_tests.terminal import open_terminal, rows

pytestmark = pytest.mark.timeout(180)


def test_an_invalid_project_is_a_row_and_the_others_are_checked(
    new: NewMaintainer, package_stands: Stands, tmp_path: Path
) -> None:
    maintainer = new(package_stands)
    maintainer.tag("v1.0.0", "1.0.0")
    terminal = open_terminal(maintainer, tmp_path)
    broken = tmp_path / "defs" / "broken" / "defs.yaml"
    broken.parent.mkdir()
    broken.write_text("type: release_assets.ReleaseGraph\nattributes:\n  projekt: broken\n")
    found = rows(terminal, 2)
    assert found["projects"]["state"] == "failed"
    assert (
        f"{broken}:3: projekt: unknown key 'projekt'; did you mean 'project'?" in found["projects"]["words"]
    )
    assert found["git"]["state"] == "ok"
    ended = terminal.run("check", "--project", "brocken")
    assert ended.returncode == 2


def test_what_the_tag_sensor_would_find_is_said(
    new: NewMaintainer, package_stands: Stands, tmp_path: Path
) -> None:
    maintainer = new(package_stands)
    maintainer.tag("v1.0.0", "1.0.0")
    terminal = open_terminal(maintainer, tmp_path)
    found = rows(terminal, 0)
    words = "the first look of the tag sensor will record 1 releases, and start none"
    assert found["release_tags"]["words"] == words
    with dg.DagsterInstance.from_config(terminal.env["DAGSTER_HOME"]) as instance:
        instance.add_dynamic_partitions(f"{maintainer.name}_releases", ["v1.0.0"])
    words = "the tag sensor will find nothing new: 1 tags are recorded"
    assert rows(terminal, 0)["release_tags"]["words"] == words
    maintainer.tag("v1.1.0", "1.1.0")
    maintainer.tag("v1.2.0", "1.2.0")
    assert rows(terminal, 0)["release_tags"]["words"] == "the tag sensor will release v1.1.0, v1.2.0"


def test_it_says_what_the_preflight_of_a_release_says(
    new: NewMaintainer, package_stands: Stands, tmp_path: Path
) -> None:
    """A token that nobody issued, variables that are not set, a name that is none: one row each."""
    maintainer = new(package_stands)
    maintainer.attributes["image"] = {
        "repository": "Owner/Name:latest", "platforms": ["linux/amd64"],
        "sign": {"key_env": "SIGNING_KEY"}, "scan": {"command": ["a-scanner-that-is-nowhere", "{image}"]},
    }  # fmt: skip
    maintainer.variables["PYPI_TOKEN"] = "pypi-that-nobody-issued"
    del maintainer.variables["GITHUB_TOKEN"]
    maintainer.tag("v1.0.0", "1.0.0")
    terminal = open_terminal(maintainer, tmp_path)
    found = rows(terminal, 1)
    words = maintainer.materialize("v1.0.0", *BUILD, "pypi_publication").words("version")
    for key in ("index", "registry"):
        assert found[key]["state"] == "failed"
        assert f"- {found[key]['words']}\n" in words
        assert found[key]["remedy"] in words
    unset = "environment variables that are not set: "
    assert found["github"]["words"] == f"{unset}GITHUB_TOKEN"
    assert found["signing"]["words"] == f"{unset}SIGNING_KEY"
    assert f"- {unset}GITHUB_TOKEN, SIGNING_KEY\n" in words
    assert found["test_index"]["state"] == "ok"
    assert found["scan"]["state"] == "failed"  # asked here only: images may be checked on another machine
    assert "a-scanner-that-is-nowhere is not installed" in found["scan"]["words"]
    assert "a-scanner-that-is-nowhere" not in words
    maintainer.attributes["image"]["scan"]["command"][0] = "git"
    (again := tmp_path / "again").mkdir()
    assert rows(open_terminal(maintainer, again), 1)["scan"]["state"] == "ok"
    assert "pypi-that-nobody-issued" not in str(found) + words
