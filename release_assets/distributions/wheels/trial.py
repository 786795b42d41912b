"""Each wheel is installed and imported on its platform: here, or in a container with QEMU."""

from __future__ import annotations

import contextlib
import platform as machine
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from release_assets.distributions.last_words import last_words
from release_assets.distributions.wheels.tools import START_ENGINE, Log, isolated_run
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, run
from release_assets.project import TriedWheels
from release_assets.rules.wheel_tags import (
    MACHINES,
    has_stable_abi,
    is_for_cpython,
    is_free_threaded,
    is_musl,
    linux_platform,
    python_of,
)

INSTALL_SECONDS = 600.0
IMPORT_SECONDS = 300.0  # under QEMU
PULL_SECONDS = 1800.0
ENGINE_SECONDS = 120.0
FAILED = 3  # the exit status of a module that cannot be imported
NOT_RUNNING = re.compile(r"Cannot connect to the Docker daemon|error during connect|connection refused", re.I)
# uv resolves the requirements for these without their interpreter.
INSTALLABLE = {"x86_64", "aarch64", "riscv64"}
PROGRAM = f"""\
import importlib, sys, traceback
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException:
        traceback.print_exc()
        sys.exit({FAILED})
import platform
print("imported", *sys.argv[1:], "on Python", platform.python_version(), platform.machine())
"""


def try_wheel(
    file: Path,
    source: TriedWheels,
    *,
    scratch: Path,
    cache: Path,
    docker: Callable[[], AbstractContextManager[Mapping[str, str]]],
    log: Log,
) -> str:
    """Install a Linux wheel with what it requires, import it, and return what the import printed.

    `scratch` is a folder for the installation, and `cache` is uv's. `docker` yields the environment of its
    commands, where a container is needed. Nothing has network access when it is imported. Raises
    PermanentError with the traceback of a module that cannot be imported, TransientError where the engine
    cannot run it now.
    """
    names = modules(file) if source.imports is None else source.imports
    if not names:
        return "no module to import"
    if not is_for_cpython(file.name):
        return "not tried: it is not for CPython"
    target = linux_platform(file.name)
    assert target is not None  # noqa: S101  (the caller has looked)
    cache.mkdir(parents=True, exist_ok=True)
    if MACHINES[target] == machine.machine() and not is_musl(file.name):
        return _here(file, names, scratch, cache, log)
    if is_free_threaded(file.name):
        return "not tried: no image has a free-threaded Python"
    site = _site(file, target, scratch, cache, log)
    with docker() as env:
        return _in_container(file, names, target, source, site, env, log)


def modules(file: Path) -> list[str]:
    """Return the modules that an installed wheel has: packages and modules at its top, then extensions."""
    with zipfile.ZipFile(file) as archive:
        return modules_of(archive.namelist())


def modules_of(names: Iterable[str]) -> list[str]:
    """Return the modules to import, by the names of a wheel's files."""
    found: set[str] = set()
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) > 2 and parts[0].endswith(".data") and parts[1] in {"purelib", "platlib"}:
            parts = parts[2:]
        *folders, last = parts
        stem, _, suffix = last.partition(".")
        if re.fullmatch(r"(abi3t?\.|cp\S+\.|cpython-\S+\.)?so", suffix):
            # libfoo.so next to it is a library, not an extension module.
            is_module = suffix != "so" or not stem.startswith("lib")
        else:
            is_module = (suffix == "py" and not folders) or (last == "__init__.py" and len(folders) == 1)
        path = folders if stem == "__init__" else [*folders, stem]
        if is_module and all(part.isidentifier() for part in path):
            found.add(".".join(path))
    return sorted(found, key=lambda name: (name.count("."), name))


def _here(file: Path, names: list[str], scratch: Path, cache: Path, log: Log) -> str:
    """Install and import on this machine's own processor."""
    own = f"3.{sys.version_info.minor}"
    wanted = python_of(file.name) or own
    newer = int(wanted.partition(".")[2]) <= sys.version_info.minor
    python = sys.executable if wanted == own or (has_stable_abi(file.name) and newer) else wanted
    if is_free_threaded(file.name):
        python = f"{wanted}t"
    venv, places = (
        scratch / "venv",
        {"UV_CACHE_DIR": str(cache), "UV_PYTHON_INSTALL_DIR": str(cache / "pythons")},
    )
    commands: list[list[str | Path]] = [
        ["uv", "venv", "--quiet", "--no-project", "--no-config", "--python", python, venv],
        ["uv", "pip", "install", "--quiet", "--no-config", "--python", venv / "bin" / "python", file],
    ]
    try:
        for command in commands:
            isolated_run(
                command,
                scratch=scratch,
                readable=[file],
                writable=[cache],
                network=True,
                timeout=INSTALL_SECONDS,
                log=log,
                variables=places,
            )
    except CommandFailedError as error:
        raise _not_installed(file, error) from None
    try:
        return isolated_run(
            [venv / "bin" / "python", "-c", PROGRAM, *names],
            scratch=scratch,
            readable=[cache / "pythons"],
            timeout=IMPORT_SECONDS,
            log=log,
        ).strip()
    except CommandFailedError as error:
        raise _not_imported(file, error) from None


