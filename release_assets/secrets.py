"""The one place that reads secrets: from the environment variables that the YAML names, or from files.

A variable that is unset is read from the file of its name in a directory: /run/secrets, where Docker and
Podman put secrets, or RELEASE_ASSETS_SECRETS. What a file holds shows in no `docker inspect`.
A secret that was read from a file ends in a line break, and HTTP allows none in a header. One from an env
file of docker's has its quotation marks, one from a file of PowerShell's is UTF-16.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable
from pathlib import Path

from release_assets.errors import PermanentError

DIRECTORY = "RELEASE_ASSETS_SECRETS"
DEFAULT_DIRECTORY = "/run/secrets"
# Not white space, and invisible: a byte order mark, and what is copied from web pages.
INVISIBLE = "\ufeff\u200b\u2060"
QUOTED = re.compile(r"""(["'])([^\s"']+)\1""")
SIZE_LIMIT = 64 * 1024  # bytes of a secret; the longest are keys of 4 KiB


def read_secret(variable: str) -> str:
    """Return the value of an environment variable, or of the file of its name, without what is around it.

    Those are blanks, invisible characters, and a pair of quotation marks.

    Return "" where neither is set. Raises PermanentError for a file that cannot be read.
    """
    return _bare(os.environ.get(variable, "")) or _read_file(variable)


def read_secrets(variables: Iterable[str]) -> list[str]:
    """Return the values of those variables that are set, in their order."""
    return [value for value in map(read_secret, variables) if value]


def _bare(text: str) -> str:
    bare = text.strip().strip(INVISIBLE).strip()
    quoted = QUOTED.fullmatch(bare)
    return quoted[2] if quoted else bare


def _read_file(variable: str) -> str:
    file = Path(os.environ.get(DIRECTORY) or DEFAULT_DIRECTORY, variable)
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_LIMIT)
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return _bare(content.decode("utf-16" if is_utf16 else "utf-8"))
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
