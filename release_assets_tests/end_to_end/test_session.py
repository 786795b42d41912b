"""One terminal session from an empty directory to a released package with images, and back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from release_assets.process import environment
from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import FROM_NOTHING, Terminal
from tools.sandbox.stack import DAGSTER_YAML

pytestmark = pytest.mark.timeout(1200)

HALVES = [
    "version", "sdist", "wheel", "pypi_publication", "github_release",
    "version", "image_linux_amd64", "manifest_list", "floating_tags", "summary",
]  # fmt: skip


def test_from_an_empty_directory_to_a_release_and_back(
    new: NewMaintainer, image_stands: Stands, tmp_path: Path
) -> None:
    maintainer = new(image_stands, dockerfile=FROM_NOTHING)
    maintainer.tag("v1.0.0", "1.0.0")
    origin = f"https://github.com/{maintainer.github_repository}.git"
    maintainer.repository.git("remote", "add", "origin", origin)
    home, defs = tmp_path / "home", tmp_path / "defs"
    home.mkdir()
    shutil.copy(DAGSTER_YAML, home)
    variables = {"DAGSTER_HOME": str(home), "RELEASE_ASSETS_DEFS": str(defs)}
    terminal = Terminal(maintainer, environment(**maintainer.variables, **variables))
    defs.mkdir()

    ended = terminal.run("init", str(maintainer.repository.path), "--yes")
    assert ended.returncode == 0, ended.stderr
    (declared,) = defs.rglob("defs.yaml")
    # The addresses of the stand-ins, which nobody can see in a repository.
    written = yaml.safe_load(declared.read_text())
    elsewhere = {**maintainer.attributes, "project": written["attributes"]["project"]}
    elsewhere["image"] = {**elsewhere["image"], "platforms": ["linux/amd64"]}
    declared.write_text(yaml.safe_dump({**written, "attributes": {**written["attributes"], **elsewhere}}))

    checked = terminal.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr

    unset = {name: "" for name in maintainer.variables if name.endswith(("TOKEN", "USERNAME"))}
    planned = terminal.run("plan", "v1.0.0", **unset)
    assert planned.returncode == 0, planned.stderr
    assert re.search(
        r"image_linux_amd64 +.*not visible without DOCKER_USERNAME and DOCKER_TOKEN", planned.stdout
    )
    planned = terminal.run("plan", "v1.0.0")
    assert re.search(r"latest +none → 1\.0\.0 +highest is 1\.0\.0", planned.stdout)
    assert "images 11 min 00 s (everything is new; without records)" in planned.stdout

    tried = terminal.run("release", "v1.0.0", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "✓ image_linux_amd64" in tried.stderr
    assert maintainer.served() == {}
    assert maintainer.registry.tags() == set()

    released = terminal.run("release", "v1.0.0", COLUMNS="60", NO_COLOR="1")
    assert released.returncode == 0, released.stderr
    assert [line.split()[1] for line in released.stderr.splitlines() if line.startswith("✓")] == HALVES
    digest = maintainer.digest("1.0.0")
    assert f"- digest: `{digest}`" in released.stdout.splitlines()
    assert re.search(r"^- holds now \(.* UTC\): 1\.0, 1, latest$", released.stdout, re.MULTILINE)

    status = json.loads(terminal.run("status", "v1.0.0", "--json").stdout)
    assert status["differs"] is False
    assert {row["state"] for place in status["places"] for row in place["rows"]} == {"same"}

    again = terminal.run("release", "v1.0.0")
    assert again.returncode == 0, again.stderr
    assert "the images and the floating tags are there already" in again.stderr
    assert maintainer.digest("1.0.0") == digest

    maintainer.tag("v1.1.0", "1.1.0", **{"README.md": "newer\n"})
    planned = terminal.run("plan", "v1.1.0")
    assert "code only changed since v1.0.0" in planned.stdout
    tried = terminal.run("rebuild", "v1.0.0", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "the images can be built; nothing was pushed" in tried.stdout
    assert maintainer.digest("latest") == digest
    assert terminal.run("release", "v1.1.0").returncode == 0
    assert maintainer.digest("latest") == maintainer.digest("1.1.0") != digest
    back = terminal.run("rollback", "v1.1.0", "--yes", "--reason", "it does not start")
    assert back.returncode == 0, back.stderr
    assert maintainer.digest("latest") == digest
    matrix = terminal.run("status")
    assert re.search(r"v1\.0\.0 .*1\.0, 1, latest", matrix.stdout), matrix.stdout
