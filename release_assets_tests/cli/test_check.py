"""`release-assets check`: what a release will need, tried before it is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from release_assets_tests.cli.conftest import Terminal, open_terminal
from release_assets_tests.maintainer import BUILD, NewMaintainer, Stands

pytestmark = pytest.mark.timeout(180)


def rows(terminal: Terminal, status: int, **changed: str) -> dict[str, dict[str, str]]:
    ended = terminal.run("check", "--json", **changed)
    assert ended.returncode == status, ended.stderr + ended.stdout
    return {row["what"]: row for row in json.loads(ended.stdout)}


@pytest.mark.engine
def test_where_everything_is_there_each_row_is_ok(terminal: Terminal) -> None:
    found = rows(terminal, 0)
    assert {what: row["state"] for what, row in found.items() if what != "isolation"} == {
        "DAGSTER_HOME": "ok",
        "git": "ok",
        "index": "ok",
        "test_index": "ok",
        "github": "ok",
        "registry": "ok",
        "linux/amd64": "ok",
    }
    assert "releases, the newest 1." in found["git"]["words"]


@pytest.mark.engine
def test_all_that_is_wrong_is_said_at_once_without_a_secret(terminal: Terminal) -> None:
    found = rows(
        terminal,
        1,
        PYPI_TOKEN="pypi-that-nobody-issued",
        TEST_PYPI_TOKEN="",
        GITHUB_TOKEN="",
        DOCKER_TOKEN="not-the-password",
        DOCKER_HOST="unix:///nowhere/docker.sock",
        DAGSTER_HOME="",
    )
    states = {what: row["state"] for what, row in found.items() if what != "isolation"}
    assert states == {
        "DAGSTER_HOME": "warning",
        "git": "ok",
        "index": "failed",
        "test_index": "warning",
        "github": "failed",
        "registry": "failed",
        "linux/amd64": "failed",
    }
    assert "401" in found["index"]["words"]
    assert "Check the token in PYPI_TOKEN" in found["index"]["remedy"]
    assert found["github"]["words"] == "environment variables that are not set: GITHUB_TOKEN"
    assert "401" in found["registry"]["words"]
    assert "/nowhere/docker.sock" in found["linux/amd64"]["words"]
    assert "pypi-that-nobody-issued" not in str(found)
    assert "not-the-password" not in str(found)


@pytest.mark.engine
def test_without_bubblewrap_the_word_is_clear(terminal: Terminal) -> None:
    everything = terminal.env["PATH"].split(":")
    # A PATH with what else is needed, but without bwrap's folder, where that is not everybody's folder.
    found = rows(terminal, 1, PATH=everything[0])
    assert found["isolation"]["state"] == "warning"
    assert "build code is not isolated: it can read" in found["isolation"]["words"]
    assert "apt install bubblewrap" in found["isolation"]["remedy"]


@pytest.mark.engine
def test_for_people_it_is_a_table(terminal: Terminal) -> None:
    ended = terminal.run("check")
    assert ended.returncode == 0
    assert "✓" in ended.stdout
    assert "takes the token in PYPI_TOKEN" in ended.stdout
    assert "\x1b[" not in ended.stdout  # not a terminal


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
    words = maintainer.materialize("v1.0.0", *BUILD, "pypi_publication").words("pypi_publication")
    for what in ("index", "registry"):
        assert found[what]["state"] == "failed"
        assert f"- {found[what]['words']}\n" in words
        assert found[what]["remedy"] in words
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
