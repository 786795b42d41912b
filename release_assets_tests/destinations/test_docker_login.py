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
from release_assets_tests.destinations.test_buildx import built, client
from tools.sandbox.base_image import push_base_image
from tools.sandbox.engine import Engine
from tools.sandbox.registry import Registry as RealRegistry

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
    "folded.example": {"auth": auth("person", "folded-s3cret")["auth"] + "\n"},
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
        ("folded.example", ("person", "folded-s3cret")),
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


@pytest.mark.engine
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


@pytest.mark.engine
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


@pytest.mark.engine
def test_a_private_base_image_without_a_login_names_its_registry(
    real_home: Path, tmp_path: Path, registry: RealRegistry, private_base: str
) -> None:
    configure(real_home)
    with pytest.raises(PermanentError) as raised:
        build_on(private_base, tmp_path / "source", registry, [])
    host = registry.host.replace("localhost", "127.0.0.1")
    assert f"`docker login {host}`" in raised.value.remedy


@pytest.mark.engine
def test_a_helper_of_the_users_that_is_missing_is_named(
    real_home: Path, tmp_path: Path, registry: RealRegistry, private_base: str
) -> None:
    configure(real_home, credHelpers={registry.host.replace("localhost", "127.0.0.1"): "nowhere"})
    with pytest.raises(PermanentError) as raised:
        build_on(private_base, tmp_path / "source", registry, [])
    assert "docker-credential-nowhere" in raised.value.problem
    assert raised.value.remedy.startswith("Install the credential helper")
