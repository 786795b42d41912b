"""A built file is checked: its names, its version, its size and platform, and by twine."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from release_assets.distributions import inspection
from release_assets.distributions.inspection import Checked
from release_assets.errors import PermanentError
from release_assets.project import PackageIndex, TestPackageIndex
from release_assets.rules.declared_version import check_version, name_in_pyproject, version_in_pyproject
from release_assets_tests.paths import PACKAGES
from release_assets_tests.unit.distributions.workshop import (
    METADATA,
    OTHER,
    PYPI,
    Workshop,
    checked,
    refused,
    sample,
    tar,
    wheel,
)


def test_a_package_without_a_name_in_pyproject_has_one_when_it_is_built(workshop: Workshop) -> None:
    source = workshop.source("no-name")
    assert name_in_pyproject((source / "pyproject.toml").read_text()) is None
    sdist = workshop.build("sdist", source)
    assert checked(sdist).name == "No.Name"
    assert checked(sdist, name="no-name").name == "No.Name"
    error = refused(sdist, name="another")
    assert error.problem == f"{sdist.name} is named 'No.Name' in its metadata, but the project is 'another'"
    assert "package: name in the project's defs.yaml" in error.remedy


def test_a_readme_that_the_index_would_refuse_is_refused_before(workshop: Workshop) -> None:
    sdist = workshop.build("sdist", workshop.source("bad-readme"))
    error = refused(sdist)
    assert error.problem.startswith(f"twine check rejects {sdist.name}:\n")
    assert "`long_description` has syntax errors in markup" in error.problem
    assert error.remedy == (
        "Correct the package's metadata or README, then tag that commit. Nothing has been published."
    )


@pytest.mark.parametrize(
    ("file", "name", "problem"),
    [
        ("sample-1.2.3.tar.gz", "../../other", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "sample`", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "<b>sample", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "other", "is named after sample 1.2.3, but its metadata says other 1.2.3"),
        ("sample-1.2.4.tar.gz", "sample", "is named after sample 1.2.4, but its metadata says sample 1.2.3"),
        ("sample-1.2.3-any.whl", "sample", "Invalid wheel filename"),
        ("other-1.2.3-py3-none-any.whl", "sample", "is named after other 1.2.3"),
    ],
)
def test_a_name_is_a_name_and_the_files_too(tmp_path: Path, file: str, name: str, problem: str) -> None:
    """The metadata's name becomes part of URLs and of the release's notes."""
    metadata = METADATA.replace(b"sample", name.encode())
    inside = {"sample-1.2.3.dist-info/METADATA" if file.endswith("l") else "sample-1.2.3/PKG-INFO": metadata}
    made = (wheel if file.endswith(".whl") else tar)(tmp_path / file, inside)
    assert problem in refused(made).problem


def test_a_version_that_does_not_match_is_found_without_building() -> None:
    declared = version_in_pyproject((PACKAGES / "version-mismatch" / "pyproject.toml").read_text())
    assert declared is not None
    with pytest.raises(PermanentError) as caught:
        check_version(
            declared, place="pyproject.toml: [project] version", tag="v1.2.3", expected=Version("1.2.3")
        )
    assert caught.value.problem == (
        "tag v1.2.3 is version 1.2.3, but pyproject.toml: [project] version is '1.2.2'"
    )


def test_a_file_larger_than_the_index_accepts_is_refused(tmp_path: Path) -> None:
    file = sample(tmp_path)
    size = file.stat().st_size
    small = OTHER.model_copy(update={"upload_limit": size - 1})
    error = refused(file, index=small)
    assert error.problem == f"sample-1.2.3.tar.gz has {size} bytes; pypi.example accepts {size - 1} bytes"
    assert "set upload_limit of that index in the project's defs.yaml" in error.remedy
    checked(file, index=OTHER.model_copy(update={"upload_limit": size}))


def test_pypis_limit_is_pypis_only() -> None:
    mebibyte = 1024 * 1024
    assert PYPI.largest_file == TestPackageIndex().largest_file == 100 * mebibyte
    assert OTHER.largest_file is None
    raised = PackageIndex.model_validate({"upload_limit": "300 MiB"})
    assert raised.largest_file == 300 * mebibyte


def test_a_file_of_pypis_limit_is_accepted(tmp_path: Path) -> None:
    """100 MiB are 104,857,600 bytes, and not 100,000,000."""
    file = sample(tmp_path)
    with file.open("ab") as stream:
        stream.truncate(100 * 1024 * 1024)  # zeros after the archive
    assert file.stat().st_size == PYPI.largest_file
    inspection._check_size(file, PYPI)
    with file.open("ab") as stream:
        stream.write(b"\0")
    assert "has 104857601 bytes; PyPI accepts 104857600 bytes" in refused(file).problem
    inspection._check_size(file, OTHER)


def test_a_package_without_readme_passes_with_warnings(workshop: Workshop) -> None:
    """PyPI accepts it."""
    sdist = workshop.build("sdist", workshop.source("no-readme"))
    expected = (
        "`long_description_content_type` missing. defaulting to `text/x-rst`.",
        "`long_description` missing.",
    )
    assert checked(sdist, name="no-readme") == Checked("no-readme", expected)
    assert checked(sample(workshop.folder)).warnings == ()


def test_a_compiled_wheel_is_refused_for_pypi_only(workshop: Workshop) -> None:
    source = workshop.source("compiled")
    assert checked(workshop.build("sdist", source)).warnings == ()
    made = workshop.build("wheel", source)
    platform = made.stem.rpartition("-")[2]
    error = refused(made)
    assert error.problem == (
        f"PyPI rejects wheels for {platform}: {made.name} has compiled code that is built for this machine"
    )
    assert "package: {wheels: [{zig: {}}]}" in error.remedy
    assert "set `index` in the project's defs.yaml to one that accepts this wheel" in error.remedy
    assert refused(made, index=TestPackageIndex()).problem.startswith("TestPyPI rejects wheels for ")
    assert checked(made, index=OTHER).name == "compiled"


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (b"Name: sample\n", "says ''"),
        (b"Name: sample\nVersion: unknown\n", "says 'unknown'"),
        (b"Name: sample\nVersion: 1.2.3+local\n", "says '1.2.3+local'"),
        (b"Version: 1.2.3\n", "is named '' in its metadata"),
        (b"\xff\xfe\x00", "says ''"),
        (b"", "says ''"),
    ],
)
def test_metadata_without_name_or_version_is_refused(tmp_path: Path, metadata: bytes, problem: str) -> None:
    sdist = tar(tmp_path / "sample-1.2.3.tar.gz", {"sample-1.2.3/PKG-INFO": metadata})
    assert problem in refused(sdist).problem
    made = wheel(tmp_path / "sample-1.2.3-py3-none-any.whl", {"sample-1.2.3.dist-info/METADATA": metadata})
    assert problem in refused(made).problem


def test_a_version_may_be_written_in_another_way(tmp_path: Path) -> None:
    file = tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {
            "sample-1.2.3/PKG-INFO": METADATA.replace(b"1.2.3", b"1.2.3.0")
            + b"Description-Content-Type: text/plain\n\nA sample.\n",
            "sample-1.2.3/sample.py": b"",  # twine uses the path that all members share as the top
        },
    )
    assert checked(file).name == "sample"
