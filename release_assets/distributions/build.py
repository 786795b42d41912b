"""Build an sdist or a wheel, isolated from the machine."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from release_assets.distributions import build_network, isolation
from release_assets.distributions.build_environment import NETWORK, BuildEnvironment, index_settings
from release_assets.distributions.file_names import NAME, shown
from release_assets.distributions.last_words import last_words
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, environment, run

BUILD_SECONDS = 1800.0
UMASK = 0o022  # modes are packed: what the backend writes is readable for everybody, whatever our umask
SAMPLES = {"sdist": "an sdist (name-1.2.3.tar.gz)", "wheel": "a wheel (name-1.2.3-py3-none-any.whl)"}

Log = Callable[[str], None]


def build(
    kind: Literal["sdist", "wheel"],
    source: Path,
    *,
    scratch: Path,
    readable: Iterable[Path],
    cache: Path,
    epoch: int,
    log: Log,
    seconds: dict[str, float],
    within: BuildEnvironment | None = None,
) -> Path:
    """Build the sdist or the wheel of the source tree and return the file.

    `scratch` is a folder for the output and the backend's HOME; `readable` is what else the
    backend may read; `cache` is uv's; `epoch` becomes SOURCE_DATE_EPOCH; `within` is the environment that the
    project declares, which notes what is installed in it. Adds the seconds of the
    stages `environment` and `build` to `seconds`.
    Raises PermanentError with the end of the backend's output.
    """
    output, home = scratch / "output", scratch / "home"
    output.mkdir()
    home.mkdir()
    within = within or BuildEnvironment()
    env = environment(**within.variables) | {
        "HOME": str(home),
        "UV_CACHE_DIR": str(cache),
        "SOURCE_DATE_EPOCH": str(epoch),
        "NO_COLOR": "1",
        # A backend that packs all that is there would pack our paths with its own compiled modules.
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),
        # Backends run git, and nothing that is configured on this machine may change what they find.
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        **index_settings(),
    }
    started = time.monotonic()
    marks: list[float] = []

    def follow(line: str) -> None:
        # build says `* Building sdist...` when the environment is ready and the backend's work begins.
        if line.startswith(f"* Building {kind}"):
            marks.append(time.monotonic())
        log(line)
        if not marks:
            within.note(line)

    argv = [*within.command, f"--{kind}", "--outdir", str(output), str(source)]
    opened = contextlib.ExitStack()
    if isolation.is_available():
        cache.mkdir(parents=True, exist_ok=True)
        door = opened.enter_context(build_network.build_network(log))
        shown_folders = [*readable, *within.readable]
        argv = isolation.isolated(
            argv, readable=shown_folders, writable=[source, scratch, cache], network=door
        )
        env |= door.variables  # in the place of ours, which may hold a password
    elif os.environ.get(isolation.SETTING) == "required":
        raise PermanentError(
            f"builds cannot be isolated: bubblewrap does not work here, and {isolation.SETTING}=required",
            "Allow user namespaces, on Ubuntu with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
        )
    else:
        log("bubblewrap is not available here: the build backend can read whatever this user can")
    try:
        with opened:
            run(argv, env=env, directory=scratch, timeout=BUILD_SECONDS, on_line=follow, umask=UMASK)
    except CommandFailedError as error:
        said = last_words(error.tail)
        # The environment's packages come over the network; a mistake in the project comes with every build.
        passing = any(word in said for word in NETWORK)
        raise (TransientError if passing else PermanentError)(
            f"building the {kind} {error.reason}:\n{said}",
            f"Run `python -m build --{kind}` in a clean checkout of the tag's commit to see the same.",
        ) from error
    finally:
        middle = marks[0] if marks else time.monotonic()
        seconds["environment"] = middle - started
        seconds["build"] = time.monotonic() - middle
    # Our own open() would follow a link that the backend left, to a file that it could not see itself,
    # and wait without end at a pipe.
    files = sorted(output.iterdir()) if not output.is_symlink() and output.is_dir() else []
    if len(files) != 1:
        names = ", ".join(shown(file.name) for file in files[:10]) or "none"
        raise PermanentError(
            f"the build backend made {len(files)} files instead of one {kind}: {names}",
            "Make the backend leave one file in its output folder.",
        )
    (file,) = files
    if file.is_symlink() or not file.is_file() or _kind_of(file.name) != kind:
        raise PermanentError(
            f"the build backend made {shown(file.name)}, which is not {SAMPLES[kind].partition(' (')[0]}",
            f"Make the backend leave a regular file with the name of {SAMPLES[kind]}.",
        )
    return file


def _kind_of(filename: str) -> Literal["sdist", "wheel"] | None:
    """Return the kind of a file by its name, or None where it is neither."""
    if not NAME.fullmatch(filename):
        return None
    return "wheel" if filename.endswith(".whl") else "sdist" if filename.endswith(".tar.gz") else None
