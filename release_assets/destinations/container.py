"""A release's image on the engine that runs it: started once with next to no rights, without old ones."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN
from release_assets.destinations.registry import Repository
from release_assets.errors import TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, run

# docker's own failure, not the container's: the engine or the registry.
ENGINE_FAILED = 125
NOT_THE_ENGINE = re.compile(r"exec format error|executable file not found|no such file or directory: unknown")
MISSING = re.compile(r"No such image|Unable to find image", re.IGNORECASE)
OURS = "org.opencontainers.image.revision"  # a label of every image that we build


@dataclass(frozen=True)
class EngineImage:
    """One platform's image under its tag, on an engine.

    `docker` is the beginning of the command line, with the options that choose the engine; `env` is its
    environment, logged in to the registry. `is_kept` says that the engine built the image and has it.
    """

    docker: Sequence[str]
    env: Mapping[str, str]
    repository: Repository
    tag: str
    digest: str  # of what the registry has under the tag
    platform: str
    is_kept: bool

    @property
    def reference(self) -> str:
        """Return the image as docker's commands take it."""
        return self.repository.reference(self.tag)


def run_once(
    image: EngineImage, command: Sequence[str], *, log: Callable[[str], None], secrets: Sequence[str]
) -> str:
    """Return what `command` prints in a new container of the image, which is gone afterwards.

    Only an image that the engine does not have is pulled. The container has no network, no capabilities and
    no secret, 512 MiB and 128 processes.
    Raises CommandFailedError when the command fails, TransientError when it could not be tried.
    """
    if image.is_kept:
        with contextlib.suppress(_MissingImageError):
            return _started(image, command, log, secrets)
    _pull(image, secrets)
    try:
        return _started(image, command, log, secrets)
    except _MissingImageError as error:
        raise TransientError(f"{image.reference} could not be started: {error}", AGAIN) from None


def remove_others(image: EngineImage, suffix: str, *, secrets: Sequence[str]) -> None:
    """Remove the images of other releases that we left on the engine, those whose tag ends with `suffix`.

    Layers that are shared with `image` stay, and so does the build cache. One that is in use stays as well.
    """
    host, name = image.repository.host, image.repository.name
    # Docker shows the images of Docker Hub without its name.
    shown = name.removeprefix("library/") if host == "docker.io" else f"{host}/{name}"
    look = [
        "image", "ls", "--filter", f"reference={shown}:*-{suffix}", "--filter", f"label={OURS}",
        "--format", "{{.Repository}}:{{.Tag}}",
    ]  # fmt: skip
    with contextlib.suppress(CommandFailedError):
        found = run(
            [*image.docker, *look], env=image.env, timeout=bounds.BOUNDS.clean_seconds, secrets=secrets
        ).split()
        others = [reference for reference in found if reference != f"{shown}:{image.tag}"]
        if others:
            remove = [*image.docker, "image", "rm", *others]
            run(remove, env=image.env, timeout=bounds.BOUNDS.clean_seconds, secrets=secrets)


class _MissingImageError(Exception):
    """The engine does not have the image."""


def _pull(image: EngineImage, secrets: Sequence[str]) -> None:
    """Pull the image. With a bound of its own: a large image on its way does not fail to start.

    Raises TransientError, also where the tag is another digest by now.
    """
    pull = [*image.docker, "pull", "--platform", image.platform, image.reference]
    try:
        output = run(pull, env=image.env, timeout=bounds.BOUNDS.pull_seconds, secrets=secrets)
    except CommandFailedError as error:
        said = " ".join(error.tail) or error.reason
        raise TransientError(f"{image.reference} could not be pulled: {said}", AGAIN) from None
    pulled = re.search(r"^Digest: (\S+)", output, re.MULTILINE)
    if pulled is not None and pulled[1] != image.digest:
        raise TransientError(
            f"{image.reference} was pushed as {image.digest}, but {pulled[1]} was pulled",
            "Somebody else may push the same tag; find out who, then materialize again.",
        )


def _started(
    image: EngineImage, command: Sequence[str], log: Callable[[str], None], secrets: Sequence[str]
) -> str:
    name = f"release-assets-{uuid.uuid4().hex[:12]}"
    argv = [
        *image.docker, "run", "--rm", "--pull", "never", "--name", name, "--platform", image.platform,
        "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--memory", "512m", "--pids-limit", "128",
        "--entrypoint", command[0], image.reference, *command[1:],
    ]  # fmt: skip
    ended = False
    try:
        output = run(
            argv, env=image.env, timeout=bounds.BOUNDS.container_seconds, secrets=secrets, on_line=log
        )
        ended = True
    except CommandTimedOutError:
        raise
    except CommandFailedError as error:
        ended = error.returncode is not None and error.returncode > 0
        said = " ".join(error.tail)
        if error.returncode == ENGINE_FAILED and MISSING.search(said):
            raise _MissingImageError(said) from None
        if error.returncode == ENGINE_FAILED and not NOT_THE_ENGINE.search(said):
            raise TransientError(f"{image.reference} could not be started: {said}", AGAIN) from None
        raise
    finally:
        if not ended:
            # Ending docker's client does not end the container.
            with contextlib.suppress(CommandFailedError):
                remove = [*image.docker, "rm", "--force", "--volumes", name]
                run(remove, env=image.env, timeout=bounds.BOUNDS.clean_seconds, secrets=secrets)
    return output
