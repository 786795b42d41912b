"""Build images from this repository's Dockerfile and like it, also where Docker Hub is unreachable."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from release_assets import process
from tools.sandbox import system
from tools.sandbox.engine import Engine

FROM = "python:3.12-slim"
BASE = "release-assets-test-base"

# Debian's Python in place of Docker Hub's, laid out alike: with apt, pip, and the names python and pip.
DEBIAN = [
    "mmdebstrap", "--variant=apt", "--include=ca-certificates,python3,python3-pip",
    "--aptopt=Acquire::Languages none", "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*",
    '--customize-hook=ln -s python3 "$1/usr/bin/python"', "trixie",
]  # fmt: skip


@dataclass(frozen=True)
class Builds:
    """Builds the code location's image on an engine."""

    engine: Engine
    options: list[str]

    def build(self, context: Path, tag: str) -> list[str]:
        """Build and tag it; the digests of its layers, the lowest first."""
        buildx = system.find_program("docker-buildx")
        assert buildx is not None
        # The engine's own builder, also where another is in use: only it has the base image. Nobody pulls
        # this image, so compressing it would be half a minute for nothing.
        output = f"--output=type=image,name={tag},compression=uncompressed"
        options = ["--builder=default", output, *self.options]
        env = system.environment(DOCKER_HOST=self.engine.host)
        process.run([buildx, "build", *options, context], env=env, timeout=300, on_line=print)
        shown = self.engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", tag, timeout=60)
        layers: list[str] = json.loads(shown)
        return layers

    def remove(self, tag: str) -> None:
        """Take the image away again; what it was made from stays in the build cache."""
        self.engine.docker("image", "rm", "--force", tag, timeout=60)


@contextlib.contextmanager
def image_builds(engine: Engine, state: Path) -> Iterator[Builds]:
    """Yield what builds the Dockerfile as it is; without Docker Hub, on a base image of Debian's packages."""
    options = []
    authorities = os.environ.get("SSL_CERT_FILE")
    if authorities:
        options += [f"--secret=id=ca_bundle,src={authorities}"]
        options += ["--build-arg=SSL_CERT_FILE=/run/secrets/ca_bundle"]
    if engine.can_pull(FROM):
        yield Builds(engine, options)
        return
    base = debian_with_python(state)
    engine.docker("import", "--change", "ENV PATH=/usr/sbin:/usr/bin", str(base), BASE, timeout=120)
    yield Builds(engine, [*options, f"--build-context={FROM}=docker-image://{BASE}"])
    engine.docker("image", "rm", "--force", BASE, timeout=60)


def debian_with_python(state: Path) -> Path:
    """A root file system as a tar, made once and kept in `state`."""
    mirror = system.debian_mirror()
    source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} trixie main"
    recipe = hashlib.sha256(repr([DEBIAN, source]).encode()).hexdigest()[:12]
    kept = state / f"debian-with-python-{recipe}.tar"
    if not kept.exists():
        missing = system.missing_packages(system.BASE_IMAGE)
        system.install(missing, why="a base image without Docker Hub", say=print)
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state, ignore_cleanup_errors=True) as folder:
            made = Path(folder, "root.tar")
            process.run([*DEBIAN, made, source], env=system.environment(), timeout=300)
            made.rename(kept)
    return kept
