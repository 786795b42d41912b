"""The environment that sdist and wheel are built in: what a project declares of it, and what it held.

`build` makes the environment and uv fills it. Both read what is declared from arguments and variables.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import canonicalize_name

from release_assets.distributions.build_network import INDEX_SETTINGS
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, environment, run
from release_assets.project import Build
from release_assets.rules.exclude_newer import newest
from release_assets.text import one_line

FIND_SECONDS = 60.0
INSTALL_SECONDS = 600.0
INSTALLED_LIMIT = 1000  # packages that are recorded; build code could print more
NETWORK = (
    "error sending request",
    "timed out",
    "dns error",
    "Connection reset",
    "HTTP status server error",
    "429 Too Many Requests",
)

# What uv prints for each package, and build repeats: `< + setuptools==80.9.0`.
INSTALLED = re.compile(r"(?:<\s*)?\+ ([A-Za-z0-9][\w.-]{0,100})==([\w.!+-]{1,100})(?: .*)?")
PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*==\s*[^\s;]+.*--hash[= ]\S+")


@dataclass
class BuildEnvironment:
    """The environment of one build. `installed` is what uv installs while it runs, versions by name.

    `files` are what build code must be able to read besides the Python. `pinned` are the only packages that
    may be in it; None leaves that to the index.
    """

    python: Path = Path(sys.executable)
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    pinned: frozenset[str] | None = None
    installed: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """Return what a command line of `build` begins with."""
        return [str(self.python), "-m", "build", "--verbose", "--installer", "uv", *self.arguments]

    @property
    def readable(self) -> list[Path]:
        """Return what isolated code must be able to read: the Python's folder, and the files."""
        return [self.python.resolve().parents[1], *self.files]

    def note(self, line: str) -> None:
        """Record the package that a line of the output names, if it names one.

        Raises PermanentError for a package that the constraints do not list: before it runs.
        """
        match = INSTALLED.fullmatch(line.strip())
        if match is None or len(self.installed) >= INSTALLED_LIMIT:
            return
        name, version = canonicalize_name(match[1]), match[2]
        if self.pinned is not None and name not in self.pinned:
            raise PermanentError(
                f"the build requires {name} {version}, which the constraints do not list with a hash",
                "Add it to the file of package.build.constraints: `uv pip compile --generate-hashes` prints "
                "all of them.",
            )
        self.installed[name] = version


def build_environment(
    declared: Build, *, commit: int, constraints: str | None, python: Path | None, folder: Path
) -> BuildEnvironment:
    """Return the environment that a project declares.

    `commit` is the commit's time in seconds, `constraints` the text of the declared file, which is written to
    `folder`, and `python` the interpreter; None is our own.
    Raises PermanentError for constraints that are not in the repository.
    """
    variables = dict(declared.environment)
    arguments: list[str] = []
    files: tuple[Path, ...] = ()
    pinned = None
    if declared.exclude_newer is not None:
        bound = newest(
            declared.exclude_newer, commit=datetime.fromtimestamp(commit, UTC), now=datetime.now(UTC)
        )
        variables["UV_EXCLUDE_NEWER"] = bound.strftime("%Y-%m-%dT%H:%M:%SZ")
    if declared.constraints is not None:
        if constraints is None:
            raise PermanentError(
                f"the tag's commit has no file {declared.constraints}, which package.build.constraints names",
                "Commit it, or correct the path in defs.yaml. It starts at the repository's top.",
            )
        file = folder / "build-constraints.txt"
        file.write_text(constraints, encoding="utf-8")
        files = (file,)
        arguments += ["--dependency-constraints-txt", str(file)]
        variables["UV_BUILD_CONSTRAINT"] = str(file)  # for requirements that must be built themselves
        pinned = pinned_packages(constraints)
    if declared.config_settings:
        arguments += ["--config-json", json.dumps(declared.config_settings)]
    if python is not None:
        # `build` itself runs on the declared Python, and is ours: pure Python, and hidden from the backend.
        variables["PYTHONPATH"] = str(_site_packages())
    return BuildEnvironment(python or Path(sys.executable), variables, tuple(arguments), files, pinned)


def pinned_packages(constraints: str) -> frozenset[str] | None:
    """Return the packages that a constraints file lists with a hash, or None where it has no hashes."""
    lines = re.sub(r"\\\r?\n", " ", constraints).splitlines()
    if not any("--hash" in line for line in lines if not line.lstrip().startswith("#")):
        return None
    return frozenset(
        canonicalize_name(match[1]) for line in lines if (match := PINNED.match(line.strip())) is not None
    )


def _site_packages() -> Path:
    found = importlib.util.find_spec("build")
    assert found is not None and found.origin is not None  # noqa: S101, PT018  (a dependency of ours)
    return Path(found.origin).parents[1]


def find_python(version: str, folder: Path) -> Path:
    """Return the interpreter of a version such as 3.13: the machine's, or one that uv installs in `folder`.

    It runs before any code of the project. Raises PermanentError where there is none, TransientError where it
    could not be downloaded.
    """
    env = environment(
        UV_PYTHON_INSTALL_DIR=str(folder), UV_NO_CONFIG="1", NO_COLOR="1", UV_CACHE_DIR=str(folder / "cache")
    )
    find = ["uv", "python", "find", "--no-project", "--system", "--no-python-downloads", "--resolve-links"]
    try:
        return Path(run([*find, version], env=env, timeout=FIND_SECONDS).strip())
    except CommandFailedError:
        folder.mkdir(parents=True, exist_ok=True)
    install = ["uv", "python", "install", "--no-bin", "--install-dir", str(folder), version]
    try:
        run(install, env=env, timeout=INSTALL_SECONDS)
        return Path(run([*find, "--managed-python", version], env=env, timeout=FIND_SECONDS).strip())
    except CommandFailedError as error:
        said = "\n".join(error.tail)
        passing = any(word in said for word in NETWORK)
        raise (TransientError if passing else PermanentError)(
            f"this machine has no Python {version}, which package.build.python names, and uv could not "
            f"install it: {one_line(said or error.reason)}",
            f"Install Python {version} on this machine, or change package.build.python.",
        ) from None


def index_settings() -> dict[str, str]:
    """Return where packages come from on this machine, for users who have a mirror of their own."""
    return {name: os.environ[name] for name in INDEX_SETTINGS if name in os.environ}