def _site(file: Path, target: str, scratch: Path, cache: Path, log: Log) -> Path:
    """Return a folder in which the wheel is installed for another platform, with what it requires."""
    site = scratch / "site"
    try:
        isolated_run(
            ["uv", "pip", "install", "--quiet", "--no-config", "--target", site, "--only-binary", ":all:",
             "--python-platform", _uv_platform(file, target), "--python-version", _python(file), file],
            scratch=scratch,
            readable=[file],
            writable=[cache],
            network=True,
            timeout=INSTALL_SECONDS,
            log=log,
            variables={"UV_CACHE_DIR": str(cache)},
        )  # fmt: skip
    except CommandFailedError as error:
        raise _not_installed(file, error) from None
    return site


def _in_container(
    file: Path,
    names: list[str],
    target: str,
    source: TriedWheels,
    site: Path,
    env: Mapping[str, str],
    log: Log,
) -> str:
    """Import what is installed in `site` in a container that runs the platform."""
    image = source.trial_image
    if is_musl(file.name) and image == type(source).model_fields["trial_image"].default:
        image = image.replace("slim", "alpine")
    image = image.replace("{python}", _python(file))
    context = source.builders.get(target)
    docker = ["docker", *(["--context", context] if context else [])]
    create = [
        *docker, "create", "--rm", "--platform", target, "--network", "none", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--memory", "1g", "--pids-limit", "256",
        "--env", "PYTHONPATH=/trial", "--env", "PYTHONDONTWRITEBYTECODE=1", "--workdir", "/",
        "--entrypoint", "python3", image, "-c", PROGRAM, *names,
    ]  # fmt: skip
    try:
        container = run(create, env=env, timeout=PULL_SECONDS, on_line=log).split()[-1]
    except CommandFailedError as error:
        raise _no_container(file, image, target, error) from None
    try:
        run([*docker, "cp", f"{site}/.", f"{container}:/trial"], env=env, timeout=ENGINE_SECONDS)
        start = [*docker, "start", "--attach", container]
        return run(start, env=env, timeout=IMPORT_SECONDS, on_line=log).strip()
    except CommandFailedError as error:
        if error.returncode == FAILED:
            raise _not_imported(file, error) from None
        raise _no_container(file, image, target, error) from None
    finally:
        with contextlib.suppress(CommandFailedError):
            run([*docker, "rm", "--force", "--volumes", container], env=env, timeout=ENGINE_SECONDS)


def _python(file: Path) -> str:
    """Return the version of Python that a wheel is tried with in a container."""
    return python_of(file.name) or f"3.{sys.version_info.minor}"


def _uv_platform(file: Path, target: str) -> str:
    """Return the platform as uv has it. Raises PermanentError where uv does not install for it."""
    name = MACHINES[target]
    if name not in INSTALLABLE:
        raise PermanentError(
            f"{file.name} cannot be tried here: uv does not install for {target}",
            "Set `imports: []` for this source of wheels to release it untried, or build it on a machine of "
            "that platform and let its tests run there.",
        )
    if is_musl(file.name):
        return f"{name}-unknown-linux-musl"
    if name == "riscv64":
        return "riscv64-unknown-linux"
    versions = [int(found) for found in re.findall(r"manylinux_2_(\d+)_", file.name)]
    return f"{name}-manylinux_2_{max(28, *versions, 0)}"


def _not_installed(file: Path, error: CommandFailedError) -> PermanentError:
    return PermanentError(
        f"{file.name} cannot be installed: {error.program} {error.reason}:\n{last_words(error.tail)}",
        "Its requirements must be on the index with wheels for this platform. `imports: []` for this source "
        "of wheels releases it untried.",
    )


def _not_imported(file: Path, error: CommandFailedError) -> PermanentError:
    return PermanentError(
        f"{file.name} was installed, but its import {error.reason}:\n{last_words(error.tail)}",
        "Correct the package. If a module cannot be imported without something else, name those that can in "
        "`imports` of this source of wheels.",
    )


def _no_container(
    file: Path, image: str, target: str, error: CommandFailedError
) -> PermanentError | TransientError:
    said = " ".join(error.tail) or error.reason
    problem = f"{file.name} could not be imported in {image} for {target}: {said}"
    if "exec format error" in said:
        return PermanentError(
            problem,
            "Install QEMU on the engine's machine: `docker run --privileged --rm tonistiigi/binfmt --install "
            "all`. Or name a docker context of a machine of this platform in `builders` of this source.",
        )
    if NOT_RUNNING.search(said) or "i/o timeout" in said:
        return TransientError(problem, START_ENGINE)
    return PermanentError(
        problem, "Name an image with this version of Python in `trial_image` of this source of wheels."
    )
