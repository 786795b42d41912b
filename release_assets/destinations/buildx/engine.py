"""The engine of a build: the one that a builder, a docker context or nobody names, and what it can do."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from release_assets.destinations import bounds
from release_assets.destinations.registry import normal_platform
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import CommandFailedError, run

OLDEST = (0, 13)  # the first buildx with --progress=rawjson
PUSHES_ONCE = (0, 22)  # the first buildx that does not push a second time with docker (buildx#3023)

INSTALL_QEMU = (
    "Install QEMU on the engine's machine: `docker run --privileged --rm tonistiigi/binfmt --install all`, "
    "or Debian's packages qemu-user-static and binfmt-support. Or name a machine that has this platform: "
    "image: builders: in the project's defs.yaml."
)

OTHER_SYSTEM = (
    "Name a machine with {system} in image: builders: in the project's defs.yaml, or remove the platform. "
    "QEMU emulates other processors, and no other operating system."
)

START_ENGINE = (
    "Start the Docker engine there, or correct DOCKER_HOST, the docker context, or image: builders: in the "
    "project's defs.yaml. `docker version` shows whether it answers."
)


@dataclass(frozen=True)
class Engine:
    """An engine: how it is called, where it is, and what it can do.

    `docker` and `buildx` are the beginning of a command, with the options that choose it.
    """

    docker: tuple[str, ...]
    buildx: tuple[str, ...]
    name: str
    platforms: frozenset[str]
    native: frozenset[str]  # those of the platforms that its machines are made for
    exports_cache: bool  # and attestations: not so with docker's own image store
    pushes_twice: bool
    keeps_images: bool  # what it built can be started by `docker` without a pull


def choose_engine(
    builder: str | None, env: Mapping[str, str], *, emulate_unreachable: bool
) -> tuple[Engine, str | None]:
    """Return what is to build, and why that is not the builder that was named; None where it is.

    Raises as `observe_engine` does. A name that nobody knows is a mistake in the YAML, which no emulation
    hides.
    """
    try:
        return observe_engine(builder, env), None
    except TransientError as error:
        if builder is None or not emulate_unreachable:
            raise
        return observe_engine(None, env), f"{error.problem}; docker's own builder does it instead"


def observe_engine(builder: str | None, env: Mapping[str, str]) -> Engine:
    """Return the engine that `builder` names, a buildx builder or docker context; None: the one docker uses.

    It is started if it is a builder that rests. Raises PermanentError where it does not exist or where
    docker or buildx are missing or too old, TransientError where it cannot be reached.
    """
    version = _buildx_version(env)
    name = f"the builder {builder}" if builder else "docker's builder"
    try:
        contexts = []
        if builder is not None:
            contexts = run(
                ["docker", "context", "ls", "--quiet"], env=env, timeout=bounds.BOUNDS.engine_look_seconds
            ).split()
        docker, buildx = docker_argv(builder, contexts)
        inspect = [*docker, *buildx, "inspect", "--bootstrap"]
        description = run(inspect, env=env, timeout=bounds.BOUNDS.engine_start_seconds)
    except CommandFailedError as error:
        said = error.tail[-1] if error.tail else error.reason
        if re.search(r"no builder|not found", said):
            raise PermanentError(
                f"{name} does not exist: {said}",
                "`docker buildx ls` and `docker context ls` show what there is where Dagster's runs are.",
            ) from None
        raise TransientError(f"{name} cannot be used: {said}", START_ENGINE) from None
    platforms, native = inspected_platforms(description), native_platforms(description)
    # An unreachable engine is an answer, too: exit status 0, with an error among the fields.
    unreachable = re.search(r"^\s*Error:\s*(.+)$", description, re.MULTILINE)
    if unreachable and not platforms:
        raise _engine_error(name, unreachable[1])
    if not re.search(r"^Driver:\s+docker$", description, re.MULTILINE):
        return Engine(
            docker,
            buildx,
            name,
            platforms,
            native,
            exports_cache=True,
            pushes_twice=False,
            keeps_images=False,
        )
    try:
        info = run(
            [*docker, "info", "--format", "{{json .DriverStatus}}"],
            env=env,
            timeout=bounds.BOUNDS.engine_look_seconds,
        )
    except CommandFailedError as error:
        raise _engine_error(name, " ".join(error.tail) or error.reason) from None
    # With containerd's image store it is a BuildKit like any other; with docker's own it exports no cache,
    # and only docker can push.
    containerd = "io.containerd.snapshotter" in info
    pushes_twice = containerd and version < PUSHES_ONCE
    return Engine(docker, buildx, name, platforms, native, containerd, pushes_twice, keeps_images=True)


def _engine_error(name: str, said: str) -> ReleaseError:
    if "permission denied" in said.lower():
        return PermanentError(
            f"{name} is closed to this user: {said}",
            "Let the user of Dagster's runs use the engine: `usermod -aG docker USER`, then log in again.",
        )
    return TransientError(f"{name} is unreachable: {said}", START_ENGINE)


def _buildx_version(env: Mapping[str, str]) -> tuple[int, int]:
    """Return the version of buildx. Raises PermanentError where it is missing or too old."""
    try:
        said = run(["docker", "buildx", "version"], env=env, timeout=bounds.BOUNDS.engine_look_seconds)
    except CommandFailedError as error:
        raise PermanentError(
            f"docker's client or its buildx plugin does not work: {' '.join(error.tail) or error.reason}",
            "Install docker's client and its buildx plugin where Dagster's runs are.",
        ) from None
    version = parsed_version(said)
    if version < OLDEST:
        raise PermanentError(
            f"buildx is too old: {said.strip()}", f"Install buildx {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    return version


def parsed_version(said: str) -> tuple[int, int]:
    """Major and minor of what `docker buildx version` says; one without a number was built from source."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.", said)
    return (int(found[1]), int(found[2])) if found else (sys.maxsize, 0)


