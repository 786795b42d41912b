"""The one place that reads secrets: from the environment variables that the YAML names.

A secret that was read from a file ends in a line break, and HTTP allows none in a header.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def read_secret(variable: str) -> str:
    """Return the value of an environment variable without blanks around it, or "" if it is unset."""
    return os.environ.get(variable, "").strip()


def read_secrets(variables: Iterable[str]) -> list[str]:
    """Return the values of those variables that are set, in their order."""
    return [value for value in map(read_secret, variables) if value]
