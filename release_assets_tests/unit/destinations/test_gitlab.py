"""GitLab releases: files first, then the release with links to all of them, whatever is lost between."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from release_assets.destinations.gitlab import GitLabReleases, PackageFile, release_plan
from release_assets.destinations.gitlab.host import package_version
from release_assets.destinations.releases import WantedAsset, WantedRelease
from release_assets.errors import ConflictError, PermanentError, TransientError
from release_assets_tests.gitlab_server import TOKEN, GitLab, gitlab_server

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def lab() -> Iterator[GitLab]:
    with gitlab_server() as running:
        yield running


@pytest.fixture
def said() -> list[str]:
    return []


def host(lab: GitLab, token: str | None = TOKEN) -> GitLabReleases:
    return GitLabReleases(f"{lab.url}/api/v4", lab.project, token, "GITLAB_TOKEN", sleep=lambda _: None)


def asset(folder: Path, name: str, content: bytes = b"ours") -> WantedAsset:
    file = folder / name
    file.write_bytes(content)
    return WantedAsset(file, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def wanted(tmp_path: Path) -> WantedRelease:
    assets = asset(tmp_path, "a-1.0.tar.gz"), asset(tmp_path, "SHA256SUMS", b"sums")
    return WantedRelease("v1.0", "c" * 40, "Release v1.0", "Notes.", False, True, assets)


def test_files_come_first_and_one_request_publishes(
    lab: GitLab, wanted: WantedRelease, said: list[str]
) -> None:
    published, seconds, lacking = host(lab).publish_release(wanted, said.append)
    writes = [asked for asked in lab.asked if not asked.startswith("GET")]
    assert writes == [
        "PUT /packages/generic/releases/v1.0/a-1.0.tar.gz",
        "PUT /packages/generic/releases/v1.0/SHA256SUMS",
        "POST /releases",
    ]
    assert published.url == f"{lab.url}/group/sub/sample/-/releases/v1.0"
    assert (published.name, published.body, lacking) == ("Release v1.0", "Notes.", ())
    assert [one.digest for one in published.assets] == [f"sha256:{one.sha256}" for one in wanted.assets]
    assert published.assets[0].url.endswith("/-/releases/v1.0/downloads/a-1.0.tar.gz")
    assert set(seconds) == {"assets", "publish"}
    assert lab.releases["v1.0"]["commit"]["id"] == wanted.commit


def test_again_changes_nothing(lab: GitLab, wanted: WantedRelease, said: list[str]) -> None:
    host(lab).publish_release(wanted, said.append)
    lab.asked.clear()
    assert host(lab).is_complete(wanted)
    host(lab).publish_release(wanted, said.append)
    assert all(asked.startswith("GET") for asked in lab.asked)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_doubles_nothing(
    lab: GitLab, wanted: WantedRelease, said: list[str], lost: int
) -> None:
    lab.loses = lost
    host(lab).publish_release(wanted, said.append)
    assert sorted(lab.names()) == ["SHA256SUMS", "a-1.0.tar.gz"]
    assert list(lab.releases) == ["v1.0"]


def test_a_server_that_fails_is_asked_again(lab: GitLab, wanted: WantedRelease, said: list[str]) -> None:
    lab.fails = [502, 429]
    host(lab).publish_release(wanted, said.append)
    assert "v1.0" in lab.releases
    assert any("GitLab answered 502: it fails. Looking again in 1 s." in line for line in said)


def test_a_server_that_keeps_failing_is_an_error(lab: GitLab, wanted: WantedRelease, said: list[str]) -> None:
    lab.fails = [500] * 9
    with pytest.raises(TransientError, match="GitLab answered 500"):
        host(lab).publish_release(wanted, said.append)
    assert lab.releases == {}  # nothing is half public


def test_a_persons_release_keeps_its_text_and_gets_the_files(
    lab: GitLab, wanted: WantedRelease, said: list[str]
) -> None:
    person = replace(wanted, name="Mine", body="My words.", assets=())
    host(lab).publish_release(person, said.append)
    published, _, _ = host(lab).publish_release(wanted, said.append)
    assert (published.name, published.body) == ("Mine", "My words.")
    assert [one.name for one in published.assets] == ["a-1.0.tar.gz", "SHA256SUMS"]


def test_other_bytes_are_replaced_while_nothing_is_public(
    lab: GitLab, wanted: WantedRelease, said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = replace(wanted, assets=(asset(tmp_path / "other", "a-1.0.tar.gz", b"half"),))
    api = host(lab)._api
    api.upload("/packages/generic/releases/v1.0/a-1.0.tar.gz", other.assets[0].path, "uploading")
    published, _, _ = host(lab).publish_release(wanted, said.append)
    assert published.assets[0].digest == f"sha256:{wanted.assets[0].sha256}"
    assert lab.names() == ["a-1.0.tar.gz", "SHA256SUMS"]


def test_other_bytes_in_a_published_release_are_a_conflict(
    lab: GitLab, wanted: WantedRelease, said: list[str], tmp_path: Path
) -> None:
    host(lab).publish_release(wanted, said.append)
    (tmp_path / "other").mkdir()
    other = replace(wanted, assets=(asset(tmp_path / "other", "a-1.0.tar.gz", b"others"),))
    with pytest.raises(ConflictError, match=r"has a-1\.0\.tar\.gz with other bytes: sha256:.*, ours is"):
        host(lab).publish_release(other, said.append)


def test_a_link_to_elsewhere_is_a_conflict(lab: GitLab, wanted: WantedRelease, said: list[str]) -> None:
    host(lab).publish_release(wanted, said.append)
    lab.releases["v1.0"]["assets"]["links"][0]["url"] = "https://mallory.example/a-1.0.tar.gz"
    with pytest.raises(ConflictError, match="not a file of this project's package registry"):
        host(lab).publish_release(wanted, said.append)


def test_an_epoch_is_written_as_gitlab_accepts_it(
    lab: GitLab, wanted: WantedRelease, said: list[str], tmp_path: Path
) -> None:
    odd = replace(wanted, tag="v1!2.0+x/y", assets=(asset(tmp_path, "a-1!2.0.tar.gz"),))
    published, _, _ = host(lab).publish_release(odd, said.append)
    assert [one.name for one in published.assets] == ["a-1.2.0.tar.gz"]
    assert package_version("v1!2.0+x/y") == "v1-2.0+x-y"


def test_published_releases_cost_one_request_where_nothing_changed(
    lab: GitLab, wanted: WantedRelease, said: list[str]
) -> None:
    host(lab).publish_release(wanted, said.append)
    first = host(lab).published_releases([])
    assert [release.tag for release in first.releases] == ["v1.0"]
    lab.asked.clear()
    again = host(lab).published_releases(first.pages, turn=1)
    assert (again.releases, again.pages, lab.asked) == ((), first.pages, ["GET /releases"])
    host(lab).publish_release(replace(wanted, tag="v1.1"), said.append)
    assert {release.tag for release in host(lab).published_releases(first.pages, turn=2).releases} == {
        "v1.0", "v1.1"
    }  # fmt: skip


def test_a_release_of_the_future_is_not_published(
    lab: GitLab, wanted: WantedRelease, said: list[str]
) -> None:
    host(lab).publish_release(wanted, said.append)
    lab.releases["v1.0"]["upcoming_release"] = True
    assert host(lab).published_releases([]).releases == ()


def test_a_project_that_is_not_visible_has_no_missing_release(lab: GitLab) -> None:
    assert host(lab).find_release("v1.0") is None
    with pytest.raises(PermanentError, match="answered 404"):
        host(lab, token=None).find_release("v1.0")


def test_a_refused_token_is_told_and_not_shown(lab: GitLab) -> None:
    with pytest.raises(PermanentError) as refused:
        host(lab, token="glpat-wrong-and-secret").check_access()
    assert "answered 401" in refused.value.problem
    assert "GITLAB_TOKEN" in refused.value.remedy
    assert "glpat-wrong-and-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"archived": True}, "it is archived"), ({"role": 20}, "the token's role is 20; expected 30")],
)
def test_a_project_that_cannot_be_written_is_refused(
    lab: GitLab, changed: dict[str, object], words: str
) -> None:
    host(lab).check_access()
    for name, value in changed.items():
        setattr(lab, name, value)
    with pytest.raises(PermanentError, match=words):
        host(lab).check_access()


def test_the_plan_of_a_complete_release_is_empty(wanted: WantedRelease) -> None:
    files = [
        PackageFile(1, number, one.name, one.size, one.sha256) for number, one in enumerate(wanted.assets)
    ]
    plan = release_plan(None, files, wanted)
    assert (plan.upload, plan.delete, plan.create, plan.is_done) == ((), (), True, False)
