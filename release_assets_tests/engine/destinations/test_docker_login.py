"""Private base images, pulled with the logins of the user's docker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError
from release_assets_tests.engine.destinations.test_buildx import built, client
from release_assets_tests.unit.destinations.test_docker_login import auth, configure
from tools.sandbox.base_image import push_base_image
from tools.sandbox.engine import Engine
from tools.sandbox.registry import Registry as RealRegistry


@pytest.fixture
def private_base(registry: RealRegistry, state: Path) -> str:
    """A base image that requires a login, by the registry's other name."""
    context = next(iter(push_base_image(registry, state=state, say=print).values()))
    return context.removeprefix("docker-image://").replace("localhost", "127.0.0.1")


@pytest.fixture
def real_home(home: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with the machine's own buildx plugin and a running engine."""
    (home / ".docker" / "cli-plugins" / "docker-buildx").unlink()
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    return home


def build_on(base: str, source: Path, registry: RealRegistry, lines: list[str]) -> None:
    """Build an image on the base image, pushed with our own login."""
    source.mkdir(exist_ok=True)
    (source / "Dockerfile").write_text(f"FROM {base}\nRUN echo proxy is $http_proxy; echo {id(lines)}\n")
    repository = Repository(registry.host, "buildx/test")
    with docker_environment(repository, registry.username, registry.token) as env:
        result = built(source, registry, env, lines, tag="private-base")
    pushed = client(registry).manifest("private-base")
    assert pushed is not None
    assert pushed.digest == result.digest


def test_a_private_base_image_is_pulled_with_the_users_login(
    real_home: Path, tmp_path: Path, registry: RealRegistry, private_base: str
) -> None:
    assert registry.host.startswith("localhost:")
    elsewhere = registry.host.replace("localhost", "127.0.0.1")
    lines: list[str] = []
    configure(
        real_home,
        auths={
            elsewhere: auth(registry.username, registry.token),
            registry.host: auth("person", "not-for-this-registry"),
        },
        proxies={"default": {"httpProxy": "http://proxy.example:3128", "noProxy": "localhost,127.0.0.1"}},
    )
    build_on(private_base, tmp_path / "source", registry, lines)
    assert any(line.endswith("proxy is http://proxy.example:3128") for line in lines)


def test_a_private_base_image_is_pulled_through_the_users_helper(
    real_home: Path,
    tmp_path: Path,
    registry: RealRegistry,
    private_base: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = registry.host.replace("localhost", "127.0.0.1")
    programs = tmp_path / "programs"
    programs.mkdir()
    login = json.dumps({"ServerURL": elsewhere, "Username": registry.username, "Secret": registry.token})
    (programs / "docker-credential-corporate").write_text(f"#!/bin/sh\necho '{login}'\n")
    (programs / "docker-credential-corporate").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    configure(real_home, credHelpers={elsewhere: "corporate"})
    build_on(private_base, tmp_path / "source", registry, [])


def test_a_private_base_image_without_a_login_names_its_registry(
    real_home: Path, tmp_path: Path, registry: RealRegistry, private_base: str
) -> None:
    configure(real_home)
    with pytest.raises(PermanentError) as raised:
        build_on(private_base, tmp_path / "source", registry, [])
    host = registry.host.replace("localhost", "127.0.0.1")
    assert f"`docker login {host}`" in raised.value.remedy


def test_a_helper_of_the_users_that_is_missing_is_named(
    real_home: Path, tmp_path: Path, registry: RealRegistry, private_base: str
) -> None:
    configure(real_home, credHelpers={registry.host.replace("localhost", "127.0.0.1"): "nowhere"})
    with pytest.raises(PermanentError) as raised:
        build_on(private_base, tmp_path / "source", registry, [])
    assert "docker-credential-nowhere" in raised.value.problem
    assert raised.value.remedy.startswith("Install the credential helper")
