"""The declared environment of a build, and the record of what was installed for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from release_assets.distributions.build_environment import (
    BuildEnvironment,
    build_environment,
    pinned_packages,
)
from release_assets.errors import PermanentError
from release_assets.project import Build

COMMIT = 1767225600  # 2026-01-01 00:00 UTC
HASHED = """\
# --hash=of nothing
setuptools==80.9.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
Flit_Core == 3.12.0 --hash=sha256:cccc
wheel==0.45.1
"""


def declared(folder: Path, text: str | None = None, **keys: object) -> BuildEnvironment:
    build = Build.model_validate(keys)
    return build_environment(build, commit=COMMIT, constraints=text, python=None, folder=folder)


def test_nothing_declared_leaves_a_build_as_it_is(tmp_path: Path) -> None:
    environment = declared(tmp_path)
    assert (environment.python, environment.variables) == (Path(sys.executable), {})
    assert environment.command == [sys.executable, "-m", "build", "--verbose", "--installer", "uv"]
    assert list(tmp_path.iterdir()) == []


def test_uv_and_build_get_what_is_declared(tmp_path: Path) -> None:
    environment = declared(
        tmp_path,
        HASHED,
        exclude_newer="7 days",
        constraints="constraints.txt",
        config_settings={"--build-option": ["a", "b"], "x": "y"},
        environment={"MYPACKAGE_FLAG": "1"},
    )
    file = tmp_path / "build-constraints.txt"
    assert file.read_text() == HASHED
    assert environment.variables == {
        "MYPACKAGE_FLAG": "1",
        "UV_EXCLUDE_NEWER": "2025-12-25T00:00:00Z",
        "UV_BUILD_CONSTRAINT": str(file),
    }
    settings = environment.arguments[environment.arguments.index("--config-json") + 1]
    assert json.loads(settings) == {"--build-option": ["a", "b"], "x": "y"}
    assert environment.arguments[:2] == ("--dependency-constraints-txt", str(file))
    assert file in environment.readable


def test_constraints_that_the_commit_lacks_are_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"has no file pins\.txt, which package\.build\.constraints"):
        declared(tmp_path, constraints="pins.txt")


def test_only_packages_with_a_hash_are_pinned() -> None:
    assert pinned_packages(HASHED) == frozenset({"setuptools", "flit-core"})
    assert pinned_packages("setuptools==80.9.0\n# a --hash=sha256:aa in a comment\n") is None


def test_what_uv_installs_is_noted() -> None:
    environment = BuildEnvironment()
    for line in ("< Resolved 2 packages in 3ms", "<  + setuptools==80.9.0", " + Flit_Core==3.12.0",
                 "<  + own==1.0 (from file:///somewhere)", "copying a + b==c d"):  # fmt: skip
        environment.note(line)
    assert environment.installed == {"setuptools": "80.9.0", "flit-core": "3.12.0", "own": "1.0"}


def test_a_package_that_hashed_constraints_lack_is_refused() -> None:
    environment = BuildEnvironment(pinned=pinned_packages(HASHED))
    environment.note("<  + setuptools==80.9.0")
    with pytest.raises(PermanentError) as caught:
        environment.note("<  + wheel==0.45.1")
    assert caught.value.problem == (
        "the build requires wheel 0.45.1, which the constraints do not list with a hash"
    )
    assert "uv pip compile --generate-hashes" in caught.value.remedy
