"""release-assets check on a machine with an engine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from release_assets_tests.terminal import Terminal, open_terminal, rows

pytestmark = pytest.mark.timeout(180)


def states(found: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the states of what does not depend on the machine."""
    return {key: row["state"] for key, row in found.items() if key not in {"isolation", "disk", "metadata"}}


def test_where_everything_is_there_each_row_is_ok(terminal: Terminal) -> None:
    found = rows(terminal, 0)
    assert states(found) == {
        "DAGSTER_HOME": "ok",
        "git": "ok",
        "release_tags": "ok",
        "index": "ok",
        "test_index": "ok",
        "github": "ok",
        "registry": "ok",
        "linux/amd64": "ok",
    }
    called = {key: row["what"] for key, row in found.items()}
    assert (called["index"], called["test_index"]) == ("package index", "test index")
    assert (called["github"], called["registry"]) == ("GitHub", "registry")
    assert "releases, the newest 1." in found["git"]["words"]
    assert "GB free in /" in found["disk"]["words"]
    assert found["linux/amd64"]["words"] == "docker's builder runs it natively"


def test_a_foreign_platform_says_that_qemu_runs_it(terminal: Terminal, tmp_path: Path) -> None:
    attributes = terminal.maintainer.attributes
    image = {**attributes["image"], "platforms": ["linux/amd64", "linux/arm64", "linux/s390x"]}
    other = replace(terminal.maintainer, attributes={**attributes, "image": image})
    found = rows(open_terminal(other, tmp_path), 1)
    assert found["linux/arm64"]["words"] == "docker's builder runs it with QEMU, which is slower"
    assert "cannot run linux/s390x" in found["linux/s390x"]["words"]
    assert found["linux/s390x"]["command"].endswith("tonistiigi/binfmt --install s390x")


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
    assert states(found) == {
        "DAGSTER_HOME": "warning",
        "git": "ok",
        "release_tags": "ok",
        "index": "failed",
        "test_index": "warning",
        "github": "failed",
        "registry": "failed",
        "linux/amd64": "failed",
    }
    assert "401" in found["index"]["words"]
    assert "Check the token in PYPI_TOKEN" in found["index"]["remedy"]
    assert found["github"]["words"] == "environment variables that are not set: GITHUB_TOKEN"
    assert found["github"]["command"] == "export GITHUB_TOKEN=..."
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
    assert found["isolation"]["command"] == "apt install bubblewrap"


def test_people_see_each_project_and_a_last_line_with_counts(terminal: Terminal) -> None:
    ended = terminal.run("check", DOCKER_TOKEN="")
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    groups = [line for line in lines if line and not line.startswith(" ")]
    assert groups[:-1] == ["this machine", terminal.maintainer.name]
    assert re.fullmatch(r"\d+ ok, \d+ warnings?, 1 failed", groups[-1])
    failed = next(number for number, line in enumerate(lines) if "✗ registry" in line)
    assert lines[failed + 2].strip() == "$ export DOCKER_TOKEN=..."
    assert "takes the token in PYPI_TOKEN" in ended.stdout
    assert "\x1b[" not in ended.stdout  # not a terminal
    assert all(line == line.rstrip() for line in lines)
