"""The tag that is released is the one that build backends find, whatever other tags there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from release_assets.destinations.git import Mirror, observe_tags
from release_assets.distributions.build import build
from release_assets.distributions.metadata import read_metadata
from release_assets.rules.tags import ParsedTag, TagPatterns, parse_tag, shown_tags
from release_assets_tests.repository import Repository

SETUP = """\
import subprocess
from setuptools import setup
def git(*command):
    return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout.split()[0]
setup(name="sample", version={version}, py_modules=["sample"])
"""


def pyproject(requires: str, backend: str = "setuptools.build_meta", more: str = "") -> str:
    return f'[build-system]\nrequires = [{requires}]\nbuild-backend = "{backend}"\n{more}'


PROJECT = '[project]\nname = "sample"\ndynamic = ["version"]\n'
SETUPTOOLS = '"setuptools==80.9.0"'
MODULES = '[tool.setuptools]\npy-modules = ["sample"]\n'

BACKENDS: Mapping[str, Mapping[str, str]] = {
    "setuptools-scm": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "setuptools-scm==9.2.0"')
        + PROJECT + MODULES + "[tool.setuptools_scm]\n",
    },
    "hatch-vcs": {
        "pyproject.toml": pyproject('"hatchling==1.27.0", "hatch-vcs==0.5.0"', "hatchling.build")
        + PROJECT + '[tool.hatch.version]\nsource = "vcs"\n',
    },
    "versioningit": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "versioningit==3.3.0"')
        + PROJECT + MODULES + "[tool.versioningit]\n",
    },
    "pbr": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "pbr==7.0.3"', "pbr.build"),
        "setup.cfg": "[metadata]\nname = sample\n[files]\nmodules = sample\n",
        "setup.py": "import setuptools\nsetuptools.setup(pbr=True)\n",
    },
    "dunamai": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "dunamai==1.25.0"'),
        "setup.py": "from dunamai import Version\n"
        + SETUP.format(version="Version.from_git().serialize()"),
    },
    "versioneer": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "versioneer==0.29"'),
        "setup.cfg": "[versioneer]\nVCS = git\nstyle = pep440\nversionfile_source = _v.py\ntag_prefix = v\n",
        "setup.py": "import versioneer\n" + SETUP.format(version="versioneer.get_version()"),
    },
    "setuptools-git-versioning": {
        "pyproject.toml": pyproject(f'{SETUPTOOLS}, "setuptools-git-versioning==2.1.0"')
        + PROJECT + MODULES + "[tool.setuptools-git-versioning]\nenabled = true\n",
    },
    "pdm-backend": {
        "pyproject.toml": pyproject('"pdm-backend==2.4.5"', "pdm.backend")
        + PROJECT + '[tool.pdm.version]\nsource = "scm"\n',
    },
    "git describe": {
        "pyproject.toml": pyproject(SETUPTOOLS), "setup.py": SETUP.format(version='git("describe")'),
    },
    "highest tag": {
        "pyproject.toml": pyproject(SETUPTOOLS),
        "setup.py": SETUP.format(
            version='git("-c", "versionsort.suffix=rc", "tag", "--list", "v*", "--sort=-v:refname")'
        ),
    },
    "newest tag": {
        "pyproject.toml": pyproject(SETUPTOOLS),
        "setup.py": SETUP.format(version='git("tag", "--list", "v*", "--sort=-creatordate")'),
    },
}  # fmt: skip


def tagged(folder: Path, files: Mapping[str, str], *, annotated: bool) -> Repository:
    """A project whose commit has many tags, as those before and after it."""
    made = Repository(folder / "project", {"sample.py": '"""A."""\n', ".gitignore": "*.egg-info\n", **files})
    made.tag("v1.2.2", annotated=True)
    made.tag("other-v9.9", annotated=True)
    made.tag("v1.2.3rc0", annotated=True)
    made.commit({"CHANGES": "1.2.3\n"})
    for name in ("v1", "nightly", "test-v1.2.3rc1", "docker-rebuild-v1.2.3", "other-v2.0"):
        made.tag(name)
    for name in ("v1.2", "v1.2.3rc1", "stable-9"):
        made.tag(name, annotated=True)
    made.tag("v1.2.3", annotated=annotated)
    return made


def checkout(made: Repository, folder: Path, tag: str, *, commit: str | None = None) -> Path:
    """Return what the sdist node checks out for a release, and an image node with `keep_git`."""
    tags, patterns = observe_tags(made.remote), TagPatterns()
    parsed = parse_tag(tag, patterns)
    assert isinstance(parsed, ParsedTag)
    shown = shown_tags(parsed, tags, patterns)
    Mirror(made.remote, folder / "mirrors").checkout(
        commit or tags[tag], folder / "source", print, tags=shown
    )
    return folder / "source"


def built_version(folder: Path, source: Path) -> str:
    """The version in the sdist's metadata."""
    sdist = build(
        "sdist", source,
        scratch=folder, readable=[*(folder / "mirrors").glob("*.git")], cache=folder.parent / "uv",
        epoch=1767225600, log=print, seconds={},
    )  # fmt: skip
    return read_metadata(sdist)["version"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("bubblewrap")
def test_every_backend_finds_the_tag_that_is_released(backend: str, tmp_path: Path) -> None:
    made = tagged(tmp_path, BACKENDS[backend], annotated=False)
    assert built_version(tmp_path, checkout(made, tmp_path, "v1.2.3")) == "1.2.3"


@pytest.mark.parametrize("backend", ["setuptools-scm", "hatch-vcs"])
def test_an_annotated_tag_is_found(backend: str, tmp_path: Path) -> None:
    made = tagged(tmp_path, BACKENDS[backend], annotated=True)
    assert built_version(tmp_path, checkout(made, tmp_path, "v1.2.3")) == "1.2.3"


@pytest.mark.parametrize("backend", ["setuptools-scm", "hatch-vcs", "dunamai", "versioneer"])
def test_a_test_release_is_found_by_its_version(backend: str, tmp_path: Path) -> None:
    made = tagged(tmp_path, BACKENDS[backend], annotated=True)
    assert built_version(tmp_path, checkout(made, tmp_path, "test-v1.2.3rc1")) == "1.2.3rc1"


@pytest.mark.parametrize("backend", ["setuptools-scm", "hatch-vcs"])
def test_a_candidate_is_found_where_the_release_is_on_it(backend: str, tmp_path: Path) -> None:
    made = tagged(tmp_path, BACKENDS[backend], annotated=True)
    assert built_version(tmp_path, checkout(made, tmp_path, "v1.2.3rc1")) == "1.2.3rc1"


def test_a_rebuilds_commit_has_the_version_of_its_release(tmp_path: Path) -> None:
    made = tagged(tmp_path, BACKENDS["setuptools-scm"], annotated=True)
    made.tag("v1.2.4", made.commit({"later": "x"}), annotated=True)
    rebuild = made.commit({"Dockerfile": "FROM fixed\n"})
    made.tag("docker-rebuild-v1.2.3")
    source = checkout(made, tmp_path, "v1.2.3", commit=rebuild)
    assert made.git("-C", source, "tag", "--points-at", "HEAD") == "v1.2.3"
    assert built_version(tmp_path, source) == "1.2.3"


# What git shows


def shown(made: Repository, source: Path) -> list[str]:
    return made.git("-C", source, "tag", "--list").splitlines()


@pytest.mark.parametrize("annotated", [True, False])
def test_one_tag_is_on_the_commit_and_lower_ones_before(tmp_path: Path, annotated: bool) -> None:
    made = tagged(tmp_path, {}, annotated=annotated)
    source = checkout(made, tmp_path, "v1.2.3")
    assert made.git("-C", source, "tag", "--points-at", "HEAD") == "v1.2.3"
    assert shown(made, source) == ["other-v9.9", "v1.2.2", "v1.2.3", "v1.2.3rc0"]
    assert made.git("-C", source, "describe") == "v1.2.3"
    assert made.git("-C", source, "describe", "--exact-match", "--match", "v1.2.2", "HEAD^") == "v1.2.2"


def test_an_annotated_tag_is_the_remotes_own(tmp_path: Path) -> None:
    made = tagged(tmp_path, {}, annotated=True)
    source = checkout(made, tmp_path, "v1.2.3")
    assert made.git("-C", source, "rev-parse", "v1.2.3") == made.git("rev-parse", "v1.2.3")
    assert made.git("-C", source, "tag", "--list", "--format=%(contents)", "v1.2.3").strip() == "v1.2.3"


def test_a_tag_of_a_candidates_tag_is_shown_by_its_own_name(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.tag("v1.0rc1", annotated=True)
    made.tag("v1.0", "v1.0rc1")
    source = checkout(made, tmp_path, "v1.0")
    assert made.git("-C", source, "describe") == "v1.0"
    assert shown(made, source) == ["v1.0"]


def test_a_tag_made_later_on_a_fetched_commit_is_shown(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    mirror.fetch(made.first)
    made.tag("v1.0", annotated=True)
    source = checkout(made, tmp_path, "v1.0")
    assert made.git("-C", source, "rev-parse", "v1.0") == made.git("rev-parse", "v1.0")


def test_tags_of_other_branches_and_of_later_are_not_shown(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.tag("v0.1")
    made.git("checkout", "--quiet", "-b", "other")
    made.tag("v0.2", made.commit({"other": "x"}))
    made.git("checkout", "--quiet", "main")
    release = made.commit({"main": "x"})
    made.tag("v1.0")
    made.commit({"later": "x"})
    made.tag("v0.3")
    source = checkout(made, tmp_path, "v1.0", commit=release)
    assert shown(made, source) == ["v0.1", "v1.0"]


def test_a_higher_version_before_the_release_is_not_shown(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    for name in ("v2.0.0a1", "test-v3.0", "v1.0", "2.0"):
        made.tag(name)
    made.commit({"a": "a"})
    made.tag("v1.1")
    assert shown(made, checkout(made, tmp_path, "v1.1")) == ["2.0", "v1.0", "v1.1"]


def test_a_moved_tag_is_shown_where_it_is_now(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.tag("v1.0", annotated=True)
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    mirror.fetch(made.first)
    moved = made.commit({"a": "a"})
    made.tag("v1.0", annotated=True)
    source = checkout(made, tmp_path, "v1.0")
    assert made.git("-C", source, "rev-parse", "v1.0^{commit}") == moved
    assert made.git("-C", source, "describe") == "v1.0"


def test_a_tag_of_a_tag_and_a_tag_of_a_tree_are_no_obstacle(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.tag("inner", annotated=True)
    made.tag("v0.9", "inner", annotated=True)
    made.tag("tree", "HEAD^{tree}")
    made.commit({"a": "a"})
    made.tag("v1.0", annotated=True)
    made.tag("v1.1", "v1.0", annotated=True)
    source = checkout(made, tmp_path, "v1.1")
    assert shown(made, source) == ["inner", "v0.9", "v1.1"]
    assert made.git("-C", source, "describe", "HEAD^") in {"inner", "v0.9"}
    made.git("-C", source, "fsck", "--strict")
