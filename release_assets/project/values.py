"""Hold the types of values that several blocks share: paths, names of variables, platforms, schedules."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

from release_assets.rules.platforms import parse_platform
from release_assets.rules.token_text import shown


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError(f"{shown(path)} leads out of the repository; give a path below its top folder")
    return path


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # The value is not repeated: it may be the secret itself.
        raise ValueError(
            "must be the name of an environment variable; the YAML never holds the secret itself"
        )
    return name


RepositoryPath = Annotated[str, AfterValidator(_inside)]

VariableName = Annotated[str, AfterValidator(_variable)]

Platform = Annotated[str, AfterValidator(parse_platform)]

SCHEDULE = r"^(daily|[-0-9*/,]+( [-0-9*/,A-Za-z]+){4})$"
