"""The packages that are released: small, middling and large, one copy for each side."""

from __future__ import annotations

import textwrap
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from release_assets.sandbox.git_remote import create_remote, git

Size = Literal["small", "middling", "large"]

REQUIREMENTS = 20
MEBIBYTE = 1024 * 1024
# Of files in the dependency layer that no compressor makes smaller.
DEPENDENCY_BYTES = {"small": 0, "middling": 60 * MEBIBYTE, "large": 1024 * MEBIBYTE}

# What changes least comes first, so that a change of the code builds only the last two steps again. The salt
# keeps the layers of the two sides apart: neither finds the other's in the engine.
DOCKERFILE = """\
FROM python:3.12-slim
COPY salt /salt
{dependencies}COPY --from=dist *.whl /dist/
RUN python -m pip install --no-cache-dir --no-deps --no-index --root-user-action=ignore /dist/*.whl
CMD ["python", "-c", "import {module}; print({module}.VERSION)"]
"""
DEPENDENCIES = """\
COPY requirements /requirements
RUN python -m pip install --no-cache-dir --no-index --root-user-action=ignore /requirements/*.whl
RUN python /requirements/fill.py {size}
"""
FILL = """\
import os, pathlib, sys

folder = pathlib.Path("/usr/local/share/filler")
folder.mkdir(parents=True)
left = int(sys.argv[1])
while left > 0:
    size = min(left, 8 * 1024 * 1024)
    (folder / f"{left}.bin").write_bytes(os.urandom(size))
    left -= size
"""


@dataclass
class Sample:
    """A package with a git remote and the clone in which its maintainer works."""

    name: str
    size: Size
    remote: Path
    clone: Path
    releases: int = field(default=0)

    def prepare(self, *, salt: str | None = None) -> str:
        """Change the code, raise the version, commit and push main; return the new tag, not yet pushed.

        A new `salt` makes every layer above the base image another one.
        """
        self.releases += 1
        version = f"1.0.{self.releases}"
        if salt is not None:
            (self.clone / "salt").write_text(salt)
        (self.clone / self.module / "__init__.py").write_text(f'VERSION = "{version}"\n')
        (self.clone / "pyproject.toml").write_text(_pyproject(self.name, version))
        git("add", "--all", directory=self.clone)
        git("commit", "--quiet", "--message", f"Release {version}", directory=self.clone)
        git("push", "--quiet", "origin", "main", directory=self.clone)
        tag = f"v{version}"
        git("tag", "--annotate", "--message", tag, tag, directory=self.clone)
        return tag

    def push(self, tag: str) -> None:
        """Push a tag that is in the clone."""
        git("push", "--quiet", "origin", f"refs/tags/{tag}", directory=self.clone)

    def tag_again(self, tag: str) -> None:
        """Put another tag on the newest commit and push it."""
        git("tag", tag, directory=self.clone)
        self.push(tag)

    @property
    def module(self) -> str:
        """The package's import name."""
        return self.name.replace("-", "_")


def make_sample(folder: Path, name: str, size: Size) -> Sample:
    """Make a package of this size with a remote and a clone in `folder`."""
    clone = folder / name
    remote = create_remote(folder / f"{name}.git")
    sample = Sample(name, size, remote, clone)
    (clone / sample.module).mkdir(parents=True)
    (clone / "salt").write_text(name)
    (clone / "README.md").write_text(f"# {name}\n")
    dependencies = ""
    if DEPENDENCY_BYTES[size]:
        dependencies = DEPENDENCIES.format(size=DEPENDENCY_BYTES[size])
        (clone / "requirements").mkdir()
        (clone / "requirements" / "fill.py").write_text(FILL)
        for number in range(REQUIREMENTS):
            _write_wheel(clone / "requirements", f"requirement{number}")
    (clone / "Dockerfile").write_text(DOCKERFILE.format(dependencies=dependencies, module=sample.module))
    git("init", "--quiet", "--initial-branch=main", directory=clone)
    git("remote", "add", "origin", remote, directory=clone)
    return sample


def _pyproject(name: str, version: str) -> str:
    return textwrap.dedent(
        f"""\
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "{name}"
        version = "{version}"
        description = "A package that benchmarks release"
        readme = "README.md"

        [tool.setuptools]
        packages = ["{name.replace("-", "_")}"]
        """
    )


def _write_wheel(folder: Path, name: str) -> None:
    """A wheel that pip installs without an index: one module of 10 kB."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "# a line of a requirement\n" * 400,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            # One date, so that both sides' wheels and layers are made of the same bytes each time.
            wheel.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