def docker_argv(builder: str | None, contexts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how docker's commands begin and, after it, buildx's, for the name of a builder or a context."""
    if builder is None:
        return ("docker",), ("buildx",)
    if builder in contexts:
        # buildx refuses --builder for a context's own builder.
        return ("docker", "--context", builder), ("buildx",)
    return ("docker",), ("buildx", "--builder", builder)


def check_platform(engine: Engine, platform: str) -> None:
    """Raise PermanentError unless the engine runs the platform, by itself or with QEMU.

    BuildKit lists what the kernel can run at that moment, QEMU included; a builder that lists nothing may
    try.
    """
    if engine.platforms and not runs_platform(engine.platforms, platform):
        system = platform.partition("/")[0]
        is_emulable = any(name.startswith(f"{system}/") for name in engine.platforms)
        raise PermanentError(
            f"{engine.name} cannot run {platform}, only {', '.join(sorted(engine.platforms))}",
            INSTALL_QEMU if is_emulable else OTHER_SYSTEM.format(system=system),
        )


def inspected_platforms(description: str) -> frozenset[str]:
    """Return the platforms that `docker buildx inspect` lists, of all of a builder's nodes."""
    lines = re.findall(r"^\s*Platforms:\s*(.+)$", description, re.MULTILINE)
    # A star marks those that somebody named when the builder was made.
    return frozenset(name.strip().rstrip("*") for line in lines for name in line.split(","))


def native_platforms(description: str) -> frozenset[str]:
    """Return the platform of each node's machine: BuildKit lists it first, before those that QEMU runs."""
    lines = re.findall(r"^\s*Platforms:\s*([^\s,]+)", description, re.MULTILINE)
    return frozenset(name.rstrip("*") for name in lines)


# What a processor also runs without help, as containerd has it.
RUNS_ALSO = {"amd64": {"386"}, "arm64": {"arm"}}


def is_emulated(engine: Engine, platform: str) -> bool:
    """Return True where QEMU has to run the platform; False where the builder does not say what it is."""
    machines = {name.split("/")[1] for name in engine.native}
    runs = machines.union(*(RUNS_ALSO.get(machine, set()) for machine in machines))
    return bool(machines) and platform.split("/")[1] not in runs


def runs_platform(platforms: frozenset[str], platform: str) -> bool:
    """Return True where the platform is listed; a variant (linux/amd64/v2) includes its base."""
    wanted = normal_platform(platform)
    listed = {normal_platform(name) for name in platforms}
    return any(name == wanted or name.startswith(f"{wanted}/") for name in listed)
