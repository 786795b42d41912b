"""The packages of the sandbox: PyPA's sampleproject from its sdist on PyPI, or a compiled package of ours."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import requests
from pypi_simple import PyPISimple

from release_assets._compat.tar import tarfile
from tools.sandbox.git_remote import create_remote, git
from tools.sandbox.servers import SandboxError

NAME = "sampleproject"
SDIST = "sampleproject-4.0.0.tar.gz"
SHA256 = "0ace7980f82c5815ede4cd7bf9f6693684cec2ae47b9b7ade9add533b8627c6b"
COMPILED = "compiled-sum"
COMPILED_SOURCE = Path(__file__).parent / "compiled_project"
DOCKERFILE = Path(__file__).parent / "sample_project" / "Dockerfile"


@dataclass(frozen=True)
class SampleProject:
    """The package in a git `remote` with the branch main, and the `clone` in which a maintainer works."""

    remote: Path
    clone: Path
    name: str = NAME

    def release(self, version: str) -> str:
        """Set the version in pyproject.toml, commit and push main; the commit that has it."""
        pyproject = self.clone / "pyproject.toml"
        text, changed = re.subn(
            r'(?m)^version = ".*"', f'version = "{version}"', pyproject.read_text(), count=1
        )
        if changed != 1:
            raise ValueError(f"{pyproject} has no line `version = ...` to change")
        pyproject.write_text(text)
        return self.commit(f"Release {version}")

    def commit(self, message: str) -> str:
        """Commit what was changed in the clone and push main; the commit, also when nothing was changed."""
        git("add", "--all", directory=self.clone)
        if git("status", "--porcelain", directory=self.clone):
            git("commit", "--quiet", "--message", message, directory=self.clone)
        git("push", "--quiet", "origin", "main", directory=self.clone)
        return git("rev-parse", "HEAD", directory=self.clone)

    def push_tag(self, tag: str, commit: str = "HEAD") -> str:
        """Put an annotated tag, as maintainers do, on a commit and push it; the commit that it names."""
        git("tag", "--annotate", "--message", tag, tag, commit, directory=self.clone)
        git("push", "--quiet", "origin", f"refs/tags/{tag}", directory=self.clone)
        return git("rev-parse", f"{tag}^{{commit}}", directory=self.clone)


def make_sample_project(folder: Path, *, state: Path) -> SampleProject:
    """Make the remote and a clone of it in `folder`; `state` keeps the sdist."""
    remote = create_remote(folder / f"{NAME}.git")
    clone = folder / NAME
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        with tarfile.open(_sdist(state)) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        source.rename(clone)
    # Files that the build made are not sources.
    (clone / "PKG-INFO").unlink()
    (clone / "setup.cfg").unlink()
    shutil.rmtree(clone / "src" / f"{NAME}.egg-info")
    shutil.copy(DOCKERFILE, clone)
    return _committed(SampleProject(remote, clone), f"{NAME}, as in its source distribution on PyPI")


def make_compiled_project(folder: Path) -> SampleProject:
    """Make the remote and a clone of the compiled package in `folder`."""
    remote, clone = create_remote(folder / f"{COMPILED}.git"), folder / COMPILED
    shutil.copytree(COMPILED_SOURCE, clone)
    return _committed(SampleProject(remote, clone, COMPILED), "A package with compiled code")


def _committed(project: SampleProject, message: str) -> SampleProject:
    """Make the clone's repository, commit its files and push them."""
    git("init", "--quiet", "--initial-branch=main", directory=project.clone)
    git("remote", "add", "origin", project.remote, directory=project.clone)
    project.commit(message)
    return project


def _sdist(state: Path) -> Path:
    """Return the sdist, from PyPI the first time; the same bytes every time."""
    kept = state / SDIST
    if not kept.exists():
        content = _download()
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise SandboxError(
                f"PyPI serves another {SDIST} than the one with sha256 {SHA256}",
                "Something between here and PyPI changes files; see which package index is in the way.",
            )
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=state, delete=False) as temporary:
            temporary.write(content)
        Path(temporary.name).rename(kept)
    return kept


def _download() -> bytes:
    try:
        with PyPISimple() as index:
            (url,) = (found.url for found in index.get_project_page(NAME).packages if found.filename == SDIST)
        answer = requests.get(url, timeout=60)
        answer.raise_for_status()
        return answer.content
    except (requests.RequestException, ValueError) as error:
        raise SandboxError(
            f"{SDIST} could not be downloaded from PyPI: {error}",
            "The sandbox releases this real package; see whether https://pypi.org can be reached from here.",
        ) from error
