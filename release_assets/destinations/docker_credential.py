"""docker-credential-release-assets: give docker the credentials of registries, without a copy on disk.

Docker calls it by the protocol of docker-credential-helpers. The logins of the project's own registries come
from the environment; those of other registries from the `auths` of the user's own docker configuration, which
stays where it is. It runs for every pull and push: it imports nothing but the standard library.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOST, USERNAME, TOKEN = (
    "RELEASE_ASSETS_REGISTRY",
    "RELEASE_ASSETS_REGISTRY_USER",
    "RELEASE_ASSETS_REGISTRY_TOKEN",
)
MORE = "RELEASE_ASSETS_REGISTRY_LOGINS"  # of other registries: JSON, {host: [user, token]}
USERS_CONFIG = "RELEASE_ASSETS_DOCKER_CONFIG"  # the path of the user's own config.json
NOT_FOUND = "credentials not found in native keychain"  # the words that docker looks for
IDENTITY_TOKEN = "<token>"  # in place of a user name, where the secret is an identity token


def main() -> None:
    """Answer docker: `get` reads a host from standard input; nothing can be stored or erased.

    Exits with 1 and the reason on standard output, as the protocol has it.
    """
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    users = logins(configuration(os.environ.get(USERS_CONFIG, "")))
    ours = given(os.environ)
    hosts = {hostname(host) for host in ours}
    users = {key: login for key, login in users.items() if hostname(key) not in hosts} | ours
    if action == "list":
        print(json.dumps({key: name for key, (name, _) in users.items()}))
    elif action == "get":
        asked = sys.stdin.read().strip()
        # As docker looks into a file: the very key, else one of the same host in an older form.
        by_hostname = {hostname(key): login for key, login in users.items()}
        login = users.get(asked) or by_hostname.get(asked)
        if not asked or login is None:
            print(NOT_FOUND)
            sys.exit(1)
        print(json.dumps({"ServerURL": asked, "Username": login[0], "Secret": login[1]}))
    else:
        # Complaints go to standard output in this protocol.
        print("release-assets keeps no credentials; it gives those of the environment")
        sys.exit(1)


def given(env: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return user and token for each registry that an environment of ours has a login of."""
    found = {host: (user, token) for host, (user, token) in json.loads(env.get(MORE) or "{}").items()}
    if env.get(HOST):
        found[env[HOST]] = (env.get(USERNAME, ""), env.get(TOKEN, ""))
    return found


def configuration(path: str) -> dict[str, Any]:
    """Return a docker configuration; empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if path and isinstance(content, dict):
            return content
    return {}


def logins(config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return user and secret for each registry that a docker configuration holds a login of itself."""
    auths = config.get("auths")
    found = {}
    for key, entry in auths.items() if isinstance(auths, dict) else ():
        if not isinstance(entry, dict):
            continue
        username, secret = str(entry.get("username") or ""), str(entry.get("password") or "")
        with contextlib.suppress(ValueError):
            decoded = (
                base64.b64decode("".join(str(entry.get("auth") or "").split()), validate=True)
                .decode()
                .strip("\0")
            )
            username, secret = decoded.split(":", 1)
        if entry.get("identitytoken"):
            username, secret = IDENTITY_TOKEN, str(entry["identitytoken"])
        if secret:
            found[str(key)] = (username, secret)
    return found


def hostname(key: str) -> str:
    """Return the host in the key of a login: older ones are URLs."""
    return key.removeprefix("http://").removeprefix("https://").partition("/")[0]
