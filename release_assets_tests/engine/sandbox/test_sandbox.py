"""Everything together: what the sandbox says about itself is true, and SIGTERM ends it cleanly."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml

from release_assets import process
from release_assets.project import Project
from release_assets_tests.paths import ROOT
from tools.sandbox import Sandbox
from tools.sandbox.base_image import NAME as BASE_IMAGE
from tools.sandbox.engine import PLATFORMS, Engine
from tools.sandbox.servers import answers


def test_its_defs_yaml_is_what_a_user_writes(sandbox: Sandbox) -> None:
    definition = yaml.safe_load(sandbox.defs_yaml("probe"))
    assert definition["type"] == "release_assets.ReleaseGraph"
    project = Project.model_validate(definition["attributes"])
    assert project.project == "probe"
    assert project.repository == sandbox.git
    assert project.image is not None
    assert tuple(project.image.platforms) == PLATFORMS


def test_no_secret_is_in_its_defs_yaml(sandbox: Sandbox) -> None:
    for name in ("PYPI_TOKEN", "TEST_PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_TOKEN"):
        assert len(sandbox.environment[name]) > 30
        assert sandbox.environment[name] not in sandbox.defs_yaml()


@pytest.mark.parametrize(("platform", "machine"), [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")])
def test_the_base_image_runs_python_with_pip(
    sandbox: Sandbox, engine: Engine, tmp_path: Path, platform: str, machine: str
) -> None:
    image = sandbox.build_contexts.get(BASE_IMAGE, BASE_IMAGE).removeprefix("docker-image://")
    login = f"{sandbox.username}:{sandbox.environment['DOCKER_TOKEN']}".encode()
    auths = {sandbox.registry: {"auth": base64.b64encode(login).decode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    command = "import pip, platform, ssl; ssl.create_default_context(); print(platform.machine())"
    said = engine.docker(
        "run", "--rm", "--platform", platform, "--pull", "always", image, "python", "-c", command,
        timeout=120,
        variables={"DOCKER_CONFIG": str(tmp_path)},
    )  # fmt: skip
    assert said.strip() == machine


def test_sigterm_ends_it_cleanly(engine: Engine, state: Path, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from tools.sandbox import sandbox\n"
        "with sandbox(pathlib.Path(sys.argv[1]), say=lambda _: None) as running:\n"
        "    print(running.git, running.github_api_url, running.registry, running.index.simple_url)\n"
        "    sys.stdout.flush(); time.sleep(600)"
    )
    with process.started_child(
        [sys.executable, "-c", script, str(state)],
        env=process.environment(DOCKER_HOST=engine.host, TMPDIR=str(tmp_path), PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        git, github, registry, index = child.stdout.readline().decode().split()
        assert all(map(answers, (github, f"http://{registry}/v2/", index)))
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 128 + signal.SIGTERM
    assert not any(map(answers, (github, f"http://{registry}/v2/", index)))
    assert not Path(git).exists()
    assert list(tmp_path.iterdir()) == []
    assert engine.docker("version", timeout=30)


def test_its_servers_accept_what_its_environment_says(sandbox: Sandbox) -> None:
    registry = requests.get(
        f"http://{sandbox.registry}/v2/",
        auth=(sandbox.username, sandbox.environment["DOCKER_TOKEN"]),
        timeout=10,
    )
    github = requests.get(
        f"{sandbox.github_api_url}/repos/{sandbox.github_repository}",
        headers={"Authorization": f"Bearer {sandbox.environment['GITHUB_TOKEN']}"},
        timeout=10,
    )
    assert registry.ok
    assert github.ok
