"""github_release: one published release, with the distributions and their sums, told from the version."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from packaging.version import Version
from upath import UPath

from release_assets import process
from release_assets.assets.github_release import is_latest, sha256sums
from release_assets.destinations import package_index
from release_assets.distributions.store import DistributionStore
from release_assets.nodes.step import Step
from release_assets.rules.tags import Channel, Release
from release_assets_tests.maintainer import BUILD, Maintainer
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.servers.assets.conftest import Released


def test_the_release_has_a_title_and_how_to_install_it(released: Released) -> None:
    maintainer = released.maintainer
    (release,) = maintainer.github_releases().values()
    assert (release["tag_name"], release["name"]) == ("v1.2.3", "Release v1.2.3")
    assert (release["draft"], release["prerelease"]) == (False, False)
    assert f"pip install {maintainer.name}==1.2.3" in release["body"]
    assert released.first.metadata("sdist")["sha256"] in release["body"]
    assert f"Built from commit {released.commit}." in release["body"]
    assert "docker pull" not in release["body"]
    metadata = released.first.metadata("github_release")
    assert metadata["release"] == release["html_url"]
    assert metadata["notes"] == release["body"]


def test_its_assets_are_the_published_files_and_their_sums(released: Released, tmp_path: Path) -> None:
    """The stand-in hands out no asset's bytes: the sums are made again, and compared by their size."""
    maintainer, first = released.maintainer, released.first
    (release,) = maintainer.github_releases().values()
    assert {asset["name"] for asset in release["assets"]} == {*maintainer.served(), "SHA256SUMS"}
    for file in maintainer.served().values():
        package_index.download(file, tmp_path)
    store = DistributionStore(
        UPath(maintainer.home / "storage" / "release_assets" / "distributions"), maintainer.name, "v1.2.3"
    )
    sdist, wheel = store.find("sdist"), store.find("wheel")
    assert sdist is not None
    assert wheel is not None
    sums = sha256sums([tmp_path / sdist.filename, tmp_path / wheel.filename])
    sizes = {asset["name"]: asset["size"] for asset in release["assets"]}
    assert sizes == {
        "SHA256SUMS": len(sums),
        **{first.metadata(kind)["file"]: first.metadata(kind)["size_bytes"] for kind in BUILD[1:]},
    }
    (tmp_path / "SHA256SUMS").write_text(sums)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    said = process.run(command, env=process.environment(LC_ALL="C"), timeout=10, directory=tmp_path)
    assert said.splitlines() == [
        f"{maintainer.name}-1.2.3.tar.gz: OK",
        f"{maintainer.name}-1.2.3-py3-none-any.whl: OK",
    ]


def test_materializing_again_changes_nothing(released: Released) -> None:
    before = released.maintainer.github_releases()
    again = released.maintainer.materialize(released.tag, "github_release")
    assert again.success
    assert released.maintainer.github_releases() == before


