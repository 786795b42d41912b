"""docker gets its login without a file that holds the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.buildx import docker_environment, plugin_folders
from release_assets.destinations.registry import parse_repository
from release_assets.errors import PermanentError


def written(env: Mapping[str, str]) -> Any:
    """The configuration that docker reads in this environment."""
    return json.loads(Path(env["DOCKER_CONFIG"], "config.json").read_text())


@pytest.mark.usefixtures("home")
def test_the_token_is_in_no_file() -> None:
    repository = parse_repository("owner/name")
    with docker_environment(repository, "maintainer", "s3cret-token") as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert written(env)["credHelpers"] == {"https://index.docker.io/v1/": "release-assets"}
        assert not any(b"s3cret" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
        assert [name for name, value in env.items() if "s3cret-token" in value] == [
            "RELEASE_ASSETS_REGISTRY_TOKEN"
        ]
    assert not folder.exists()


@pytest.mark.usefixtures("home")
def test_without_credentials_no_helper_is_named() -> None:
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        assert "credHelpers" not in written(env)
        assert not any(name.startswith("RELEASE_ASSETS_REGISTRY") for name in env)


def test_the_users_contexts_builders_and_plugins_go_on_working(home: Path) -> None:
    docker = home / ".docker"
    (docker / "contexts" / "meta").mkdir(parents=True)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "docker-buildx").touch(mode=0o755)
    configuration = {
        "currentContext": "colima",
        "cliPluginsExtraDirs": [str(elsewhere)],
        "auths": {"ghcr.io": {"auth": "cGVyc29uYWw="}},
        "credsStore": "desktop",
    }
    (docker / "config.json").write_text(json.dumps(configuration))
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        ours = written(env)
        assert ours["currentContext"] == "colima"
        assert ours["cliPluginsExtraDirs"][:2] == [str(docker / "cli-plugins"), str(elsewhere)]
        assert (ours["credsStore"], "auths" in ours) == ("desktop", False)
        assert Path(env["DOCKER_CONFIG"], "contexts", "meta").is_dir()
        assert env["BUILDX_CONFIG"] == str(docker / "buildx")


def test_what_says_where_the_engine_is_is_passed_on_and_nothing_that_logs_in(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_here = {
        "DOCKER_HOST": "tcp://engine.example:2376",
        "DOCKER_TLS_VERIFY": "1",
        "BUILDX_CONFIG": "/builders",
        "DOCKER_AUTH_CONFIG": '{"auths": {}}',
        "PYPI_TOKEN": "pypi-s3cret",
    }
    for name, value in set_here.items():
        monkeypatch.setenv(name, value)
    with docker_environment(parse_repository("owner/name"), "maintainer", "s3cret") as env:
        assert env["DOCKER_HOST"] == "tcp://engine.example:2376"
        # Docker looks for certificates in DOCKER_CONFIG, which is ours now.
        assert env["DOCKER_CERT_PATH"] == str(home / ".docker")
        assert env["BUILDX_CONFIG"] == "/builders"
        assert not {"DOCKER_AUTH_CONFIG", "PYPI_TOKEN"} & set(env)


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"cliPluginsExtraDirs": 5}'])
def test_a_configuration_that_makes_no_sense_is_passed_over(home: Path, content: str) -> None:
    (home / ".docker" / "config.json").write_text(content)
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        assert str(home / ".docker" / "cli-plugins") in written(env)["cliPluginsExtraDirs"]


def test_a_missing_plugin_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "docker-buildx").touch(mode=0o644)  # not executable
    with pytest.raises(PermanentError) as raised:
        plugin_folders([tmp_path, tmp_path / "nowhere"])
    assert raised.value.problem == "docker's buildx plugin is not installed"
    assert "docker-buildx-plugin from Docker's packages" in raised.value.remedy
