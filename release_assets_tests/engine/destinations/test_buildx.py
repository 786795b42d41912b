"""Builds on a real engine, pushed to a real registry, and how they fail."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from release_assets import process
from release_assets.destinations.buildx import (
    BuildResult,
    build,
    check_platform,
    docker_environment,
    observe_engine,
)
from release_assets.destinations.registry import (
    Registry,
    Repository,
    index_of,
    parse_repository,
    platform_images,
    platforms_differ,
)
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets_tests.registry_proxy import Refusal, registry_proxy
from release_assets_tests.unit.destinations.buildx_records import request
from tools.sandbox.base_image import push_base_image
from tools.sandbox.engine import Engine as RealEngine
from tools.sandbox.registry import Registry as RealRegistry

PLATFORMS = ("linux/amd64", "linux/arm64")


DOCKERFILE = """\
FROM python:3.12-slim AS build
COPY message.txt /message.txt
RUN echo "on $(uname -m)" && uname -m > /machine
FROM python:3.12-slim
COPY --from=build /machine /message.txt /
"""


@pytest.fixture(scope="session")
def base(registry: RealRegistry, state: Path) -> dict[str, str]:
    """The build contexts that put a base image of our own in place of Docker Hub's."""
    return push_base_image(registry, state=state, say=print)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder to build from."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "message.txt").write_text("first")
    return tmp_path


def built(
    source: Path, registry: RealRegistry, env: Mapping[str, str], lines: list[str], **changes: Any
) -> BuildResult:
    """Build `source` and push it."""
    fields: dict[str, Any] = {
        "repository": Repository(registry.host, "buildx/test"),
        "platform": "linux/amd64",
        "context": source,
        "dockerfile": source / "Dockerfile",
        "cache_folder": source / "cache",
    }
    wanted = request(**fields | changes)
    return build(
        wanted,
        observe_engine(wanted.builder, env),
        env,
        log=lines.append,
        secrets=[registry.token],
        timeout=300,
        silence=120,
    )


def client(registry: RealRegistry) -> Registry:
    """The repository that is pushed to."""
    return Registry(
        Repository(registry.host, "buildx/test"),
        username=registry.username,
        token=registry.token,
        username_env="IMAGE_USER",
        token_env="IMAGE_TOKEN",
    )


@pytest.fixture
def env(request: pytest.FixtureRequest, registry: RealRegistry) -> Iterator[dict[str, str]]:
    """The environment of docker on the engine, logged in to the registry."""
    request.getfixturevalue("engine")
    repository = Repository(registry.host, "buildx/test")
    with docker_environment(repository, registry.username, registry.token) as environment:
        yield environment


def test_two_platforms_are_built_pushed_and_joined(
    source: Path, registry: RealRegistry, env: dict[str, str], base: dict[str, str]
) -> None:
    ours = client(registry)
    # An engine with docker's own image store makes a bare image, and keeps no cache elsewhere.
    containerd = observe_engine(None, env).exports_cache
    pushed = {}
    for platform, machine in zip(PLATFORMS, ("x86_64", "aarch64"), strict=True):
        lines: list[str] = []
        result = built(
            source,
            registry,
            env,
            lines,
            platform=platform,
            tag=f"1.2.3-{platform.partition('/')[2]}",
            build_contexts=base,
            labels={"org.opencontainers.image.version": "1.2.3"},
            cache="registry",
        )
        manifest = ours.manifest(f"1.2.3-{platform.partition('/')[2]}")
        assert manifest is not None
        assert manifest.digest == result.digest
        assert platform_images(manifest) == ({platform: result.runnable_digest} if containerd else {})
        runnable = ours.manifest(result.runnable_digest)
        assert runnable is not None
        config_digest = runnable.parsed()["config"]["digest"]
        assert result.config_digest == (config_digest if containerd else None)
        config = json.loads(ours.blob(config_digest) or b"{}")
        assert config["config"]["Labels"]["org.opencontainers.image.version"] == "1.2.3"
        assert any(line.endswith(f"on {machine}") for line in lines) or "CACHED" in "\n".join(lines)
        assert containerd or lines[0].startswith("warning: the cache is not kept for the next build")
        assert result.cache_hit_rate is not None
        assert set(result.seconds) == {"build", "export", "push", "cache_export"}
        assert result.seconds["push"] > 0
        pushed[platform] = manifest
    ours.put_manifest("1.2.3", index_of(pushed))
    joined = ours.manifest("1.2.3")
    assert joined is not None
    assert platforms_differ(joined, PLATFORMS) is None
    assert ({"buildcache-amd64", "buildcache-arm64"} <= ours.tags()) == containerd


