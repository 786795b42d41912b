"""A container of a published image, started once to see whether it works, with next to no rights."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence

from release_assets.destinations.http import AGAIN
from release_assets.errors import TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, run

PULL_SECONDS = 1800.0
START_SECONDS = 120.0  # QEMU starts Python in five to ten
CLEAN_SECONDS = 60.0
# docker's own failure, not the container's: the engine or the registry.
ENGINE_FAILED = 125
NOT_THE_ENGINE = re.compile(r"exec format error|executable file not found|no such file or directory: unknown")


def run_once(
    docker: Sequence[str],
    env: Mapping[str, str],
    image: str,
    platform: str,
    command: Sequence[str],
    *,
    log: Callable[[str], None],
    secrets: Sequence[str],
) -> str:
    """What `command` prints in a new container of `image`, which is gone afterwards, as is the pulled image.

    `docker` is the beginning of the command line, with the options that choose the engine. The container has
    no network, no capabilities and no secret, 512 MiB and 128 processes.
    Raises CommandFailedError when the command fails, TransientError when it could not be tried.
    """
    name = f"release-assets-{uuid.uuid4().hex[:12]}"
    argv = [
        *docker, "run", "--rm", "--name", name, "--platform", platform,
        "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--memory", "512m", "--pids-limit", "128",
        "--entrypoint", command[0], image, *command[1:],
    ]  # fmt: skip
    try:
        # With a bound of its own: a large image on its way is no image that does not start.
        run(
            [*docker, "pull", "--quiet", "--platform", platform, image],
            env=env,
            timeout=PULL_SECONDS,
            secrets=secrets,
        )
    except CommandFailedError as error:
        said = " ".join(error.tail) or error.reason
        raise TransientError(f"{image} could not be pulled: {said}", AGAIN) from None
    try:
        return run(argv, env=env, timeout=START_SECONDS, secrets=secrets, on_line=log)
    except CommandTimedOutError:
        raise
    except CommandFailedError as error:
        said = " ".join(error.tail)
        if error.returncode == ENGINE_FAILED and not NOT_THE_ENGINE.search(said):
            raise TransientError(f"{image} could not be started: {said}", AGAIN) from None
        raise
    finally:
        # Ending docker's client does not end the container.
        for clean in (["rm", "--force", "--volumes", name], ["image", "rm", image]):
            with contextlib.suppress(CommandFailedError):
                run([*docker, *clean], env=env, timeout=CLEAN_SECONDS, secrets=secrets)
