"""A registry in a container, where the system package cannot be installed."""

from __future__ import annotations

import base64
import json
import shutil
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from release_assets import process
from release_assets.process import CommandFailedError
from tools.sandbox import Sandbox, system
from tools.sandbox import registry as registry_module
from tools.sandbox.base_image import NAME as BASE_IMAGE
from tools.sandbox.engine import Engine
from tools.sandbox.registry import registry_server
from tools.sandbox.servers import answers


def test_a_container_that_cannot_start_leaves_none_behind(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "IMAGE", "localhost:1/no-such-registry")
    with (
        pytest.raises(CommandFailedError, match="docker failed"),
        registry_server(tmp_path, container_on=engine, say=print),
    ):
        pytest.fail("it counts as started")
    assert "release-assets-registry" not in engine.docker("ps", "--all", timeout=30)


def test_docker_hubs_image_serves_in_a_temporary_container(
    engine: Engine, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sandbox.build_contexts:
        # No Docker Hub: the same server, from Debian's package, in an image that is laid out as that one is.
        monkeypatch.setattr(registry_module, "IMAGE", _registry_image(engine, sandbox, tmp_path))
    with registry_server(tmp_path, container_on=engine, say=print) as running:
        url = f"http://{running.host}/v2/"
        assert requests.get(url, timeout=10).status_code == HTTPStatus.UNAUTHORIZED
        assert requests.get(url, auth=(running.username, running.token), timeout=10).ok
        shown = engine.docker("ps", "--no-trunc", timeout=30)
        assert "release-assets-registry" in shown
        assert running.token not in shown
        assert f"127.0.0.1:{running.host.partition(':')[2]}->5000" in shown
    assert not answers(url)
    assert "release-assets-registry" not in engine.docker("ps", "--all", timeout=30)


def _registry_image(engine: Engine, sandbox: Sandbox, folder: Path) -> str:
    program = system.find_program("docker-registry")
    assert program is not None
    shutil.copy(program, folder / "registry")
    storage = {"filesystem": {"rootdirectory": "/var/lib/registry"}}
    settings = {"version": 0.1, "storage": storage, "http": {"addr": ":5000"}}
    (folder / "config.yml").write_text(json.dumps(settings))
    (folder / "Dockerfile").write_text(
        f"FROM {BASE_IMAGE}\nCOPY registry /usr/bin/\nCOPY config.yml /etc/docker/registry/\n"
        "VOLUME /var/lib/registry\n"
    )
    buildx = system.find_program("docker-buildx")
    assert buildx is not None
    login = f"{sandbox.username}:{sandbox.environment['DOCKER_TOKEN']}".encode()
    auths = {sandbox.registry: {"auth": base64.b64encode(login).decode()}}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))
    contexts = [
        word for pair in sandbox.build_contexts.items() for word in ("--build-context", "=".join(pair))
    ]
    process.run(
        [buildx, "build", "--load", "--tag", "registry-of-debian", *contexts, folder],
        env=process.environment(DOCKER_HOST=engine.host, DOCKER_CONFIG=str(folder)),
        timeout=120,
    )
    return "registry-of-debian"