def test_a_persons_release_keeps_its_text_and_gets_the_files(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    path = f"/repos/{maintainer.github_repository}/releases"
    maintainer.stands.github("POST", path, tag_name="v1.2.3", name="Spring", body="By hand.")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success
    (release,) = maintainer.github_releases().values()
    assert (release["name"], release["body"]) == ("Spring", "By hand.")
    assert len(release["assets"]) == 3


def test_a_prerelease_is_marked_as_one(maintainer: Maintainer) -> None:
    maintainer.tag("v2.0.0-rc.1", "2.0.0rc1")
    outcome = maintainer.materialize("v2.0.0-rc.1")
    assert outcome.metadata("version")["channel"] == "prerelease"
    release = maintainer.github_releases()["v2.0.0-rc.1"]
    assert (release["prerelease"], release["draft"]) == (True, False)
    assert f"pip install {maintainer.name}==2.0.0rc1" in release["body"]


@pytest.mark.parametrize(
    ("tag", "latest"),
    [
        ("v1.10.0.post1", True),  # stable, and higher than 1.10.0
        ("v1.10.0", False),
        ("v1.9.9", False),  # a back-patch, which GitHub would take for the latest by its date
        ("v2.0.0rc1", False),
    ],
)
def test_latest_is_decided_by_version_and_not_by_date(maintainer: Maintainer, tag: str, latest: bool) -> None:
    stable = ("v1.10.0", "v1.9.9", "v1.10.0.post1")
    for name in (*stable, "v2.0.0rc1", "test-v4.0.0", "docker-rebuild-v5.0.0", "vr6"):
        maintainer.repository.tag(name)
    version = Version(tag.removeprefix("v"))
    channel = Channel.PRERELEASE if version.is_prerelease else Channel.STABLE
    release = Release(tag, version, maintainer.repository.first, channel)
    step = Step(maintainer.project, dg.build_asset_context(partition_key=tag))
    assert is_latest(release, step) is latest
    maintainer.attributes["github"]["latest"] = False  # another package of the repository has it
    step = Step(maintainer.project, dg.build_asset_context(partition_key=tag))
    assert is_latest(release, step) is False


def test_a_missing_repository_is_named_before_the_upload(maintainer: Maintainer) -> None:
    maintainer.attributes["github"]["repository"] = "maintainer/nothing-here"
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.materialized == ["version"]
    assert outcome.retried == []
    assert "maintainer/nothing-here" in outcome.words("version")
    assert "GITHUB_TOKEN" in outcome.words("version")
    assert maintainer.served() == {}


def test_a_project_with_an_image_tells_how_to_pull_it(maintainer: Maintainer, server: ScriptedServer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    assert maintainer.materialize("v1.2.3", *BUILD, "pypi_publication").success
    image = f"{server.url.removeprefix('http://')}/tests/sample"
    maintainer.attributes["image"] = {"repository": image}
    server.answers(Told(202))
    outcome = maintainer.materialize("v1.2.3", "github_release")
    assert outcome.success
    body = maintainer.github_releases()["v1.2.3"]["body"]
    assert f"docker pull {image}:1.2.3" in body
    assert "Platforms: linux/amd64, linux/arm64" in body


# Notes, title, template and assets of the user's own

CHANGELOG = "# Changelog\n\n## [1.2.3] - 2026-01-01\n\n- It is faster.\n\n## [1.2.2]\n\n- It works.\n"


def test_the_changelogs_section_is_below_the_users_title(maintainer: Maintainer) -> None:
    maintainer.attributes["github"] |= {"notes": "changelog", "title": "{name} {version}"}
    maintainer.tag("v1.2.3", "1.2.3", **{"CHANGELOG.md": CHANGELOG})
    assert maintainer.materialize("v1.2.3").success
    release = maintainer.github_releases()["v1.2.3"]
    assert release["name"] == f"{maintainer.name} 1.2.3"
    assert release["body"].startswith("- It is faster.\n\n## Install\n")
    assert "It works" not in release["body"]


def test_a_changelog_without_a_section_is_told_before_the_upload(maintainer: Maintainer) -> None:
    maintainer.attributes["github"]["notes"] = "changelog"
    commit = maintainer.tag("v1.2.4", "1.2.4", **{"CHANGELOG.md": CHANGELOG})
    outcome = maintainer.materialize("v1.2.4")
    assert outcome.materialized == ["version"]
    assert f"CHANGELOG.md has no section for 1.2.4 at v1.2.4 (commit {commit})" in outcome.words("version")
    assert "Add the heading `## 1.2.4`" in outcome.words("version")
    assert maintainer.served() == {}


def test_commits_since_the_release_before_are_the_text(maintainer: Maintainer) -> None:
    maintainer.attributes["github"]["notes"] = "commits"
    maintainer.tag("v1.2.2", "1.2.2")
    maintainer.repository.commit({"new.py": ""}, "feat: something new")
    maintainer.tag("v1.2.3", "1.2.3")
    assert maintainer.materialize("v1.2.3").success
    body = maintainer.github_releases()["v1.2.3"]["body"]
    assert body.startswith("## Added\n\n- Something new\n\n## Install\n")


def test_a_template_of_the_repository_is_the_page(maintainer: Maintainer) -> None:
    maintainer.attributes["github"] |= {"notes": "changelog", "template": ".github/release.md"}
    template = "# $name $version\n\n$notes\n\n$files\n"
    maintainer.tag("v1.2.3", "1.2.3", **{"CHANGELOG.md": CHANGELOG, ".github/release.md": template})
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success
    body = maintainer.github_releases()["v1.2.3"]["body"]
    assert body.startswith(f"# {maintainer.name} 1.2.3\n\n- It is faster.\n\n| ")
    assert outcome.metadata("sdist")["sha256"] in body


def test_files_of_the_repository_are_attached_and_summed(maintainer: Maintainer) -> None:
    maintainer.attributes["github"]["assets"] = ["install.sh", "schema/*.json"]
    files = {"install.sh": "#!/bin/sh\n", "schema/a.json": "{}", "schema/b.json": "[]", "schema/c.txt": ""}
    maintainer.tag("v1.2.3", "1.2.3", **files)
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success
    (release,) = maintainer.github_releases().values()
    names = {asset["name"] for asset in release["assets"]}
    assert names == {*maintainer.served(), "SHA256SUMS", "install.sh", "a.json", "b.json"}
    sums = next(asset for asset in release["assets"] if asset["name"] == "SHA256SUMS")
    assert sums["size"] == sum(64 + len(f"  {name}\n") for name in names - {"SHA256SUMS"})
    before = maintainer.github_releases()
    assert maintainer.materialize("v1.2.3", "github_release").success
    assert maintainer.github_releases() == before


@pytest.mark.parametrize(
    ("globs", "files", "words"),
    [
        (["man/*.1"], {}, "man/*.1 matches no file at commit"),
        (["a/x.txt", "b/x.txt"], {"a/x.txt": "", "b/x.txt": ""}, "b/x.txt would be attached as x.txt"),
        (["link"], {}, "link is a link"),
    ],
)
def test_assets_that_cannot_be_attached_fail_before_the_upload(
    maintainer: Maintainer, globs: list[str], files: dict[str, str], words: str
) -> None:
    maintainer.attributes["github"]["assets"] = globs
    (maintainer.repository.path / "link").symlink_to("/etc/passwd")
    maintainer.tag("v1.2.3", "1.2.3", **files)
    outcome = maintainer.materialize("v1.2.3")
    assert words in outcome.words("version")
    assert maintainer.served() == {}
    assert maintainer.github_releases() == {}


def test_what_github_generates_is_the_text(maintainer: Maintainer) -> None:
    """The stand-in writes which tag it was asked to start from."""
    maintainer.attributes["github"]["notes"] = "github"
    maintainer.tag("v1.2.2", "1.2.2")
    maintainer.tag("v2.0.0", "2.0.0")
    maintainer.tag("v1.2.3", "1.2.3")
    assert maintainer.materialize("v1.2.3").success
    text, _, rest = maintainer.github_releases()["v1.2.3"]["body"].partition("## Install\n")
    assert "previous: v1.2.2" in text
    assert f"pip install {maintainer.name}==1.2.3" in rest
