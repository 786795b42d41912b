"""Stands in for Docker Hub: a registry on loopback that wants a user name and a password."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.sandbox import system
from tools.sandbox.engine import Engine
from tools.sandbox.servers import SandboxError, answers, free_port, running_server, wait_until

IMAGE = "registry:2"
USERNAME = "maintainer"


@dataclass(frozen=True)
class Registry:
    """A registry at `host`, such as localhost:5000, over plain http: the same name for us and the engine."""

    host: str
    username: str
    token: str


@contextlib.contextmanager
def registry_server(
    folder: Path, *, container_on: Engine | None = None, say: Callable[[str], None]
) -> Iterator[Registry]:
    """Yield an empty registry: Docker Hub's image on that engine, or else Debian's docker-registry.

    `folder` holds its storage and its log. Both allow manifests to be deleted, as Docker Hub does.
    """
    # Here, since only the extra `sandbox` brings it, and the command line must start without.
    import bcrypt

    token = secrets.token_urlsafe(32)
    port = free_port()
    # Six rounds: every request is checked, and this password is random and lives for minutes.
    password = bcrypt.hashpw(token.encode(), bcrypt.gensalt(6)).decode()
    htpasswd = f"{USERNAME}:{password}\n"
    if container_on is None:
        running = _program(folder, port, htpasswd, say)
    else:
        running = _container(container_on, port, htpasswd)
    with running:
        yield Registry(f"localhost:{port}", USERNAME, token)


@contextlib.contextmanager
def _program(folder: Path, port: int, htpasswd: str, say: Callable[[str], None]) -> Iterator[None]:
    system.install(system.missing_packages(system.REGISTRY), why="an image registry", say=say)
    passwords = folder / "registry.htpasswd"
    passwords.touch(mode=0o600)
    passwords.write_text(htpasswd)
    configuration = folder / "registry.json"  # YAML is what it reads, and JSON is YAML
    configuration.write_text(
        json.dumps({
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "registry")},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_urlsafe(32)},
            "auth": {"htpasswd": {"realm": "sandbox", "path": str(passwords)}},
        })
    )  # fmt: skip
    with running_server(
        "docker-registry",
        ["docker-registry", "serve", configuration],
        env=system.environment(),
        log=folder / "registry.log",
        is_ready=lambda: answers(f"http://localhost:{port}/v2/"),
    ):
        yield


@contextlib.contextmanager
def _container(engine: Engine, port: int, htpasswd: str) -> Iterator[None]:
    name = f"release-assets-registry-{secrets.token_hex(4)}"
    # The password's hash goes through the environment; a file of ours might be invisible to the engine,
    # which can live in a virtual machine.
    script = 'printf %s "$HTPASSWD" > /htpasswd && exec registry serve /etc/docker/registry/config.yml'
    settings = {
        "HTPASSWD": htpasswd,
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "sandbox",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
    }
    passed = [word for variable in settings for word in ("--env", variable)]
    publish = ["--publish", f"127.0.0.1:{port}:5000"]
    run = ["run", "--detach", "--rm", "--name", name, *publish, *passed, "--entrypoint", "sh"]
    try:
        engine.docker(*run, IMAGE, "-c", script, timeout=120, variables=settings)
        if not wait_until(lambda: answers(f"http://localhost:{port}/v2/"), seconds=60):
            raise SandboxError(
                f"the registry in container {name} did not answer: {engine.docker('logs', name, timeout=30)}",
                "The lines above are its log.",
            )
        yield
    finally:
        # Its volume, with what was pushed, goes with it. It may never have been made, or be gone already.
        engine.docker("rm", "--force", "--volumes", name, timeout=60)