def test_a_change_of_the_source_keeps_the_steps_before_it_cached(
    source: Path, registry: RealRegistry, env: dict[str, str], base: dict[str, str]
) -> None:
    fields: dict[str, Any] = {"tag": "cached", "build_contexts": base, "cache": "registry"}
    (source / "message.txt").write_text(f"never built before: {source}")
    first = built(source, registry, env, [], **fields)
    second = built(source, registry, env, [], **fields)
    assert first.cache_hit_rate == 0.0
    assert second.cache_hit_rate == 1.0
    assert second.runnable_digest == first.runnable_digest
    assert [step.cached for step in second.steps if " FROM " not in step.name] == [True, True, True]


def test_a_local_cache_is_in_its_folder_and_does_not_grow(
    source: Path, registry: RealRegistry, env: dict[str, str]
) -> None:
    containerd = observe_engine(None, env).exports_cache
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")
    folder, sizes = source / "cache" / "amd64", []
    for _ in range(3):
        (source / "message.txt").write_bytes(os.urandom(100_000))
        lines: list[str] = []
        built(source, registry, env, lines, tag="local", cache="local")
        sizes.append(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    assert max(sizes) < 1.1 * min(sizes) if containerd else sizes == [0, 0, 0]
    assert any(line.startswith("importing cache manifest from local") for line in lines) == containerd


def test_a_failed_cache_export_warns_and_the_image_is_pushed(
    source: Path, registry: RealRegistry, engine: RealEngine
) -> None:
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")

    def full(method: str, path: str) -> Refusal | None:
        return Refusal(507) if method == "PUT" and "/manifests/buildcache-" in path else None

    lines: list[str] = []
    with registry_proxy(registry.host, full) as host:
        repository = Repository(host, "buildx/test")
        with docker_environment(repository, registry.username, registry.token) as env:
            result = built(source, registry, env, lines, repository=repository, tag="full", cache="registry")
    pushed = client(registry).manifest("full")
    assert pushed is not None
    assert pushed.digest == result.digest
    assert result.cache_warning is not None
    assert result.cache_warning.startswith("the cache is not kept for the next build: ")
    # docker's own store exports no cache at all, and says so.
    assert ("507 Insufficient Storage" in result.cache_warning) == engine.has_containerd_store()
    assert f"warning: {result.cache_warning}" in lines


@pytest.mark.usefixtures("engine")
def test_a_rate_limit_of_the_registry_is_waited_for(source: Path, registry: RealRegistry) -> None:
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "retry after 7 seconds"}]}'

    def limited(method: str, path: str) -> Refusal | None:
        return Refusal(429, body, {"Retry-After": "7"}) if method == "PUT" and "/manifests/" in path else None

    with registry_proxy(registry.host, limited) as host:
        repository = Repository(host, "buildx/test")
        with (
            docker_environment(repository, registry.username, registry.token) as env,
            pytest.raises(TransientError) as raised,
        ):
            built(source, registry, env, [], repository=repository, tag="limited")
    assert "429 Too Many Requests" in raised.value.problem
    # BuildKit does not tell what the registry's header says, and not always what its text does.
    assert raised.value.wait in {7.0, 60.0}


