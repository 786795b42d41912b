"""The user's docker configuration goes on to work, our own login apart, and no login is written to disk."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.docker_credential import TOKEN
from release_assets.destinations.registry import Repository, parse_repository
from release_assets.errors import PermanentError

OURS = Repository("registry.example:5000", "owner/name")


def auth(user: str, secret: str) -> dict[str, str]:
    """Return a login as `docker login` writes it."""
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


AUTHS = {
    "ghcr.io": auth("person", "ghcr-s3cret"),
    "https://index.docker.io/v1/": auth("person", "hub-s3cret"),
    "https://old.example/v1/": auth("person", "old-s3cret"),
    "azure.example": {**auth("00000000-0000", ""), "identitytoken": "azure-s3cret"},
    "registry.example:5000": auth("person", "personal-s3cret"),
    "plain.example": {"username": "person", "password": "plain-s3cret"},
    "empty.example": {},
    "damaged.example": {"auth": "%%%"},
}


def configure(home: Path, **content: Any) -> Path:
    """Write the user's docker configuration."""
    path = home / ".docker" / "config.json"
    path.write_text(json.dumps(content))
    return path


def written(env: Mapping[str, str]) -> Any:
    """Return the configuration that docker reads in this environment."""
    return json.loads(Path(env["DOCKER_CONFIG"], "config.json").read_text())


