"""Requests to build, and records of real builds, for the tests of buildx."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from release_assets.destinations.buildx import BuildRequest, Engine, Progress
from release_assets.destinations.registry import Repository

RECORDED = Path(__file__).parent / "rawjson"


def request(**changes: Any) -> BuildRequest:
    """A request to build, of which a test says what matters to it."""
    fields: dict[str, Any] = {
        "repository": Repository("docker.io", "owner/name"),
        "tag": "1.2.3-arm64",
        "platform": "linux/arm64",
        "context": Path("/source"),
        "dockerfile": Path("/source/Dockerfile"),
        "build_args": {},
        "build_contexts": {},
        "labels": {},
        "cache": "none",
        "cache_folder": Path("/cache"),
        "builder": None,
        "source_date_epoch": 0,
        "username_env": "IMAGE_USER",
        "token_env": "IMAGE_TOKEN",
    }
    return BuildRequest(**fields | changes)


def an_engine(*platforms: str, exports_cache: bool = True, pushes_twice: bool = False) -> Engine:
    """An engine that runs these platforms, the first without help."""
    return Engine(
        ("docker",),
        ("buildx",),
        "docker's builder",
        platforms=frozenset(platforms),
        native=frozenset(platforms[:1]),
        exports_cache=exports_cache,
        pushes_twice=pushes_twice,
        keeps_images=True,
    )


def options(arguments: list[str], name: str) -> list[str]:
    """The values that an option was given."""
    return [value for option, value in pairwise(arguments) if option == name]


def read(name: str, log: Callable[[str], None] = lambda _: None, *, indented: bool = False) -> Progress:
    """The recorded output of a build, as it is or with its JSON written over many lines, as 0.13 does."""
    progress = Progress(log)
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        if indented and line.startswith("{"):
            for part in json.dumps(json.loads(line), indent=2).splitlines():
                progress.line(part)
        else:
            progress.line(line)
    return progress
