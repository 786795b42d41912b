"""The needs of a release that its machine meets: storage, isolation and disk space."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from release_assets.destinations import buildx
from release_assets.destinations.registry import parse_repository
from release_assets.distributions import isolation
from release_assets.errors import ReleaseError
from release_assets.process import CommandFailedError, run
from release_assets.project import Image, Project
from release_assets.readiness.row import Look, Row

MACHINE = "this machine"
GIGABYTE = 1000**3
LOW_SPACE, TOO_LITTLE_SPACE = 10 * GIGABYTE, 2 * GIGABYTE  # bytes; images of two platforms and their cache
LOOK_SECONDS = 60.0
METADATA, METADATA_SECONDS = ("169.254.169.254", 80), 0.5


def looks(projects: list[Project]) -> Iterator[Look]:
    """Yield what every release needs of the machine; `projects` are those that it releases."""
    yield Look(MACHINE, "DAGSTER_HOME", "DAGSTER_HOME", _home)
    yield Look(MACHINE, "isolation", "isolation", _isolation)
    if any(one.image for one in projects):
        yield Look(MACHINE, "metadata", "metadata", _metadata)
    yield Look(MACHINE, "disk space", "disk", lambda: _disk([one.image for one in projects if one.image]))


def _home() -> Iterator[Row]:
    home = os.environ.get("DAGSTER_HOME")
    row = Row(MACHINE, "DAGSTER_HOME", "DAGSTER_HOME", "ok", home or "")
    if not home:
        yield replace(
            row, state="warning", words="unset: what Dagster records is thrown away",
            remedy="Set it to a directory with release-assets' dagster.yaml in it.",
            command="export DAGSTER_HOME=$HOME/.release-assets; mkdir -p $DAGSTER_HOME; "
            "cp dagster.yaml $DAGSTER_HOME/",
        )  # fmt: skip
    elif not Path(home, "dagster.yaml").is_file():
        yield replace(
            row, state="warning", words=f"{home} has no dagster.yaml: runs of one project may overlap",
            remedy="Copy the dagster.yaml of release-assets there.",
            command=f"cp dagster.yaml {shlex.quote(home)}/",
        )  # fmt: skip
    else:
        yield row


def _isolation() -> Iterator[Row]:
    row = Row(
        MACHINE,
        "isolation",
        "isolation",
        "ok",
        "build code runs in bubblewrap: it sees no files and no secrets, and reaches no metadata server",
    )
    if not isolation.is_available():
        row = replace(
            row, state="warning",
            words="build code is not isolated: it can read this user's files and the secrets of its parents, "
            "and ask a cloud's metadata server for an identity",
            remedy="Install bubblewrap; in a container, allow user namespaces.",
            command="apt install bubblewrap",
        )  # fmt: skip
    yield row


def _metadata() -> Iterator[Row]:
    """Yield a warning where Dockerfiles reach a metadata server; BuildKit cannot refuse one address."""
    try:
        with socket.create_connection(METADATA, timeout=METADATA_SECONDS):
            pass
    except OSError:
        return
    yield Row(
        MACHINE, "metadata", "metadata", "warning",
        f"a cloud's metadata server answers at {METADATA[0]}: RUN steps of Dockerfiles get an identity there",
        "Refuse it on the machine of the Docker engine, or build images on one without a service account.",
        f"iptables -I DOCKER-USER -d {METADATA[0]} -j REJECT",
    )  # fmt: skip


def _disk(images: list[Image]) -> Iterator[Row]:
    """Yield a row for each file system that a release writes to: Dagster's home, builds, and the engine's."""
    folders = [Path(os.environ.get("DAGSTER_HOME") or tempfile.gettempdir()), Path(tempfile.gettempdir())]
    if images:
        folders.append(_engine_folder(images[0]) or folders[0])
    for folder in {folder.stat().st_dev: folder for folder in reversed(folders) if folder.is_dir()}.values():
        free = shutil.disk_usage(folder).free
        row = Row(MACHINE, "disk space", "disk", "ok", f"{free / GIGABYTE:.1f} GB free in {folder}")
        if free < LOW_SPACE:
            row = replace(
                row,
                state="failed" if free < TOO_LITTLE_SPACE else "warning",
                remedy=f"Free some space: a release with images needs {LOW_SPACE // GIGABYTE} GB at times.",
                command="docker buildx prune" if images else f"df -h {shlex.quote(str(folder))}",
            )
        yield row


def _engine_folder(image: Image) -> Path | None:
    """Return where the current engine keeps its images, or None where that is not on this machine."""
    argv = ["docker", "info", "--format", "{{.DockerRootDir}}"]
    try:
        with buildx.docker_environment(parse_repository(image.repository), None, None) as env:
            return Path(run(argv, env=env, timeout=LOOK_SECONDS).strip())
    except (ReleaseError, CommandFailedError):
        return None  # the rows of the platforms tell
