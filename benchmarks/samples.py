"""Sample projects: a small one, one with requirements, and one whose dependencies fill a gigabyte."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.sandbox.git_remote import create_remote, git

REQUIREMENTS = 20
REQUIREMENT_BYTES = 3_000_000  # 60 MB together; random, so that nothing can be compressed away
LARGE_LAYERS = 4
LARGE_LAYER_MIB = 256

PYPROJECT = """\
[build-system]
requires = ["setuptools==80.9.0"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
description = "What the benchmark releases."
readme = "README.md"
requires-python = ">=3.11"

[tool.setuptools]
packages = ["{name}"]
"""
PROGRAM = """\
from importlib.metadata import version

print("{name}", version("{name}"))
"""
INSTALL = """\
COPY --from=dist *.whl /dist/
RUN python -m pip install --no-cache-dir --no-deps --no-index --root-user-action=ignore /dist/*.whl
CMD ["python", "-m", "{name}"]
"""
SMALL = "FROM python:3.12-slim\n" + INSTALL
MIDDLING = (
    """\
FROM python:3.12-slim
COPY requirements.txt /
RUN --mount=type=bind,from=wheels,target=/wheels \\
    python -m pip install --no-cache-dir --no-index --find-links=/wheels --root-user-action=ignore \\
    -r /requirements.txt
"""
    + INSTALL
)
LARGE_LAYER = (
    "RUN python -c \"import os; [open(f'/layer-{layer}-{{i}}', 'wb').write(os.urandom(2**20)) "
    'for i in range({mib})]"\n'
)
LARGE = (
    # Each side has layers of its own: a layer's key holds the environment in which it is made.
    "FROM python:3.12-slim\nENV NAME={name}\n"
    + "".join(LARGE_LAYER.format(layer=layer, mib=LARGE_LAYER_MIB) for layer in range(LARGE_LAYERS))
    + INSTALL
)


@dataclass(frozen=True)
class Sample:
    """A kind of project: its Dockerfile, with {name} for the package's, and whether it has requirements."""

    kind: str
    dockerfile: str
    has_requirements: bool = False


SAMPLES = {
    sample.kind: sample
    for sample in (
        Sample("small", SMALL),
        Sample("middling", MIDDLING, has_requirements=True),
        Sample("large", LARGE),
    )
}


@dataclass(frozen=True)
class Repository:
    """A sample in a git `remote`, and the `clone` in which its maintainer works."""

    name: str  # of the package
    sample: Sample
    remote: Path
    clone: Path

    def release(self, tag: str, *, nonce: str, new_requirements: bool = False) -> Callable[[], None]:
        """Commit a change of the code, or of the requirements as well; return what pushes the tag.

        The `nonce` makes the change one that no engine has built before.
        """
        files = {
            "pyproject.toml": PYPROJECT.format(name=self.name, version=tag.removeprefix("v")),
            f"{self.name}/release.py": f'NONCE = "{nonce}"\n',
        }
        if self.sample.has_requirements and new_requirements:
            lines = [f"# {nonce}", *(requirement_name(number) for number in range(REQUIREMENTS))]
            files["requirements.txt"] = "\n".join(lines) + "\n"
        self._write(files)
        git("add", "--all", directory=self.clone)
        git("commit", "--quiet", "--message", f"Release {tag}", directory=self.clone)
        git("tag", "--annotate", "--message", tag, tag, directory=self.clone)
        git("push", "--quiet", "origin", "main", directory=self.clone)

        def push() -> None:
            git("push", "--quiet", "origin", f"refs/tags/{tag}", directory=self.clone)

        return push

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            file = self.clone / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def make_repository(folder: Path, sample: Sample, name: str) -> Repository:
    """Make the remote of a project called `name`, and a clone of it with everything but a release."""
    remote = create_remote(folder / f"{name}.git")
    clone = folder / name
    git("clone", "--quiet", remote, clone)
    git("checkout", "--quiet", "-B", "main", directory=clone)
    repository = Repository(name, sample, remote, clone)
    repository._write({
        "README.md": f"# {name}\n",
        "Dockerfile": sample.dockerfile.replace("{name}", name),
        f"{name}/__init__.py": "",
        f"{name}/__main__.py": PROGRAM.replace("{name}", name),
    })  # fmt: skip
    return repository


def requirement_name(number: int) -> str:
    """Return the name of one of the middling sample's requirements."""
    return f"requirement_{number}"


def write_requirements(folder: Path, *, seed: str) -> None:
    """Write a wheel for each of the middling sample's requirements; the same `seed` makes the same bytes."""
    source = random.Random(seed)  # noqa: S311  (no secret: bytes that do not compress)
    for number in range(REQUIREMENTS):
        name = requirement_name(number)
        files = {
            f"{name}/__init__.py": b"",
            f"{name}/data.bin": source.randbytes(REQUIREMENT_BYTES),
            f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{file},,\n" for file in [*files, f"{name}-1.0.dist-info/RECORD"])
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            for file, content in {**files, f"{name}-1.0.dist-info/RECORD": record.encode()}.items():
                wheel.writestr(zipfile.ZipInfo(file), content)