def answer(env: Mapping[str, str], host: str) -> tuple[str, str] | None:
    """Return what docker gets for a host, from the helper that its configuration names; None for nobody."""
    config = written(env)
    name = (config.get("credHelpers") or {}).get(host, config.get("credsStore"))
    if name is None:
        return None
    done = subprocess.run(
        [f"docker-credential-{name}", "get"],
        input=host,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        assert done.stdout.strip() == "credentials not found in native keychain"
        return None
    said = json.loads(done.stdout)
    return said["Username"], said["Secret"]


@pytest.mark.parametrize(
    ("host", "login"),
    [
        ("registry.example:5000", ("robot", "robot-s3cret")),
        ("ghcr.io", ("person", "ghcr-s3cret")),
        ("https://index.docker.io/v1/", ("person", "hub-s3cret")),
        ("old.example", ("person", "old-s3cret")),
        ("azure.example", ("<token>", "azure-s3cret")),
        ("plain.example", ("person", "plain-s3cret")),
        ("empty.example", None),
        ("damaged.example", None),
        ("nobody.example", None),
    ],
)
def test_each_registry_gets_its_own_login(home: Path, host: str, login: tuple[str, str] | None) -> None:
    configure(home, auths=AUTHS)
    with docker_environment(OURS, "robot", "robot-s3cret") as env:
        assert answer(env, host) == login


def test_without_a_login_of_ours_the_users_is_used(home: Path) -> None:
    configure(home, auths=AUTHS)
    with docker_environment(OURS, None, None) as env:
        assert answer(env, "registry.example:5000") == ("person", "personal-s3cret")


@pytest.mark.parametrize("login", [("robot", "robot-s3cret"), (None, None)])
def test_no_login_is_written_to_disk(home: Path, login: tuple[str | None, str | None]) -> None:
    users = configure(home, auths=AUTHS, HttpHeaders={"X-Team": "release"})
    with docker_environment(OURS, *login) as env:
        folder = Path(env["DOCKER_CONFIG"])
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert files == [folder / "config.json"]
        assert not any(form in files[0].read_bytes() for form in secret_forms())
        assert {name for name, value in env.items() if "s3cret" in value} <= {TOKEN}
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert json.loads(users.read_text())["auths"] == AUTHS  # what links to it was removed, not it


def secret_forms() -> list[bytes]:
    """Return the secrets as they are, and as a configuration holds them."""
    return [b"s3cret", *(str(login.get("auth")).encode() for login in AUTHS.values() if login.get("auth"))]


def test_everything_but_logins_is_the_users_own(home: Path) -> None:
    kept = {
        "proxies": {"default": {"httpProxy": "http://proxy.example:3128", "noProxy": "localhost"}},
        "HttpHeaders": {"X-Team": "release"},
        "currentContext": "colima",
        "aliases": {"builder": "buildx"},
        "plugins": {"-x-cli-hints": {"enabled": "false"}},
        "detachKeys": "ctrl-e,e",
        "experimental": "enabled",
        "features": {"hooks": "false"},
        "credHelpers": {"gcr.example": "gcr"},
    }
    configure(home, auths=AUTHS, **kept)
    with docker_environment(OURS, "robot", "robot-s3cret") as env:
        ours = written(env)
        assert {key: ours[key] for key in kept if key != "credHelpers"} | {"credHelpers": None} == kept | {
            "credHelpers": None
        }
        assert ours["credHelpers"] == {"gcr.example": "gcr", "registry.example:5000": "release-assets"}
        assert ours["credsStore"] == "release-assets"
        assert set(ours) == {*kept, "credsStore", "cliPluginsExtraDirs"}


def test_a_store_of_the_users_is_kept_for_all_but_ours(home: Path) -> None:
    configure(home, auths={"ghcr.io": {}}, credsStore="desktop", credHelpers={OURS.host: "pass"})
    with docker_environment(OURS, "robot", "robot-s3cret") as env:
        assert written(env)["credsStore"] == "desktop"
        assert written(env)["credHelpers"] == {OURS.host: "release-assets"}


def test_without_any_login_docker_asks_nobody(home: Path) -> None:
    configure(home, auths={"ghcr.io": {}})
    with docker_environment(OURS, None, None) as env:
        assert not {"credsStore", "credHelpers", "auths"} & set(written(env))


def test_other_files_of_docker_are_found(home: Path) -> None:
    docker = home / ".docker"
    configure(home)
    (docker / "ca.pem").write_text("certificate")
    (docker / "contexts" / "meta").mkdir(parents=True)
    with docker_environment(OURS, None, None) as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert (folder / "ca.pem").read_text() == "certificate"
        assert (folder / "contexts" / "meta").is_dir()
        assert (folder / "cli-plugins" / "docker-buildx").is_file()


@pytest.mark.usefixtures("home")
def test_logins_in_the_environment_are_kept_but_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = parse_repository("owner/name")
    given = {"auths": {"ghcr.io": AUTHS["ghcr.io"], "https://index.docker.io/v1/": auth("person", "other")}}
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps(given))
    with docker_environment(hub, "robot", "robot-s3cret") as env:
        assert json.loads(env["DOCKER_AUTH_CONFIG"]) == {"auths": {"ghcr.io": AUTHS["ghcr.io"]}}
    with docker_environment(hub, None, None) as env:
        assert json.loads(env["DOCKER_AUTH_CONFIG"]) == given


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("content", ["", "garbage", "[]", '{"auths": 5}', '{"auths": {}}', "null"])
def test_an_environment_without_logins_is_dropped(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", content)
    with docker_environment(OURS, "robot", "robot-s3cret") as env:
        assert "DOCKER_AUTH_CONFIG" not in env


@pytest.mark.parametrize(
    ("config", "passed"),
    [
        ({"credHelpers": {"1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"}}, {"AWS_PROFILE"}),
        ({"credsStore": "pass"}, {"GNUPGHOME", "PASSWORD_STORE_DIR"}),
        ({"credHelpers": {"europe-docker.pkg.dev": "gcloud"}}, {"CLOUDSDK_CONFIG"}),
        ({"credsStore": "desktop"}, set()),
        ({"credHelpers": ["ecr-login"], "credsStore": 5}, set()),
        ({}, set()),
    ],
)
def test_a_helper_finds_what_it_needs_and_no_more(
    home: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], passed: set[str]
) -> None:
    variables = ("AWS_PROFILE", "GNUPGHOME", "PASSWORD_STORE_DIR", "CLOUDSDK_CONFIG", "PYPI_TOKEN")
    for name in variables:
        monkeypatch.setenv(name, "value")
    configure(home, **config)
    with docker_environment(OURS, "robot", "robot-s3cret") as env:
        assert set(variables) & set(env) == passed


def test_a_missing_helper_of_ours_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, auths=AUTHS)
    monkeypatch.setattr("release_assets.destinations.buildx.login.HELPER", "docker-credential-nowhere")
    with pytest.raises(PermanentError, match="is missing next to"), docker_environment(OURS, None, None):
        pass


# A real engine: one registry under two names, of which the login to the second is the user's own