@pytest.mark.usefixtures("engine")
def test_the_registry_says_no_to_a_wrong_password(source: Path, registry: RealRegistry) -> None:
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")
    repository = Repository(registry.host, "buildx/test")
    with (
        docker_environment(repository, registry.username, "wr0ng-token") as wrong,
        pytest.raises(PermanentError) as raised,
    ):
        built(source, registry, wrong, [], tag="refused")
    # BuildKit's words, or docker's own.
    assert "401 Unauthorized" in raised.value.problem or "unauthorized: auth" in raised.value.problem
    assert raised.value.remedy.startswith("Check IMAGE_USER and IMAGE_TOKEN")
    assert "wr0ng-token" not in str(raised.value)
    assert "refused" not in client(registry).tags()


def test_a_failing_dockerfile_pushes_nothing_and_shows_the_step(
    source: Path, registry: RealRegistry, env: dict[str, str], base: dict[str, str]
) -> None:
    (source / "Dockerfile").write_text("FROM python:3.12-slim\nRUN echo no such module; exit 3\n")
    with pytest.raises(PermanentError) as raised:
        built(source, registry, env, [], tag="failed", build_contexts=base)
    assert "failed, at [1/2] RUN echo no such module; exit 3:\nno such module\n" in raised.value.problem
    assert "failed" not in client(registry).tags()


def test_a_secret_that_a_build_prints_is_not_in_the_log(
    source: Path, registry: RealRegistry, env: dict[str, str], base: dict[str, str]
) -> None:
    printed = f'RUN printf "%s" "{registry.token[:20]}"; sleep 0.2; echo "{registry.token[20:]}"; exit 1\n'
    (source / "Dockerfile").write_text(f"FROM python:3.12-slim\n{printed}")
    lines: list[str] = []
    with pytest.raises(PermanentError) as raised:
        built(source, registry, env, lines, tag="leak", build_contexts=base)
    assert any(line.endswith(" ***") for line in lines)
    assert registry.token not in "\n".join([*lines, str(raised.value)])


def test_a_missing_base_image_is_not_retried(
    source: Path, registry: RealRegistry, env: dict[str, str]
) -> None:
    (source / "Dockerfile").write_text(f"FROM {registry.host}/nobody/has-it:1\n")
    with pytest.raises(PermanentError) as raised:
        built(source, registry, env, [], tag="no-base")
    assert f"{registry.host}/nobody/has-it:1: not found" in raised.value.problem
    assert raised.value.remedy.startswith("The base image is not there")


def test_a_silent_build_times_out_and_names_what_was_at_work(
    source: Path, registry: RealRegistry, env: dict[str, str], base: dict[str, str]
) -> None:
    (source / "Dockerfile").write_text("FROM python:3.12-slim\nRUN sleep 600\n")
    wanted = request(
        repository=Repository(registry.host, "buildx/test"),
        platform="linux/amd64",
        context=source,
        dockerfile=source / "Dockerfile",
        build_contexts=base,
    )
    with pytest.raises(PermanentError) as raised:
        build(wanted, observe_engine(None, env), env, log=print, secrets=[], timeout=120, silence=4)
    assert "timed out: no output for 4 s; at work was: [1/2] RUN sleep 600" in raised.value.problem


def test_a_docker_context_builds_where_it_points_to(
    source: Path, registry: RealRegistry, engine: RealEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".docker" / "cli-plugins" / "docker-buildx").unlink()
    create = ["docker", "context", "create", "native", "--docker", f"host={engine.host}"]
    process.run(create, env=process.environment(), timeout=60)
    # What the context says counts, not what is set here.
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")
    repository = Repository(registry.host, "buildx/test")
    with docker_environment(repository, registry.username, registry.token) as env:
        result = built(source, registry, env, [], tag="context", builder="native")
        with pytest.raises(PermanentError) as raised:
            observe_engine("natvie", env)
    pushed = client(registry).manifest("context")
    assert pushed is not None
    assert pushed.digest == result.digest
    assert 'the builder natvie does not exist: ERROR: no builder "natvie" found' in raised.value.problem
    assert "`docker context ls`" in raised.value.remedy


