"""sdist and wheel: built once from the tag's commit, kept, adopted where the index has them."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from release_assets_tests.maintainer import BUILD, PYPROJECT, RELEASE_HALF, Maintainer, Outcome
from release_assets_tests.servers.assets.conftest import Released

DYNAMIC = PYPROJECT.replace('version = "{version}"', 'dynamic = ["version"]')


def test_both_are_built_and_recorded_with_what_a_maintainer_compares(released: Released) -> None:
    name = released.maintainer.name
    files = {"sdist": f"{name}-1.2.3.tar.gz", "wheel": f"{name}-1.2.3-py3-none-any.whl"}
    for kind, file in files.items():
        metadata = released.first.metadata(kind)
        assert (metadata["file"], metadata["commit"]) == (file, released.commit)
        assert metadata["origin"] == "built"
        assert len(metadata["sha256"]) == 64
        assert metadata["size_bytes"] > 100
        assert {"seconds/environment", "seconds/build", "seconds/check", "seconds/total"} <= set(metadata)


def test_materializing_again_keeps_the_bytes_and_builds_nothing(released: Released) -> None:
    again = released.maintainer.materialize(released.tag, "sdist", "wheel")
    for kind in ("sdist", "wheel"):
        assert again.metadata(kind)["sha256"] == released.first.metadata(kind)["sha256"]
        assert again.metadata(kind)["origin"] == "kept"
        assert "seconds/build" not in again.metadata(kind)
    assert f"{released.maintainer.name}-1.2.3.tar.gz was built before, and is kept" in again.said


def test_a_tag_that_moves_before_publication_is_built_again(maintainer: Maintainer) -> None:
    first = maintainer.tag("v1.2.3", "1.2.3")
    before = maintainer.materialize("v1.2.3", *BUILD)
    moved = maintainer.tag("v1.2.3", "1.2.3", **{f"{maintainer.name}.py": '"""B."""\n'})
    after = maintainer.materialize("v1.2.3", *BUILD)
    assert after.success
    for kind in ("sdist", "wheel"):
        assert after.metadata(kind)["commit"] == moved != before.metadata(kind)["commit"] == first
        assert after.metadata(kind)["sha256"] != before.metadata(kind)["sha256"]
    assert f"the tag moved from {first} before" in after.said


def test_the_wheel_comes_from_the_sdist_and_not_from_the_checkout(maintainer: Maintainer) -> None:
    """What the sdist leaves out is not in the wheel either, though the checkout has it."""
    leave_out = f'\n[tool.flit.sdist]\nexclude = ["{maintainer.name}/left_out.py"]\n'
    name = maintainer.name
    maintainer.repository.git("rm", "--quiet", f"{name}.py")
    text = PYPROJECT.format(name=name, version="1.2.3") + leave_out
    files = {f"{name}/__init__.py": '"""A."""\n', f"{name}/left_out.py": "", "pyproject.toml": text}
    maintainer.repository.commit(files)
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success
    names = zipfile.ZipFile(kept(maintainer, outcome, "wheel")).namelist()
    assert f"{name}/__init__.py" in names
    assert f"{name}/left_out.py" not in names


def kept(maintainer: Maintainer, outcome: Outcome, kind: str) -> Path:
    """The file in the store."""
    (found,) = maintainer.home.rglob(outcome.metadata(kind)["file"])
    return found


def test_source_is_the_commit_and_not_the_working_tree(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    (maintainer.repository.path / f"{maintainer.name}.py").write_text('"""Dirty."""\n')
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    with tarfile.open(kept(maintainer, outcome, "sdist")) as archive:
        source = archive.extractfile(f"{maintainer.name}-1.2.3/{maintainer.name}.py")
        assert source is not None
        assert source.read() == b'"""A."""\n'


def test_a_dynamic_version_is_proven_by_the_metadata(maintainer: Maintainer) -> None:
    pyproject = DYNAMIC.format(name=maintainer.name)
    maintainer.repository.commit(
        {"pyproject.toml": pyproject, f"{maintainer.name}.py": '"""A."""\n__version__ = "1.2.3"\n'}
    )
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success
    assert outcome.metadata("version")["declared_in"] == "the built metadata (the version is dynamic)"
    assert outcome.metadata("wheel")["file"] == f"{maintainer.name}-1.2.3-py3-none-any.whl"


def test_a_dynamic_version_that_does_not_match_is_refused_by_the_sdist(maintainer: Maintainer) -> None:
    pyproject = DYNAMIC.format(name=maintainer.name)
    maintainer.repository.commit(
        {"pyproject.toml": pyproject, f"{maintainer.name}.py": '"""A."""\n__version__ = "1.2.2"\n'}
    )
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.materialized == ["version"]
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    words = outcome.words("sdist")
    assert f"tag v1.2.3 is version 1.2.3, but the metadata in {maintainer.name}-1.2.2.tar.gz says" in words
    assert "'1.2.2'" in words
    assert "Make the project build version 1.2.3 and tag that commit. Nothing has been published." in words
    assert maintainer.served() == {}


def test_a_package_below_the_repositorys_top_is_built_from_its_own_folder(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"directory": "packages/core"}
    name = maintainer.name
    maintainer.repository.commit(
        {
            "pyproject.toml": PYPROJECT.format(name="another", version="9.9.9"),
            "packages/core/pyproject.toml": PYPROJECT.format(name=name, version="1.2.3"),
            "packages/core/README.md": "The core.\n",
            f"packages/core/{name}.py": '"""The core."""\n',
        }
    )
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success
    assert outcome.metadata("wheel")["file"] == f"{name}-1.2.3-py3-none-any.whl"
    text = zipfile.ZipFile(kept(maintainer, outcome, "wheel")).read(f"{name}.py")
    assert text == b'"""The core."""\n'


def test_a_project_with_setup_py_alone(maintainer: Maintainer) -> None:
    name = maintainer.name
    maintainer.attributes["package"] = {"name": name}
    setup = (
        "from setuptools import setup\n"
        f"setup(name={name!r}, version='1.2.3', py_modules=[{name!r}],\n"
        "      long_description='A sample.', long_description_content_type='text/plain')\n"
    )
    maintainer.repository.commit({"setup.py": setup})
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success, outcome.said
    assert outcome.metadata("pypi_publication")["install"] == f"pip install {name}==1.2.3"
    assert set(maintainer.served()) == {f"{name}-1.2.3.tar.gz", f"{name}-1.2.3-py3-none-any.whl"}


def test_a_package_without_readme_is_released_with_a_warning(maintainer: Maintainer) -> None:
    """PyPI accepts it, and `twine check` only warns."""
    text = PYPROJECT.format(name=maintainer.name, version="1.2.3").replace('readme = "README.md"\n', "")
    maintainer.repository.commit({"pyproject.toml": text})
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    assert outcome.success, outcome.said
    assert len(maintainer.served()) == 2
    again = maintainer.materialize("v1.2.3", *BUILD)
    for run in (outcome, again):
        for kind in ("sdist", "wheel"):
            passed, words = run.checked[f"{kind}/twine_check"]
            assert not passed
            assert "with warnings:\n`long_description_content_type` missing." in words
            assert "`long_description` missing." in words
            assert "The index accepts it. Set readme in pyproject.toml" in words


def test_a_package_with_readme_passes_twines_check(released: Released) -> None:
    name = released.maintainer.name
    assert released.first.checked["sdist/twine_check"] == (True, f"twine check accepts {name}-1.2.3.tar.gz")


def test_a_compiled_package_is_refused_before_anything_is_published(maintainer: Maintainer) -> None:
    """PyPI's host is in the YAML only: nothing is uploaded, and its simple page is another index's."""
    index = maintainer.attributes["index"]
    maintainer.attributes["index"] = {**index, "upload_url": "https://upload.pypi.org/legacy/"}
    maintainer.build_with_setuptools("1.2.3")
    setup = (
        "from setuptools import Distribution, setup\n"
        "Distribution.has_ext_modules = lambda self: True\n"
        "setup()\n"
    )
    maintainer.repository.commit({"setup.py": setup})
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.materialized == ["version", "sdist"]
    assert (outcome.failed, outcome.retried) == (["wheel"], [])
    assert "PyPI rejects wheels for linux_" in outcome.words("wheel")
    assert "Nothing has been published." in outcome.words("wheel")
    assert maintainer.served() == {}

    maintainer.attributes["index"] = index
    assert maintainer.materialize("v1.2.3", "wheel").success


def test_a_file_that_the_index_does_not_accept_is_refused(maintainer: Maintainer) -> None:
    maintainer.attributes["index"] = {**maintainer.attributes["index"], "upload_limit": 100}
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3")
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    assert "bytes; localhost accepts 100 bytes" in outcome.words("sdist")
    assert "set upload_limit of that index in the project's defs.yaml" in outcome.words("sdist")


def test_a_package_of_another_name_than_declared_is_refused(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"name": "something-else"}
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    assert f"is named '{maintainer.name}' in its metadata, but the project is 'something-else'" in (
        outcome.words("sdist")
    )


def test_a_build_that_fails_shows_the_backends_last_words(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3", **{f"{maintainer.name}.py": "no docstring, no Python\n"})
    maintainer.repository.git("rm", "--quiet", f"{maintainer.name}.py")
    maintainer.repository.commit({})
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.materialized == ["version"]
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    words = outcome.words("sdist")
    assert f"No file/folder found for module {maintainer.name}" in words
    assert "Run `python -m build --sdist` in a clean checkout of the tag's commit" in words


def test_a_lost_home_adopts_the_published_bytes_and_uploads_nothing(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    first = maintainer.materialize("v1.2.3")
    assert first.metadata("pypi_publication")["uploaded"] == 2
    maintainer.lose_dagster_home()
    again = maintainer.materialize("v1.2.3")
    assert again.success, again.said
    assert again.metadata("pypi_publication")["uploaded"] == 0
    for kind in ("sdist", "wheel"):
        assert again.metadata(kind)["sha256"] == first.metadata(kind)["sha256"]


def test_published_bytes_of_the_same_contents_are_adopted_although_ours_were_packed_otherwise(
    maintainer: Maintainer,
) -> None:
    """setuptools writes the time of packing into an sdist, so a rebuilt one never has the same bytes."""
    name = maintainer.name
    maintainer.build_with_setuptools("1.2.3")
    maintainer.repository.tag("v1.2.3")
    first = maintainer.materialize("v1.2.3")
    assert first.success, first.said
    maintainer.lose_dagster_home()
    again = maintainer.materialize("v1.2.3")
    assert again.success, again.said
    assert again.metadata("sdist")["sha256"] == first.metadata("sdist")["sha256"]
    assert again.metadata("sdist")["origin"] == "published before"
    assert again.metadata("pypi_publication")["uploaded"] == 0
    assert f"{name}-1.2.3.tar.gz is published already with the same contents: its bytes are kept" in (
        again.said
    )


def test_a_lost_home_and_other_contents_are_a_conflict_that_names_both_sha256s(
    maintainer: Maintainer,
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    first = maintainer.materialize("v1.2.3")
    maintainer.lose_dagster_home()
    maintainer.tag("v1.2.3", "1.2.3", **{f"{maintainer.name}.py": '"""B."""\n'})
    again = maintainer.materialize("v1.2.3")
    assert again.materialized == ["version"]
    assert (again.failed, again.retried) == (["sdist"], [])
    failure = again.failure("sdist")
    assert failure.metadata["kind"].value == "conflict"
    words, sha256 = str(failure.description), first.metadata("sdist")["sha256"]
    assert f"already serves {maintainer.name}-1.2.3.tar.gz with sha256 {sha256}" in words
    assert "builds other contents (sha256 " in words
    assert "raise the version, commit, and push a new tag" in words


def test_two_daemons_that_built_the_same_commit_publish_it_once(maintainer: Maintainer) -> None:
    """Each has a store of its own, and both had built before the first of them uploaded."""
    maintainer.build_with_setuptools("1.2.3")
    maintainer.repository.tag("v1.2.3")
    slower = maintainer.materialize("v1.2.3", *BUILD)
    store = maintainer.home
    maintainer.lose_dagster_home()
    quicker = maintainer.materialize("v1.2.3", *RELEASE_HALF)
    assert quicker.metadata("sdist")["sha256"] != slower.metadata("sdist")["sha256"]
    maintainer.lose_dagster_home()
    maintainer.home = store
    after = maintainer.materialize("v1.2.3", "pypi_publication", "github_release")
    assert after.success, after.said
    assert after.metadata("pypi_publication")["uploaded"] == 0
    served = {file.sha256 for file in maintainer.served().values()}
    assert served == {quicker.metadata(kind)["sha256"] for kind in BUILD[1:]}
    assert len(maintainer.github_releases()) == 1


def test_a_tag_that_moves_after_publication_is_refused_with_both_commits_until_it_is_moved_back(
    maintainer: Maintainer,
) -> None:
    first = maintainer.tag("v1.2.3", "1.2.3")
    assert maintainer.materialize("v1.2.3").success
    moved = maintainer.tag("v1.2.3", "1.2.3", **{f"{maintainer.name}.py": '"""B."""\n'})
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.materialized == ["version"]
    assert (outcome.failed, outcome.retried) == (["sdist"], [])
    assert outcome.failure("sdist").metadata["kind"].value == "conflict"
    words = outcome.words("sdist")
    assert f"points to commit {moved} now" in words
    assert f"was built from commit {first} and is published" in words
    assert f"Move the tag back to {first}, or release these changes as a new version." in words

    maintainer.repository.tag("v1.2.3", first)
    again = maintainer.materialize("v1.2.3")
    assert again.success
    assert again.metadata("sdist")["origin"] == "kept"
