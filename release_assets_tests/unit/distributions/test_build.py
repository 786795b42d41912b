"""Building, with real backends and packages that are each broken in a way of their own."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from release_assets.distributions.archives import unpack_sdist
from release_assets.rules.declared_version import name_in_pyproject, version_in_pyproject
from release_assets_tests.unit.distributions.workshop import EPOCH, METADATA, Workshop, checked, refused, tar

SECRET = "pypi-scrtscrtscrtscrt"


def test_a_dynamic_version_is_proved_by_what_was_built(workshop: Workshop) -> None:
    source = workshop.source("dynamic-version")
    pyproject = (source / "pyproject.toml").read_text()
    assert version_in_pyproject(pyproject) is None
    assert name_in_pyproject(pyproject) == "dynamic-version"

    sdist = workshop.build("sdist", source)
    assert sdist.name == "dynamic_version-1.2.3.tar.gz"
    assert checked(sdist, name="dynamic-version").name == "dynamic-version"
    assert any(line.startswith("* Building sdist") for line in workshop.said)
    assert workshop.seconds["environment"] > 0
    assert workshop.seconds["build"] > 0
    with tarfile.open(sdist) as archive:
        assert {member.mtime for member in archive} == {EPOCH}

    (workshop.folder / "unpacked").mkdir()
    made = workshop.build("wheel", unpack_sdist(sdist, workshop.folder / "unpacked"))
    assert made.name == "dynamic_version-1.2.3-py3-none-any.whl"
    assert checked(made, name="Dynamic_Version").name == "dynamic-version"

    for file in (sdist, made):
        error = refused(file, version="1.2.4")
        assert error.problem == (f"tag v1.2.4 is version 1.2.4, but the metadata in {file.name} says '1.2.3'")
        assert error.remedy == (
            "Make the project build version 1.2.4 and tag that commit. Nothing has been published."
        )


def test_a_wheel_is_built_from_the_sdist_so_that_what_the_sdist_lacks_is_found(workshop: Workshop) -> None:
    sdist = workshop.build("sdist", workshop.source("sdist-that-lacks-a-module"))
    (workshop.folder / "unpacked").mkdir()
    error = workshop.refusal("wheel", unpack_sdist(sdist, workshop.folder / "unpacked"))
    assert error.problem.startswith("building the wheel failed with exit status 1:\n")
    assert "ModuleNotFoundError: No module named '_version'" in error.problem
    assert error.remedy.startswith("Run `python -m build --wheel` in a clean checkout")


def test_a_backend_that_fails_is_quoted(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("bad-backend"))
    assert error.problem.startswith("building the sdist failed with exit status 1:\n")
    assert "RuntimeError: the flux capacitor is missing" in error.problem


def test_a_backend_that_is_not_there_is_named(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("missing-backend"))
    assert "no_such_backend" in error.problem


def test_a_backend_that_makes_nothing_is_refused(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("backend-that-makes-nothing"))
    assert error.problem == "the build backend made 0 files instead of one sdist: none"


def test_a_backend_that_makes_two_files_is_refused(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("backend-that-makes-two"))
    assert error.problem == (
        "the build backend made 2 files instead of one sdist: notes.txt, two-1.2.3.tar.gz"
    )
    assert error.remedy == "Make the backend leave one file in its output folder."


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (
            "output-that-is-a-link",
            "the build backend made sample-1.2.3.tar.gz, which is not an sdist",
        ),
        (
            "output-folder-that-is-a-link",
            "the build backend made 0 files instead of one sdist: none",
        ),
        (
            "output-that-is-a-pipe",
            "the build backend made sample-1.2.3.tar.gz, which is not an sdist",
        ),
        (
            "output-with-a-hostile-name",
            r"the build backend made 'sample-1.2.3\n![x](http:)\x1b[2J|.tar.gz', which is not an sdist",
        ),
    ],
)
def test_what_a_backend_leaves_is_a_file_of_its_own(workshop: Workshop, case: str, problem: str) -> None:
    """We read it outside the backend's walls: a link would make us publish what belongs to others."""
    others = workshop.folder / "others"
    others.mkdir()
    tar(others / "sample-1.2.3.tar.gz", {"sample-1.2.3/PKG-INFO": METADATA})
    source = workshop.source(case)
    is_folder = case == "output-folder-that-is-a-link"
    (source / "target").write_text(str(others if is_folder else others / "sample-1.2.3.tar.gz"))
    assert workshop.refusal("sdist", source).problem == problem


def test_last_words_of_megabytes_are_cut(workshop: Workshop) -> None:
    source = workshop.source("bad-backend")
    (source / "backend.py").write_text("print('x' * 3_000_000)\nraise RuntimeError('the end')\n")
    error = workshop.refusal("sdist", source)
    assert len(error.problem) < 11_000
    assert "RuntimeError: the end" in error.problem


def test_a_folder_without_a_project_is_refused(workshop: Workshop) -> None:
    (workshop.folder / "empty").mkdir()
    error = workshop.refusal("sdist", workshop.folder / "empty")
    assert "does not appear to be a Python project" in error.problem


def test_a_backend_sees_no_secret_and_nothing_of_our_home(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pypirc").write_text(SECRET)
    workshop.build("sdist", workshop.source("curious-backend"))
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in workshop.said
    assert "in HOME: []" in workshop.said
    assert SECRET not in "\n".join(workshop.said)
