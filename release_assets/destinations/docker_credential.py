"""docker-credential-release-assets: gives docker the registry's credentials from the environment.

Docker asks it by the credential helper protocol, so that no secret is ever in a file or an argument. It is
started for every push: it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys

HOST, USERNAME, TOKEN = (
    "RELEASE_ASSETS_REGISTRY",
    "RELEASE_ASSETS_REGISTRY_USER",
    "RELEASE_ASSETS_REGISTRY_TOKEN",
)
NOT_FOUND = "credentials not found in native keychain"  # the words that docker looks for


def main() -> None:
    """The console script: `get` reads a host from standard input; nothing can be stored or erased.

    Exits with 1 and the reason on standard output, as the protocol of docker-credential-helpers has it.
    """
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    host, username, token = (os.environ.get(name, "") for name in (HOST, USERNAME, TOKEN))
    if action == "list":
        print(json.dumps({host: username} if host else {}))
    elif action == "get" and host and sys.stdin.read().strip() == host:
        print(json.dumps({"ServerURL": host, "Username": username, "Secret": token}))
    elif action == "get":
        print(NOT_FOUND)
        sys.exit(1)
    else:
        # Complaints go to standard output in this protocol.
        print("release-assets keeps no credentials; it gives those of the environment")
        sys.exit(1)
