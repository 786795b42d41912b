"""The one place that reads secrets: from the environment variables that the YAML names, or from files.

A variable that is unset is read from the file of its name in a directory: /run/secrets, where Docker and
Podman put secrets, or RELEASE_ASSETS_SECRETS. What a file holds shows in no `docker inspect`.
A secret that was read from a file ends in a line break, and HTTP allows none in a header.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from release_assets.errors import PermanentError

DIRECTORY = "RELEASE_ASSETS_SECRETS"
DEFAULT_DIRECTORY = "/run/secrets"
SIZE_LIMIT = 64 * 1024  # bytes of a secret; the longest are keys of 4 KiB


def read_secret(variable: str) -> str:
    """Return the value of an environment variable, or of the file of its name, without blanks around it.

    Return "" where neither is set. Raises PermanentError for a file that cannot be read.
    """
    return os.environ.get(variable, "").strip() or _read_file(variable)


def read_secrets(variables: Iterable[str]) -> list[str]:
    """Return the values of those variables that are set, in their order."""
    return [value for value in map(read_secret, variables) if value]


def _read_file(variable: str) -> str:
    file = Path(os.environ.get(DIRECTORY) or DEFAULT_DIRECTORY, variable)
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_LIMIT)
        return content.decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise PermanentError(
            f"the secret {variable} cannot be read from {file}: {error.strerror}",
            f"Make the file readable for the user with id {os.geteuid()}: `chown {os.geteuid()} FILE`.",
        ) from error
    except UnicodeDecodeError as error:
        raise PermanentError(
            f"the secret {variable} in {file} is not text", "Write the token, and nothing else, to the file."
        ) from error