@pytest.mark.usefixtures("engine")
def test_an_engine_that_is_out_of_reach_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".docker" / "cli-plugins" / "docker-buildx").unlink()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with (
        docker_environment(parse_repository("owner/name"), None, None) as env,
        pytest.raises(TransientError) as raised,
    ):
        observe_engine(None, env)
    assert raised.value.problem == (
        "docker's builder is unreachable: Cannot connect to the Docker daemon at unix:///nowhere.sock. "
        "Is the docker daemon running?"
    )
    assert raised.value.remedy.startswith("Start the Docker engine there, or correct DOCKER_HOST")


def test_what_the_engine_runs_and_keeps_is_observed(engine: RealEngine, env: dict[str, str]) -> None:
    observed = observe_engine(None, env)
    for platform in PLATFORMS:
        check_platform(observed, platform)
    assert observed.exports_cache == engine.has_containerd_store()


QUOTA = b'{"errors": [{"code": "DENIED", "message": "will exceed the configured upper limit of 1 MiB."}]}'


NO_RIGHT = b'{"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}'


IMMUTABLE = b'{"errors": [{"code": "TAG_INVALID", "message": "cannot be overwritten: it is immutable"}]}'


UNKNOWN = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "repository not known to registry"}]}'


NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("refused", "status", "body", "kind", "remedy"),
    [
        ("PUT /manifests/", 400, IMMUTABLE, ConflictError, "exempt it from immutability"),
        ("PUT /manifests/", 403, QUOTA, PermanentError, "torage"),
        ("POST /uploads/", 403, QUOTA, PermanentError, "is full"),
        ("POST /uploads/", 403, NO_RIGHT, PermanentError, "Check IMAGE_USER"),
        ("PUT /uploads/", 413, NGINX, PermanentError, "client_max_body_size"),
        ("PUT /manifests/", 404, UNKNOWN, PermanentError, "Create buildx/refused"),
    ],
)
def test_a_real_engine_is_refused_by_a_registry(
    source: Path,
    registry: RealRegistry,
    refused: str,
    status: int,
    body: bytes,
    kind: type[ReleaseError],
    remedy: str,
) -> None:
    """The words are not in every engine's error: then the registry is asked for them."""
    (source / "Dockerfile").write_text("FROM scratch\nCOPY message.txt /\n")
    method, _, part = refused.partition(" ")
    refuses = False

    def rule(asked: str, path: str) -> Refusal | None:
        return Refusal(status, body) if refuses and asked == method and part in path else None

    with registry_proxy(registry.host, rule) as host:
        repository = Repository(host, "buildx/refused")
        with docker_environment(repository, registry.username, registry.token) as env:
            tag = f"refused-{status}"
            if kind is ConflictError:
                built(source, registry, env, [], repository=repository, tag=tag)
            (source / "message.txt").write_bytes(os.urandom(100))
            refuses = True
            with pytest.raises(ReleaseError) as raised:
                built(source, registry, env, [], repository=repository, tag=tag)
    assert type(raised.value) is kind
    assert remedy in raised.value.remedy
    assert body is NO_RIGHT or "Check IMAGE_USER" not in raised.value.remedy


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM scratch\nCOPY message.txt /\nEOF\n",
        "FROM scratch\nCOPY docker-timeout.conf /\n",
        "FROM scratch\nCOPY certificate.pem /\n",
        "FROM scratch\nCOPY ['429 Too Many Requests', '/']\n",
        'FROM scratch\nCOPY ["connection reset by peer", "503: EOF", "/"]\n',
        "FROM scratch AS denied\nCOPY --from=HOST/unauthorized/denied /toomanyrequests: /\n",
    ],
)
def test_a_real_engine_quotes_a_dockerfile_without_a_retry(
    source: Path, registry: RealRegistry, env: dict[str, str], dockerfile: str
) -> None:
    (source / "Dockerfile").write_text(dockerfile.replace("HOST", registry.host))
    with pytest.raises(PermanentError) as raised:
        built(source, registry, env, [], tag="quoted")
    assert type(raised.value) is PermanentError
    assert raised.value.remedy.startswith(("Correct the Dockerfile", "The base image is not there"))
