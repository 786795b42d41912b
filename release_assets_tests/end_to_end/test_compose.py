"""The deployment of compose.yaml releases, and survives what kills any of its parts."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from release_assets import process
from release_assets.destinations import package_index
from release_assets.destinations.registry import Registry, parse_repository, platform_images
from release_assets_tests.conftest import skipped_where_impossible
from release_assets_tests.end_to_end.deployment import HOW_TO, OUTSIDE, Deployment, Run, deployed, wait_for
from release_assets_tests.image_builds import Builds
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.paths import PACKAGES, ROOT, TESTS
from release_assets_tests.secret_forms import forms_of
from tools.chaos.git_http import git_server
from tools.sandbox import Sandbox, system
from tools.sandbox.servers import answers, free_port, running_server

pytestmark = pytest.mark.timeout(400)

PROJECT = "sampleproject"
IMAGE = "release-assets-test"
POSTGRES = "release-assets-test-postgres"
RELEASED_SECONDS = 240.0
LOOK_SECONDS = 1  # between two looks of run monitoring: an operator has 10, and rebuilds that take longer
RELEASE_HALF = {"sdist", "wheel", "pypi_publication", "github_release"}
DOCKER_HALF = {"image_linux_amd64", "manifest_list", "floating_tags"}
PASSWORD = "a password"
HOSTILE = PACKAGES / "hostile-backend"


@pytest.fixture(scope="module")
def images(builds: Builds) -> Iterator[dict[str, str]]:
    """The images of compose.yaml, by its variables."""
    builds.build(ROOT, IMAGE)
    hub = "postgres:17"
    if builds.engine.can_pull(hub):
        yield {"RELEASE_ASSETS_IMAGE": IMAGE, "POSTGRES_IMAGE": hub}
        return
    builds.build(TESTS / "postgres_image", POSTGRES)
    yield {"RELEASE_ASSETS_IMAGE": IMAGE, "POSTGRES_IMAGE": POSTGRES}


@pytest.fixture(scope="module")
def hunter(new: NewMaintainer, own_sandbox: Sandbox) -> Maintainer:
    """A maintainer whose build backend hunts for secrets and packs what it finds."""
    maintainer = new(Stands.of(own_sandbox))
    files = {file.name: file.read_text() for file in HOSTILE.iterdir() if file.is_file()}
    files["pyproject.toml"] = files["pyproject.toml"].replace("hostile-backend", maintainer.name)
    maintainer.repository.commit(files)
    return maintainer


@pytest.fixture(scope="module")
def deployment(
    own_sandbox: Sandbox,
    hunter: Maintainer,
    images: dict[str, str],
    builds: Builds,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    attributes: dict[str, Any] = yaml.safe_load(own_sandbox.defs_yaml(PROJECT))["attributes"]
    with (
        git_server(own_sandbox.project.remote.parent) as git_port,
        git_server(hunter.repository.path.parent) as hunter_port,
    ):
        attributes["repository"] = f"http://{OUTSIDE}:{git_port}/{own_sandbox.project.remote.name}"
        attributes["image"]["platforms"] = ["linux/amd64"]  # QEMU takes most of a release's time
        hunters = f"http://{OUTSIDE}:{hunter_port}/{hunter.name}"
        urls = [own_sandbox.index.simple_url, own_sandbox.github_api_url, f"http://{own_sandbox.registry}"]
        ports = [git_port, hunter_port, *(port for url in urls if (port := urlsplit(url).port))]
        names = ("PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_USERNAME", "DOCKER_TOKEN")
        with deployed(
            builds.engine,
            tmp_path_factory.mktemp("deployment"),
            images=images,
            definitions={
                PROJECT: {**attributes, "allow_http": True},
                hunter.name: {**hunter.attributes, "repository": hunters, "allow_http": True},
            },
            look_seconds=LOOK_SECONDS,
            secret_values={name: own_sandbox.environment[name] for name in names},
            ports=ports,
        ) as running:
            yield running


@pytest.fixture(scope="module")
def registry(own_sandbox: Sandbox) -> Registry:
    return Registry(
        parse_repository(own_sandbox.image_repository),
        username=own_sandbox.environment["DOCKER_USERNAME"],
        token=own_sandbox.environment["DOCKER_TOKEN"],
        username_env="DOCKER_USERNAME",
        token_env="DOCKER_TOKEN",
    )


def digest(registry: Registry, tag: str) -> str | None:
    manifest = registry.manifest(tag)
    return manifest.digest if manifest else None


def wait_for_release(
    deployment: Deployment, tag: str, runs: int, project: str = PROJECT, kills: int = 0
) -> list[Run]:
    """Return the runs of a release when so many have succeeded; fail if more failed than were killed."""

    def is_released() -> bool:
        found = deployment.runs(tag, project)
        assert len([run for run in found if run.status == "FAILURE"]) <= kills, deployment.words(tag)
        return len([run for run in found if run.status == "SUCCESS"]) == runs

    wait_for(is_released, RELEASED_SECONDS, lambda: deployment.words(tag))
    return deployment.runs(tag, project)


def test_two_projects_are_released_by_containers_at_once(
    own_sandbox: Sandbox, deployment: Deployment, registry: Registry, hunter: Maintainer
) -> None:
    deployment.up()
    wait_for(deployment.has_ticked, 60)
    pushed = time.time()
    hunter.repository.tag("v1.2.3")
    own_sandbox.project.push_tag("v4.0.0")
    release, docker = wait_for_release(deployment, "v4.0.0", runs=2)
    (hunt,) = wait_for_release(deployment, "v1.2.3", runs=1, project=hunter.name)
    assert [run.status for run in (release, docker, hunt)] == ["SUCCESS"] * 3, deployment.words("v4.0.0")
    print(f"tag to latest {(docker.ended or 0) - pushed:.1f} s")
    for run in (release, docker, hunt):
        print(f"{run.job}: created to started {(run.started or 0) - run.created:.1f} s")
    assert (hunt.started or 0) < (release.ended or 0)
    assert (release.started or 0) < (hunt.ended or 0)
    assert_released_once(own_sandbox, "4.0.0")
    whole = registry.manifest("4.0.0")
    assert whole is not None
    assert set(platform_images(whole)) == {"linux/amd64"}
    assert digest(registry, "latest") == whole.digest
    assert len(deployment.run_containers()) == 3


def test_build_code_finds_neither_a_secret_nor_the_engine(
    deployment: Deployment, hunter: Maintainer, tmp_path: Path
) -> None:
    (sdist,) = (file for name, file in hunter.served().items() if name.endswith(".tar.gz"))
    with tarfile.open(package_index.download(sdist, tmp_path)) as archive:
        (member,) = (member for member in archive if member.name.endswith("/loot.txt"))
        stream = archive.extractfile(member)
        assert stream is not None
        loot = stream.read()
    assert b"SOURCE_DATE_EPOCH" in loot
    assert b"reached /" not in loot
    assert b"wrote /usr" not in loot
    assert not [name for name, form in forms_of_tokens(deployment) if form.encode() in loot]


def forms_of_tokens(deployment: Deployment) -> list[tuple[str, str]]:
    """Return each form in which a secret would show, after its name; a user name is none."""
    secrets = {name: value for name, value in deployment.secrets.items() if name != "DOCKER_USERNAME"}
    return [(name, form) for name, value in secrets.items() for form in forms_of(value)]


def test_no_secret_shows_in_containers_database_volumes_or_logs(deployment: Deployment) -> None:
    engine = deployment.engine
    containers = [*deployment.compose("ps", "--all", "--quiet").split(), *deployment.run_containers()]
    assert len(containers) == 4 + 3
    dump = (
        "PGPASSWORD=$(cat /run/secrets/postgres_password) pg_dump --username=dagster --host=127.0.0.1 dagster"
    )
    pack = ["tar", "--create", "--directory=/var/lib/release-assets", "."]
    logs = [deployment.logs(container) for container in containers]
    database = engine.docker("exec", deployment.container("postgres"), "sh", "-c", dump, timeout=60)
    home = engine.docker("exec", deployment.container("daemon"), *pack, timeout=60)
    seen = [engine.docker("inspect", *containers, timeout=60), *logs, database, home]
    assert not [name for name, form in forms_of_tokens(deployment) if any(form in text for text in seen)]
    assert f"{PROJECT}_release" in database  # we did look
    assert f"{PROJECT}-4.0.0.tar.gz" in home
    assert any("4.0.0" in log for log in logs)


def test_a_release_survives_kills_of_container_and_database(
    own_sandbox: Sandbox, deployment: Deployment
) -> None:
    commit = own_sandbox.project.release("4.0.1")
    own_sandbox.project.push_tag("v4.0.1", commit)
    wait_for_step(deployment, "v4.0.1", RELEASE_HALF)
    (container,) = deployment.run_containers("status=running")
    deployment.kill(container)
    killed = time.monotonic()
    wait_for(lambda: deployment.runs("v4.0.1")[0].status == "FAILURE", 60)
    print(f"a killed run container is noticed after {time.monotonic() - killed:.1f} s")
    wait_for_step(deployment, "v4.0.1", RELEASE_HALF)
    deployment.kill(deployment.container("postgres"))
    deployment.up()
    wait_for_step(deployment, "v4.0.1", DOCKER_HALF)
    # The daemon is killed and started again while the image builds: its run goes on.
    (container,) = deployment.run_containers("status=running")
    deployment.kill(deployment.container("daemon"))
    deployment.up()
    runs = wait_for_release(deployment, "v4.0.1", runs=2, kills=2)
    (docker,) = (run for run in runs if run.job == f"{PROJECT}_docker")
    assert docker.tags["docker/container_id"].startswith(container)
    assert_released_once(own_sandbox, "4.0.1")


def test_a_release_survives_kills_of_everything_in_each_half(
    own_sandbox: Sandbox, deployment: Deployment, registry: Registry
) -> None:
    commit = own_sandbox.project.release("4.0.2")
    own_sandbox.project.push_tag("v4.0.2", commit)
    for half, nodes in (("release", RELEASE_HALF), ("docker", DOCKER_HALF)):
        wait_for_step(deployment, "v4.0.2", nodes)
        services = [deployment.container(service) for service in ("postgres", "code", "daemon", "webserver")]
        deployment.kill(*services, *deployment.run_containers("status=running"))
        killed = time.monotonic()
        deployment.up()
        print(f"up again {time.monotonic() - killed:.1f} s after everything was killed in the {half} half")
    wait_for_release(deployment, "v4.0.2", runs=2, kills=2)
    print(f"released {time.monotonic() - killed:.1f} s after the last kill")
    assert_released_once(own_sandbox, "4.0.2")
    assert digest(registry, "latest") == digest(registry, "4.0.2") is not None


def wait_for_step(deployment: Deployment, tag: str, nodes: set[str]) -> None:
    """Return when one of the nodes is at work."""
    wait_for(
        lambda: bool(nodes & deployment.steps_at_work(tag)), RELEASED_SECONDS, lambda: deployment.words(tag)
    )


def assert_released_once(own_sandbox: Sandbox, version: str) -> None:
    files = [file for file in package_index.observe(own_sandbox.index.simple_url, PROJECT) if version in file]
    assert sorted(files) == [f"{PROJECT}-{version}-py3-none-any.whl", f"{PROJECT}-{version}.tar.gz"]
    url = f"{own_sandbox.github_api_url}/repos/{own_sandbox.github_repository}/releases"
    headers = {"Authorization": f"Bearer {own_sandbox.environment['GITHUB_TOKEN']}"}
    releases = requests.get(url, headers=headers, timeout=10).json()
    (release,) = (one for one in releases if one["tag_name"] == f"v{version}")
    assert not release["draft"]
    assert {asset["name"] for asset in release["assets"]} == {*files, "SHA256SUMS"}


def test_a_rebuild_outlives_two_looks_of_run_monitoring(deployment: Deployment) -> None:
    command = ["rebuild", "v4.0.0", "--project", PROJECT]
    said = deployment.compose("run", "--rm", "--no-TTY", "release-assets", *command, timeout=240)
    run = deployment.runs("v4.0.0")[-1]
    assert run.status == "SUCCESS", said
    assert "docker/container_id" in run.tags
    assert (run.ended or 0) - (run.started or 0) > 2 * LOOK_SECONDS


def test_the_database_is_migrated_as_the_how_to_says(deployment: Deployment) -> None:
    command = "docker compose run --rm --entrypoint dagster release-assets instance migrate"
    assert command in HOW_TO.read_text()
    said = deployment.compose(*command.split()[2:4], "--no-TTY", *command.split()[4:])
    assert "latest" in said


@pytest.fixture
def caddy(deployment: Deployment, tmp_path: Path) -> Iterator[str]:
    """The how-to's Caddyfile before the webserver, at the address that is yielded."""
    with skipped_where_impossible():
        system.install(system.missing_packages(system.CADDY), why="authentication", say=print)
    hashed = process.run(
        ["caddy", "hash-password", "--plaintext", PASSWORD], env=system.environment(), timeout=60
    )
    url = f"http://localhost:{free_port()}"
    file = tmp_path / "Caddyfile"
    # Another Caddy may have the default port of the administration.
    file.write_text("{\n\tadmin off\n}\n" + (ROOT / "deploy" / "compose" / "Caddyfile").read_text())
    env = system.environment(
        HOME=str(tmp_path),
        SITE=url,
        PORT=str(deployment.port),
        LOGIN="maintainer",
        PASSWORD_HASH=hashed.strip(),
    )
    with running_server(
        "caddy",
        ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"],
        env=env,
        log=tmp_path / "caddy.log",
        is_ready=lambda: answers(url),
    ):
        yield url


def test_a_proxy_requires_a_password_and_no_mutations_by_get(caddy: str) -> None:
    login = ("maintainer", PASSWORD)
    query = {"query": "{ version }"}
    graphql = f"{caddy}/graphql"
    assert requests.post(graphql, json=query, timeout=10).status_code == 401
    assert requests.post(graphql, json=query, auth=("maintainer", "wrong"), timeout=10).status_code == 401
    answer = requests.post(graphql, json=query, auth=login, headers={"Origin": caddy}, timeout=10)
    assert answer.json()["data"]["version"]
    assert requests.get(caddy, auth=login, timeout=10).status_code == 200
    assert requests.get(graphql, params=query, auth=login, timeout=10).status_code == 405
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert requests.get(graphql, params=query, auth=login, headers=upgrade, timeout=10).status_code == 405
    foreign = {"Origin": "https://other.example"}
    assert requests.post(graphql, json=query, auth=login, headers=foreign, timeout=10).status_code == 403
