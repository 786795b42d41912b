"""The environment of docker's commands: the user's own configuration, and our logins to our registries."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
HELPER_NAME = "release-assets"
HELPER = f"docker-credential-{HELPER_NAME}"
# What docker and buildx read, besides DOCKER_AUTH_CONFIG.
VARIABLES = (
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONTEXT",
    "DOCKER_CUSTOM_HEADERS",
    "DOCKER_HOST",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "SSH_AUTH_SOCK",
)
# What the user's own credential helpers read beyond HOME and PATH, as beginnings of names.
HELPER_VARIABLES = {
    "acr-env": ("AZURE_",),
    "acr-login": ("AZURE_",),
    "ecr-login": ("AWS_",),
    "gcloud": ("CLOUDSDK_", "GOOGLE_"),
    "gcr": ("CLOUDSDK_", "GOOGLE_"),
    "pass": ("GNUPGHOME", "GPG_", "PASSWORD_STORE_"),
    "secretservice": ("DBUS_", "DISPLAY", "XDG_"),
}


@contextlib.contextmanager
def docker_environment(
    repository: Repository,
    username: str | None,
    token: str | None,
    more: Sequence[tuple[Repository, str, str]] = (),
) -> Iterator[dict[str, str]]:
    """Yield the environment of docker's commands: as a shell's on this machine, but for our logins.

    `more` are further repositories with user and token. DOCKER_CONFIG is a temporary directory in which all
    is the user's own, except `auths` and what logs in to our registries: these are answered by our credential
    helper, so that no login is written to disk.
    Raises PermanentError when buildx or the helper is not installed.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser().absolute()
    users = docker_credential.configuration(str(own / "config.json"))
    login = (username, token) if username is not None and token is not None else None
    ours = [*([repository] if login is not None else []), *(one for one, _, _ in more)]
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        # Contexts, plugins, certificates. A directory that is closed to us has nothing that docker could use.
        with contextlib.suppress(OSError):
            for entry in own.iterdir():
                if entry.name != "config.json":
                    Path(folder, entry.name).symlink_to(entry)
        config = docker_configuration(users, ours)
        extra = users.get("cliPluginsExtraDirs")
        candidates = [own / "cli-plugins", *(extra if isinstance(extra, list) else []), *PLUGIN_FOLDERS]
        config["cliPluginsExtraDirs"] = plugin_folders(candidates)
        Path(folder, "config.json").write_text(json.dumps(config))
        needed = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        needed |= helper_variables(users, os.environ)
        needed |= {"DOCKER_CONFIG": folder, docker_credential.USERS_CONFIG: str(own / "config.json")}
        # buildx would record the repository around the temporary context, which is not the project's.
        needed["BUILDX_GIT_INFO"] = "false"
        # Both are found below DOCKER_CONFIG by default, which is another folder now.
        needed.setdefault("BUILDX_CONFIG", str(own / "buildx"))
        if "DOCKER_TLS_VERIFY" in needed:
            needed.setdefault("DOCKER_CERT_PATH", str(own))
        if others := other_logins(os.environ.get("DOCKER_AUTH_CONFIG", ""), ours):
            needed["DOCKER_AUTH_CONFIG"] = others
        if login is not None:
            needed |= {
                docker_credential.HOST: repository.credential_host,
                docker_credential.USERNAME: login[0],
                docker_credential.TOKEN: login[1],
            }
        if more:
            needed[docker_credential.MORE] = json.dumps(
                {one.credential_host: [user, secret] for one, user, secret in more}
            )
        env = environment(**needed)
        is_used = HELPER_NAME in [config.get("credsStore"), *_helpers(config).values()]
        if is_used and shutil.which(HELPER, path=env["PATH"]) is None:
            raise PermanentError(
                f"{HELPER} is missing next to {sys.executable}",
                "It comes with release-assets: install it into this environment again.",
            )
        yield env


def docker_configuration(users: Mapping[str, Any], ours: Sequence[Repository]) -> dict[str, Any]:
    """Return the user's docker configuration without the logins in it, which our helper gives instead.

    Proxies, headers, the current context, aliases, plugins and the user's own helpers stay as they are.
    """
    config = {key: value for key, value in users.items() if key != "auths"}
    if ours:
        helper = {repository.credential_host: HELPER_NAME for repository in ours}
        config["credHelpers"] = {**_helpers(users), **helper}
    # With a store of the user's, docker does not read `auths`.
    if docker_credential.logins(users) and not users.get("credsStore"):
        config["credsStore"] = HELPER_NAME
    return config


def _helpers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of a configuration's credential helpers for single registries."""
    helpers = config.get("credHelpers")
    return helpers if isinstance(helpers, dict) else {}


def helper_variables(users: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of the variables that the user's credential helpers read."""
    names = [users.get("credsStore"), *_helpers(users).values()]
    begins = tuple(begin for name in names for begin in HELPER_VARIABLES.get(str(name), ()))
    return {name: value for name, value in variables.items() if begins and name.startswith(begins)}


def other_logins(auth_config: str, repositories: Sequence[Repository]) -> str | None:
    """Return a DOCKER_AUTH_CONFIG without the logins of our registries, which would go before our helper.

    None without any other login: docker ignores one that it cannot read.
    """
    ours = {docker_credential.hostname(repository.credential_host) for repository in repositories}
    try:
        auths = json.loads(auth_config)["auths"]
        others = {key: login for key, login in auths.items() if docker_credential.hostname(key) not in ours}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return json.dumps({"auths": others}) if others else None


def plugin_folders(candidates: Iterable[str | Path]) -> list[str]:
    """Return those of the folders that hold the buildx plugin; docker uses the first.

    They must be named: docker looks for plugins below DOCKER_CONFIG, which is another folder now, and a
    client may come from elsewhere than its plugins.
    Raises PermanentError where there is none.
    """
    folders = [str(Path(folder).expanduser()) for folder in candidates]
    found = [folder for folder in dict.fromkeys(folders) if shutil.which("docker-buildx", path=folder)]
    if not found:
        raise PermanentError("docker's buildx plugin is not installed", INSTALL_BUILDX)
    return found
