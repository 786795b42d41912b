"""`release-assets check`: what a release will need, tried before it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from release_assets.process import environment
from release_assets.readiness import machine
from release_assets_tests.maintainer import BUILD, NewMaintainer, Stands
from release_assets_tests.terminal import Terminal, open_terminal

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


def rows(terminal: Terminal, status: int, **changed: str) -> dict[str, dict[str, str]]:
    """Return the rows by the YAML's key; each that is not ok has a remedy and a command."""
    ended = terminal.run("check", "--json", **changed)
    assert ended.returncode == status, ended.stderr + ended.stdout
    found = json.loads(ended.stdout)
    for row in found:
        assert row["state"] == "ok" or (row["remedy"] and row["command"]), row
    return {row["key"]: row for row in found}


def states(found: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the states of what does not depend on the machine."""
    return {key: row["state"] for key, row in found.items() if key not in {"isolation", "disk"}}


@pytest.mark.engine
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


@pytest.mark.engine
def test_a_foreign_platform_says_that_qemu_runs_it(terminal: Terminal, tmp_path: Path) -> None:
    attributes = terminal.maintainer.attributes
    image = {**attributes["image"], "platforms": ["linux/amd64", "linux/arm64", "linux/s390x"]}
    other = replace(terminal.maintainer, attributes={**attributes, "image": image})
    found = rows(open_terminal(other, tmp_path), 1)
    assert found["linux/arm64"]["words"] == "docker's builder runs it with QEMU, which is slower"
    assert "cannot run linux/s390x" in found["linux/s390x"]["words"]
    assert found["linux/s390x"]["command"].endswith("tonistiigi/binfmt --install s390x")


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


@pytest.mark.engine
def test_without_bubblewrap_the_word_is_clear(terminal: Terminal) -> None:
    everything = terminal.env["PATH"].split(":")
    # A PATH with what else is needed, but without bwrap's folder, where that is not everybody's folder.
    found = rows(terminal, 1, PATH=everything[0])
    assert found["isolation"]["state"] == "warning"
    assert "build code is not isolated: it can read" in found["isolation"]["words"]
    assert found["isolation"]["command"] == "apt install bubblewrap"


@pytest.mark.engine
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


@pytest.mark.parametrize(
    ("free", "state"), [(50_000_000_000, "ok"), (9_000_000_000, "warning"), (1_000_000_000, "failed")]
)
def test_little_disk_space_is_told(monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    (look,) = [look for look in machine.looks([]) if look.key == "disk"]
    for row in look.answer():
        assert (row.state, row.words.partition(" in ")[0]) == (state, f"{free / 1e9:.1f} GB free")
        assert bool(row.command) == (state != "ok")


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
