"""`release-assets check`: what a release will need, tried before it is needed."""

from __future__ import annotations

import json

import pytest

from release_assets_tests.cli.conftest import Terminal

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def rows(terminal: Terminal, status: int, **changed: str) -> dict[str, dict[str, str]]:
    ended = terminal.run("check", "--json", **changed)
    assert ended.returncode == status, ended.stderr + ended.stdout
    return {row["what"]: row for row in json.loads(ended.stdout)}


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
    assert found["github"]["words"] == "GITHUB_TOKEN not set"
    assert "401" in found["registry"]["words"]
    assert "/nowhere/docker.sock" in found["linux/amd64"]["words"]
    assert "pypi-that-nobody-issued" not in str(found)
    assert "not-the-password" not in str(found)


def test_without_bubblewrap_the_word_is_clear(terminal: Terminal) -> None:
    everything = terminal.env["PATH"].split(":")
    # A PATH with what else is needed, but without bwrap's folder, where that is not everybody's folder.
    found = rows(terminal, 1, PATH=everything[0])
    assert found["isolation"]["state"] == "warning"
    assert "build code is not isolated: it can read" in found["isolation"]["words"]
    assert "apt install bubblewrap" in found["isolation"]["remedy"]


def test_for_people_it_is_a_table(terminal: Terminal) -> None:
    ended = terminal.run("check")
    assert ended.returncode == 0
    assert "✓" in ended.stdout
    assert "takes the token in PYPI_TOKEN" in ended.stdout
    assert "\x1b[" not in ended.stdout  # not a terminal
