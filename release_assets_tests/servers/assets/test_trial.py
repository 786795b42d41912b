"""Releases whose distributions are tried: before the upload, and from the index after it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from release_assets.nodes.metadata import rows_of
from release_assets.process import environment, run
from release_assets_tests.maintainer import BUILD, PYPROJECT, Maintainer, NewMaintainer, Stands

HALF = (*BUILD, "pypi_publication", "github_release", "summary")


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands) -> Maintainer:
    return new(package_stands, package={})


def test_a_release_is_tried_before_and_after_its_upload(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"build": {"environment": {"MYPACKAGE_FLAG": "1"}}}
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *HALF)
    assert outcome.success
    name = maintainer.name
    for node, file in {"sdist": f"{name}-1.2.3.tar.gz", "wheel": f"{name}-1.2.3-py3-none-any.whl"}.items():
        passed, words = outcome.checked[f"{node}/installs"]
        assert passed
        assert words.startswith(f"{file} was installed in ")
        assert words.endswith(f", and {name} imported")
        assert outcome.metadata(node)["trial"] == words
        assert outcome.metadata(node)["seconds/trial"] > 0
        rows = rows_of(outcome.metadata(node), "build_environment")
        assert rows == [{"package": "flit-core", "version": "3.12.0"}]
    passed, words = outcome.checked["summary/installs_from_index"]
    assert passed, words
    assert words.startswith(f"{name} 1.2.3 from {maintainer.simple_url} was installed")


def test_what_cannot_be_imported_is_not_uploaded(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3", **{f"{maintainer.name}.py": '"""A."""\nimport no_such_module\n'})
    outcome = maintainer.materialize("v1.2.3", *HALF)
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    words = outcome.words("sdist")
    assert words.startswith(
        f"{maintainer.name}-1.2.3.tar.gz was installed, but cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert "What to do: Add what is missing to the package or to its requirements." in words
    assert maintainer.served() == {}

    maintainer.attributes["package"] = {"trial": {"distributions": [], "from_index": False}}
    untried = maintainer.materialize("v1.2.3", *HALF)
    assert untried.success
    assert not {check for check in untried.checked if "installs" in check}
    assert len(maintainer.served()) == 2

    # What is public already is not held back by a trial of today.
    maintainer.attributes["package"] = {}
    maintainer.lose_dagster_home()
    again = maintainer.materialize("v1.2.3", *HALF)
    assert again.success
    assert again.checked["sdist/installs"][0] is False
    passed, words = again.checked["summary/installs_from_index"]
    assert (passed, "No module named 'no_such_module'" in words) == (False, True)
    assert "The release is public: correct it in a new version." in words


def test_constraints_with_hashes_keep_other_packages_out(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"build": {"constraints": "pins.txt"}, "trial": {"distributions": []}}
    pins = "setuptools==80.9.0 --hash=sha256:" + "0" * 64 + "\n"
    maintainer.tag("v1.2.3", "1.2.3", **{"pins.txt": pins})
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.failed == ["sdist"]
    assert "the build requires flit-core 3.12.0, which the constraints do not list with a hash" in (
        outcome.words("sdist")
    )

    maintainer.tag("v1.2.4", "1.2.4", **{"pins.txt": "flit-core==3.12.0 --hash=sha256:" + "0" * 64 + "\n"})
    outcome = maintainer.materialize("v1.2.4", *BUILD)
    assert "Hash mismatch for `flit-core==3.12.0`" in outcome.words("sdist")


def test_a_cooldown_and_a_python_decide_the_environment(maintainer: Maintainer) -> None:
    program = "import sys\nopen('made_with.txt', 'w').write(sys.version.split()[0])\n"
    backend = f"from flit_core.buildapi import *\n{program}"
    pyproject = PYPROJECT.replace('["flit_core==3.12.0"]', '["flit_core"]').replace(
        '"flit_core.buildapi"', '"backend"\nbackend-path = ["."]'
    )
    name = maintainer.name
    include = '\n[tool.flit.sdist]\ninclude = ["made_with.txt", "backend.py"]\n'
    python = system_python()
    maintainer.attributes["package"] = {
        "build": {"exclude_newer": "2025-06-01", "python": python},
        "trial": {"distributions": ["wheel"]},
    }
    maintainer.repository.commit(
        {"pyproject.toml": pyproject.format(name=name, version="1.2.3") + include, "backend.py": backend}
    )
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success
    rows = rows_of(outcome.metadata("wheel"), "build_environment")
    assert rows == [{"package": "flit-core", "version": "3.12.0"}]  # 4.0 is of 2025-11
    (sdist,) = maintainer.home.rglob(f"distributions/**/{name}-1.2.3.tar.gz")
    assert made_with(sdist) == python


def system_python() -> str:
    """The version of the machine's own Python, which is not that of the virtual environment in CI."""
    program = "import sys; print(*sys.version_info[:3], sep='.')"
    return run(["/usr/bin/python3", "-c", program], env=environment(), timeout=30).strip()


def made_with(sdist: Path) -> str:
    with tarfile.open(sdist) as archive:
        (member,) = [found for found in archive if found.name.endswith("/made_with.txt")]
        stream = archive.extractfile(member)
        assert stream is not None
        return stream.read().decode()
