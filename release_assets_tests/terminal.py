"""The command line, as a maintainer's terminal runs it: a child process with a DAGSTER_HOME and projects."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from release_assets.process import environment
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.pushed_images import PLATFORM, push_image
from tools.sandbox.registry import Registry as RealRegistry
from tools.sandbox.stack import DAGSTER_YAML

FROM_NOTHING = "FROM scratch\nCOPY README.md /\n"


@dataclass(frozen=True)
class Terminal:
    """A maintainer's shell with everything set."""

    maintainer: Maintainer
    env: dict[str, str]

    def run(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; an empty value unsets a variable."""
        env = {name: value for name, value in (self.env | changed).items() if value}
        command = Path(sys.executable).with_name("release-assets")
        return subprocess.run(
            [command, *arguments], env=env, capture_output=True, text=True, timeout=400, check=False
        )


def open_terminal(maintainer: Maintainer, folder: Path) -> Terminal:
    """A shell in which this project is the only one."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(DAGSTER_YAML, home)
    declared = folder / "defs" / maintainer.name / "defs.yaml"
    declared.parent.mkdir(parents=True)
    definition = {"type": "release_assets.ReleaseGraph", "attributes": maintainer.attributes}
    declared.write_text(json.dumps(definition))  # JSON is YAML
    return Terminal(
        maintainer,
        environment(**maintainer.variables, DAGSTER_HOME=str(home), RELEASE_ASSETS_DEFS=str(folder / "defs")),
    )


@pytest.fixture(scope="module")
def terminal(
    new: NewMaintainer,
    image_stands: Stands,
    tmp_path_factory: pytest.TempPathFactory,
) -> Terminal:
    """A project with images for this machine's platform, two releases of which are there in git."""
    maintainer = new(image_stands, dockerfile=FROM_NOTHING)
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    maintainer.tag("v1.0.0", "1.0.0")
    maintainer.tag("v1.1.0", "1.1.0", **{"README.md": "newer\n"})
    return open_terminal(maintainer, tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="module")
def shelf(
    new: NewMaintainer,
    package_stands: Stands,
    registry: RealRegistry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Terminal:
    """A project whose images were pushed by hand: no engine is needed to move floating tags."""
    variables = {"DOCKER_USERNAME": registry.username, "DOCKER_TOKEN": registry.token}
    maintainer = new(replace(package_stands, variables={**package_stands.variables, **variables}))
    maintainer.attributes["image"] = {
        "repository": f"{registry.host}/tests/{maintainer.name}",
        "platforms": [PLATFORM],
        "cache": "none",
    }
    return open_terminal(maintainer, tmp_path_factory.mktemp("shelf"))


def publish(maintainer: Maintainer, version: str) -> str:
    """Tag a version, push its image and let the floating tags follow; return the digest."""
    digest = push_image(maintainer, version, maintainer.tag(f"v{version}", version))
    assert maintainer.materialize(f"v{version}", "floating_tags").success
    return digest


def rows(terminal: Terminal, status: int, **changed: str) -> dict[str, dict[str, str]]:
    """Return the rows by the YAML's key; each that is not ok has a remedy and a command."""
    ended = terminal.run("check", "--json", **changed)
    assert ended.returncode == status, ended.stderr + ended.stdout
    found = json.loads(ended.stdout)
    for row in found:
        assert row["state"] == "ok" or (row["remedy"] and row["command"]), row
    return {row["key"]: row for row in found}
