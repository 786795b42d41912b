"""Wheels built by cibuildwheel, in its containers on the engine of the platform's builder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from release_assets.destinations import buildx
from release_assets.destinations.registry import parse_repository
from release_assets.distributions.last_words import last_words
from release_assets.distributions.wheels.tools import (
    START_ENGINE,
    Log,
    check_installed,
    isolated_run,
    wheels_in,
)
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, environment, run
from release_assets.project import CibuildwheelWheels
from release_assets.rules.wheel_tags import MACHINES

BUILD_SECONDS = 5 * 3600.0  # several versions of Python under QEMU, in a run of six hours at most
ENGINE_SECONDS = 60.0
LABEL = "release-assets.wheels"
# How containers reach the package index, where that takes more than the network.
NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
)  # fmt: skip
NO_ENGINE = (
    "Cannot connect to the Docker daemon",
    "error during connect",
    "i/o timeout",
    "TLS handshake timeout",
)


def build_wheels(
    source: CibuildwheelWheels,
    platform: str,
    tree: Path,
    *,
    scratch: Path,
    epoch: int,
    log: Log,
    seconds: dict[str, float],
) -> list[Path]:
    """Return the wheels that cibuildwheel builds of the unpacked sdist `tree` for a platform.

    The containers see the sdist alone: not this machine's files, and no variable of ours. Adds the seconds of
    the stage `cibuildwheel`. Raises PermanentError with the end of the output, TransientError where the
    engine cannot be reached.
    """
    check_installed("cibuildwheel")
    started = time.monotonic()
    output, label = scratch / "output", f"{LABEL}={uuid.uuid4().hex}"
    output.mkdir()
    engine = _engine(source.builders.get(platform))
    try:
        isolated_run(
            [sys.executable, "-m", "cibuildwheel", "--platform", "linux", "--archs", MACHINES[platform],
             "--output-dir", output, tree],
            scratch=scratch,
            readable=[*map(Path, engine.files)],
            writable=[tree],
            network=True,
            timeout=BUILD_SECONDS,
            log=log,
            directory=tree,
            variables={
                "SOURCE_DATE_EPOCH": str(epoch),
                **{name: os.environ[name] for name in NETWORK if name in os.environ},
                **engine.variables,
                **options(source, platform, label),
            },
        )  # fmt: skip
    except CommandFailedError as error:
        said = last_words(error.tail)
        problem = f"cibuildwheel {error.reason} for {platform}:\n{said}"
        if any(words in said for words in NO_ENGINE):
            raise TransientError(problem, START_ENGINE) from None
        raise PermanentError(
            problem,
            "To see the same, run `cibuildwheel --platform linux --archs "
            f"{MACHINES[platform]}` in an unpacked sdist.",
        ) from None
    finally:
        seconds["cibuildwheel"] = seconds.get("cibuildwheel", 0.0) + time.monotonic() - started
        # Where cibuildwheel was ended, its containers work on.
        _remove_containers(engine.variables, label)
    return wheels_in(output, "cibuildwheel")


def options(source: CibuildwheelWheels, platform: str, label: str) -> dict[str, str]:
    """Return cibuildwheel's options as variables: they come before those of the project's pyproject.toml.

    Those that show containers something of this machine, or run a command on it, are always ours.
    """
    machine = MACHINES[platform].upper()
    network = [name for name in NETWORK if name in os.environ]
    images = {f"CIBW_{kind.upper()}_{machine}_IMAGE": image for kind, image in source.images.items()}
    return {
        # Without it, cibuildwheel mounts / of the engine's machine.
        "CIBW_CONTAINER_ENGINE": f"docker; create_args: --label {label}; disable_host_mount: true",
        "CIBW_ENVIRONMENT_PASS_LINUX": " ".join(["SOURCE_DATE_EPOCH", *network]),
        "CIBW_DEPENDENCY_VERSIONS": "pinned",
        # Commands in these run on this machine, next to the engine's socket.
        "CIBW_AUDIT_COMMAND": "",
        "CIBW_TEST_ENVIRONMENT": "",
        **({"CIBW_BUILD": " ".join(source.identifiers)} if source.identifiers else {}),
        **images,
    }


class _Engine:
    """The variables that lead to an engine, and the files that these name."""

    def __init__(self, variables: Mapping[str, str], files: list[str]) -> None:
        self.variables = dict(variables)
        self.files = files


def _engine(context: str | None) -> _Engine:
    """Return the way to the engine of a docker context, or to the current one: no login, no other setting.

    Raises PermanentError where the context does not exist.
    """
    inspect = ["docker", "context", "inspect", *([context] if context else [])]
    with buildx.docker_environment(parse_repository("docker.io/library/python"), None, None) as env:
        try:
            (found,) = json.loads(run(inspect, env=env, timeout=ENGINE_SECONDS))
        except CommandFailedError as error:
            raise PermanentError(
                f"the docker context {context or 'in use'} cannot be read: {last_words(error.tail)}",
                "`docker context ls` shows what there is where Dagster's runs are.",
            ) from None
        return _engine_of(found, env)


def _engine_of(context: Mapping[str, Any], env: Mapping[str, str]) -> _Engine:
    endpoint = context["Endpoints"]["docker"]
    host = str(endpoint.get("Host") or "unix:///var/run/docker.sock")
    parts = urlsplit(host)
    variables, files = {"DOCKER_HOST": host}, list[str]()
    if parts.scheme == "unix":
        files.append(os.path.realpath(parts.path))
        variables["DOCKER_HOST"] = f"unix://{files[0]}"
    elif parts.scheme == "ssh":
        files.append(str(Path("~/.ssh/known_hosts").expanduser()))
        if agent := os.environ.get("SSH_AUTH_SOCK"):
            variables["SSH_AUTH_SOCK"] = agent
            files.append(agent)
    materials = (context.get("TLSMaterial") or {}).get("docker")
    if materials:
        folder = str(Path(context["Storage"]["TLSPath"], "docker").resolve())
        variables |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": folder}
        files.append(folder)
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        if env.get(name) and name not in variables and context["Name"] == "default":
            variables[name] = env[name]
            files += [env[name]] if name == "DOCKER_CERT_PATH" else []
    return _Engine(variables, files)


def _remove_containers(variables: Mapping[str, str], label: str) -> None:
    env = environment(**variables)
    with contextlib.suppress(CommandFailedError):
        look = ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"]
        found = run(look, env=env, timeout=ENGINE_SECONDS).split()
        if found:
            run(["docker", "rm", "--force", "--volumes", *found], env=env, timeout=ENGINE_SECONDS)
