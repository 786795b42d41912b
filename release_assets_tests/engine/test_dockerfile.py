"""The code location's Dockerfile makes an image that works: really built, and run as a user runs it."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release_assets_tests.image_builds import Builds
from release_assets_tests.paths import ROOT
from tools.sandbox.engine import Engine

IN_CONTEXT = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "dagster.yaml",
)
IMAGE = "release-assets-test"
HEALTHY_SECONDS = 60.0


@pytest.fixture(scope="module")
def layers(builds: Builds) -> Iterator[list[str]]:
    yield builds.build(ROOT, IMAGE)
    builds.remove(IMAGE)


@pytest.fixture(scope="module")
def container(builds: Builds, layers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The code location with one project, started as the image says."""
    assert layers
    engine = builds.engine
    defs = tmp_path_factory.mktemp("code_location") / "defs"
    file = defs / "sample" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "type: release_assets.ReleaseGraph\n"
        "attributes:\n"
        "  project: sample\n"
        "  repository: https://github.com/me/sample.git\n"
        "  package: {}\n"
        "  image: {repository: docker.io/me/sample}\n"
    )
    name = engine.docker("create", "--env", "RELEASE_ASSETS_DEFS=/defs", IMAGE, timeout=60).strip()
    try:
        # Copied, since the engine may live where it cannot see our folders.
        engine.docker("cp", str(defs), f"{name}:/defs", timeout=60)
        engine.docker("start", name, timeout=60)
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name, timeout=60)


@dataclass(frozen=True)
class Run:
    """Runs commands in the container, as its user and in its environment."""

    engine: Engine
    container: str

    def __call__(self, *command: str) -> str:
        return self.engine.docker("exec", self.container, *command, timeout=60).strip()


@pytest.fixture(scope="module")
def run(builds: Builds, container: str) -> Run:
    return Run(builds.engine, container)


@pytest.mark.parametrize(
    "command",
    [
        ["bwrap", "--version"],
        ["git", "--version"],
        ["ssh", "-V"],
        ["docker", "--version"],
        ["docker", "buildx", "version"],
        ["twine", "--version"],
        ["uv", "--version"],
        ["release-assets", "--help"],
    ],
    ids=" ".join,
)
def test_what_a_release_needs_is_inside(run: Run, command: list[str]) -> None:
    run(*command)


def test_its_user_has_no_rights_but_on_its_own_folder(run: Run) -> None:
    assert run("id", "-u") == "1000"
    assert run("id", "-G") == "1000"
    # uv leaves a lock file that everybody may write; nobody reads it.
    assert run("find", "/opt", "/usr", "-writable", "-not", "-type", "l", "-not", "-name", ".lock") == ""
    run("test", "-w", "/var/lib/release-assets")
    assert run("cat", "dagster.yaml") == (ROOT / "dagster.yaml").read_text().strip()


def test_exactly_the_locked_versions_are_installed_without_tests(run: Run) -> None:
    program = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    found = {Requirement(word) for word in run("python", "-c", program).split()}
    installed = {canonicalize_name(each.name): str(each.specifier) for each in found}
    assert installed.pop(canonicalize_name("release-assets"))
    locked = {
        (canonicalize_name(requirement.name), str(requirement.specifier))
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line.partition(";")[0]
        for requirement in [Requirement(line.rstrip("\\ "))]
    }
    assert set(installed.items()) <= locked
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        canonicalize_name(Requirement(line).name)
        for extra, lines in project["optional-dependencies"].items()
        for line in lines
        if extra in {"dev", "sandbox"}
    }
    assert {"apprise", "dagster-postgres", "prometheus-client", "s3fs"} <= set(installed)
    assert {"devpi-server", "pytest"} <= extras
    assert extras & set(installed) == set()


def test_neither_build_authorities_nor_secrets_stay_inside(builds: Builds, run: Run) -> None:
    assert run("sh", "-c", "ls -A /run/secrets 2>/dev/null || true") == ""
    shown = builds.engine.docker("image", "inspect", "-f", "{{json .Config.Env}}", IMAGE, timeout=60)
    names = {setting.partition("=")[0] for setting in json.loads(shown)}
    of_pythons_own_image = {"GPG_KEY", "LANG", "PYTHON_SHA256", "PYTHON_VERSION"}
    assert names - of_pythons_own_image == {"DAGSTER_HOME", "PATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV"}


def test_the_code_server_becomes_healthy_and_serves_jobs(builds: Builds, run: Run) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    state = ""
    while state != "healthy" and time.monotonic() < deadline:
        time.sleep(0.5)
        state = builds.engine.docker(
            "inspect", "-f", "{{.State.Health.Status}}", run.container, timeout=60
        ).strip()
    assert state == "healthy", builds.engine.docker("logs", run.container, timeout=60)
    run("dagster", "api", "grpc-health-check", "-p", "4000")
    assert "sample_release" in run(
        "dagster", "job", "list", "--grpc-host", "127.0.0.1", "--grpc-port", "4000"
    )


def test_a_change_of_the_code_installs_no_dependency_again(
    builds: Builds, layers: list[str], tmp_path: Path
) -> None:
    for name in IN_CONTEXT:
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "release_assets", tmp_path / "release_assets")
    with (tmp_path / "release_assets" / "__init__.py").open("a") as file:
        file.write("# A change.\n")
    changed = builds.build(tmp_path, f"{IMAGE}:changed")
    builds.remove(f"{IMAGE}:changed")
    assert changed[:-1] == layers[:-1]
    assert changed[-1] != layers[-1]
