"""A release's changes by its files: they decide how long the images take."""

from __future__ import annotations

import pytest

from release_assets.planning.changes import Change, change_between
from release_assets.project import Image

PYPROJECT = '[project]\nname = "x"\nversion = "{version}"\ndependencies = ["{requirement}"]\n'


def changed(*files: str, before: str = "", after: str = "", dockerfile: str = "Dockerfile") -> Change:
    image = Image(repository="docker.io/me/x", dockerfile=dockerfile)
    return change_between(files, before, after, image=image, pyproject="pkg/pyproject.toml")


@pytest.mark.parametrize(
    ("files", "change"),
    [
        ([], Change.NOTHING),
        (["Dockerfile", "uv.lock"], Change.DOCKERFILE),
        ([".dockerignore"], Change.DOCKERFILE),
        (["sub/Dockerfile"], Change.CODE),
        (["requirements.txt"], Change.REQUIREMENTS),
        (["deploy/requirements-dev.in"], Change.REQUIREMENTS),
        (["dev_requirements.txt"], Change.REQUIREMENTS),
        (["poetry.lock", "x.py"], Change.REQUIREMENTS),
        (["setup.py"], Change.REQUIREMENTS),
        (["x.py", "README.md"], Change.CODE),
        (["docs/requirements.md"], Change.CODE),
        (["pyproject.toml"], Change.CODE),  # not the package's
    ],
)
def test_the_kind_of_change_is_told_by_the_files(files: list[str], change: Change) -> None:
    assert changed(*files) is change


def test_a_dockerfile_of_another_name_counts() -> None:
    assert changed("docker/server", dockerfile="./docker/server") is Change.DOCKERFILE


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (
            PYPROJECT.format(version="1", requirement="a"),
            PYPROJECT.format(version="2", requirement="a"),
            Change.CODE,
        ),
        (
            PYPROJECT.format(version="1", requirement="a"),
            PYPROJECT.format(version="2", requirement="a>1"),
            Change.REQUIREMENTS,
        ),
        ("project = 1", "project = 2", Change.CODE),
        ("not TOML", "not TOML either", Change.REQUIREMENTS),
        ("[tool.poetry.dependencies]\na = '1'", "[tool.poetry.dependencies]\na = '2'", Change.REQUIREMENTS),
    ],
    ids=["version", "dependency", "odd", "garbage", "poetry"],
)
def test_a_raised_version_changes_no_requirement(before: str, after: str, change: Change) -> None:
    assert changed("pkg/pyproject.toml", before=before, after=after) is change
