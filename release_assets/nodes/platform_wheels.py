"""The wheels of a node: each checked, inspected, installed and imported, and all kept or none."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from release_assets.destinations import buildx
from release_assets.destinations.registry import parse_repository
from release_assets.distributions.store import CheckedFile, Distribution
from release_assets.distributions.wheels.inspection import inspect
from release_assets.distributions.wheels.trial import try_wheel
from release_assets.errors import PermanentError
from release_assets.nodes.distribution import checked_file, published_instead
from release_assets.nodes.metadata import table
from release_assets.nodes.node import Recorded
from release_assets.nodes.step import Step
from release_assets.nodes.twine_check import TWINE_CHECK, twine_check
from release_assets.project import TriedWheels
from release_assets.rules.wheel_tags import linux_platform
from release_assets.secrets import read_secret
from release_assets.text import size_text

UNTRIED = "not tried: this machine does not run its platform"


def keep_wheels(
    step: Step, node: str, wheels: Sequence[tuple[Path, TriedWheels]], *, platform: str | None
) -> Recorded:
    """Check the wheels that a node made, keep all of them, and return what the event log records.

    Each comes with its source in the YAML. `platform` is the one that all must be for, None is any. Wheels
    for other systems than Linux are inspected, and not imported. Raises a ReleaseError; nothing is kept then.
    """
    names = [file.name for file, _ in wheels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PermanentError(
            f"two sources of package.wheels make {', '.join(twice)}",
            "Give each its own versions of Python, or its own libc, in the project's defs.yaml.",
        )
    origins: dict[str, str] = {}
    with step.folder() as fresh:
        files = []
        for file, source in wheels:
            checked = checked_file(step, file)
            with step.stage("inspect"), step.folder() as scratch:
                found = inspect(file, platform=platform, scratch=scratch, log=step.output)
            with step.stage("import"):
                found["import"] = _imported(step, file, source)
            step.say(f"{file.name}: {found['import']}")
            kept_file, origins[file.name], _ = published_instead(step, file, checked.name, fresh)
            files.append(CheckedFile(kept_file, checked.name, checked.warnings, found))
        with step.stage("store"):
            kept = step.store.put_wheels(node, files, commit=step.release.commit)
    for one in kept:
        step.say(f"{one.filename}: {size_text(one.size)}, sha256 {one.sha256}")
    return recorded_wheels(kept, ", ".join(sorted(set(origins.values()))))


def recorded_wheels(kept: Sequence[Distribution], origin: str) -> Recorded:
    """Return what the event log records of a node's wheels; `origin` is where their bytes come from."""
    warned = next((one for one in kept if one.warnings), kept[0])
    rows = "".join(f"{one.sha256}  {one.filename}\n" for one in kept)
    return Recorded(
        data_version=hashlib.sha256(rows.encode()).hexdigest(),
        metadata={
            "files": table(
                {"file": one.filename, "size_bytes": one.size, "sha256": one.sha256, **one.checks}
                for one in kept
            ),
            "size_bytes": sum(one.size for one in kept),
            "commit": kept[0].commit,
            "origin": origin,
        },
        checks={TWINE_CHECK.name: twine_check(warned)},
    )


def _imported(step: Step, file: Path, source: TriedWheels) -> str:
    if linux_platform(file.name) is None:
        return UNTRIED
    with step.folder() as scratch:
        return try_wheel(
            file,
            source,
            scratch=scratch,
            cache=step.build_cache,
            docker=partial(_docker, step),
            log=step.output,
        )


@contextlib.contextmanager
def _docker(step: Step) -> Iterator[Mapping[str, str]]:
    """Yield the environment of docker's commands, logged in to the project's registry if it has one."""
    image = step.project.image
    repository = parse_repository(image.repository if image is not None else "docker.io/library/python")
    login = [read_secret(name) for name in (image.username_env, image.token_env)] if image is not None else []
    username, token = login if login and all(login) else (None, None)
    with buildx.docker_environment(repository, username, token) as env:
        yield env
