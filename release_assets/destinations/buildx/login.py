"""The environment of docker's commands, logged in to the registry."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from release_assets.destinations import docker_credential
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError
from release_assets.process import environment

PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
INSTALL_BUILDX = "Install it: docker-buildx-plugin from Docker's packages, or docker-buildx from Debian's."


@contextlib.contextmanager
def docker_environment(
    repository: Repository, username: str | None, token: str | None
) -> Iterator[dict[str, str]]:
    """The environment of docker's commands, logged in to the registry for the block.

    DOCKER_CONFIG is a temporary folder that names our credential helper and holds no secret; contexts and
    builders are the user's own. Raises PermanentError when buildx or the helper is not installed.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser().absolute()
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        users = _configuration(own)
        extra = users.get("cliPluginsExtraDirs")
        candidates = [own / "cli-plugins", *(extra if isinstance(extra, list) else []), *PLUGIN_FOLDERS]
        config: dict[str, Any] = {"cliPluginsExtraDirs": plugin_folders(candidates)}
        if users.get("currentContext"):
            config["currentContext"] = users["currentContext"]
        if os.path.isdir(own / "contexts"):  # noqa: PTH112  (Path's raises where the folder is closed to us)
            Path(folder, "contexts").symlink_to(own / "contexts")
        # buildx would record the repository around this temporary folder, which is not the project's.
        needed = {"DOCKER_CONFIG": folder, "BUILDX_GIT_INFO": "false"}
        # DOCKER_AUTH_CONFIG is left out on purpose: it would go before our helper.
        for name in (
            "BUILDX_BUILDER",
            "BUILDX_CONFIG",
            "DOCKER_CERT_PATH",
            "DOCKER_CONTEXT",
            "DOCKER_HOST",
            "DOCKER_TLS_VERIFY",
            "SSH_AUTH_SOCK",
        ):
            if name in os.environ:
                needed[name] = os.environ[name]
        # Both are found below DOCKER_CONFIG by default, which is another folder now.
        needed.setdefault("BUILDX_CONFIG", str(own / "buildx"))
        if "DOCKER_TLS_VERIFY" in needed:
            needed.setdefault("DOCKER_CERT_PATH", str(own))
        if username is not None and token is not None:
            config["credHelpers"] = {repository.credential_host: HELPER.removeprefix("docker-credential-")}
            needed |= {
                docker_credential.HOST: repository.credential_host,
                docker_credential.USERNAME: username,
                docker_credential.TOKEN: token,
            }
        Path(folder, "config.json").write_text(json.dumps(config))
        env = environment(**needed)
        if "credHelpers" in config and shutil.which(HELPER, path=env["PATH"]) is None:
            raise PermanentError(
                f"{HELPER} is not beside our Python interpreter",
                "It comes with release-assets: install it into this environment again.",
            )
        yield env


HELPER = "docker-credential-release-assets"


def _configuration(folder: Path) -> dict[str, Any]:
    """The user's docker configuration; empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((folder / "config.json").read_text())
        if isinstance(content, dict):
            return content
    return {}


def plugin_folders(candidates: Iterable[str | Path]) -> list[str]:
    """Those of the folders that hold the buildx plugin; docker takes the first.

    They must be named: docker looks for plugins below DOCKER_CONFIG, which is another folder now, and a
    client may come from elsewhere than its plugins.
    Raises PermanentError where there is none.
    """
    folders = [str(Path(folder).expanduser()) for folder in candidates]
    found = [folder for folder in dict.fromkeys(folders) if shutil.which("docker-buildx", path=folder)]
    if not found:
        raise PermanentError("docker's buildx plugin is not installed", INSTALL_BUILDX)
    return found
