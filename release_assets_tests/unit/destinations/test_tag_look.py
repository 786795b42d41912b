"""A change of the tags is never missed, and without one git is not asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from release_assets.destinations import git, tag_look
from release_assets.destinations.tag_look import TagLook, digest_of, sign_of_files, tags_in
from release_assets.errors import ReleaseError
from release_assets_tests.repository import Repository
from release_assets_tests.scripted_server import ScriptedServer, Told
from tools.chaos.git_http import git_server


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(tag_look, "CLOCK_SECONDS", 0.0)
    made = Repository(tmp_path / "served" / "remote")
    made.tag("v1.0")
    made.tag("v1.1", annotated=True)
    return made


@pytest.fixture(params=["path", "http"])
def remote(repository: Repository, request: pytest.FixtureRequest) -> Iterator[str]:
    """The repository as a path of this machine, and served by git over HTTP."""
    if request.param == "path":
        yield repository.remote
    else:
        with git_server(repository.path.parent) as port:
            yield f"http://127.0.0.1:{port}/remote/.git"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The remotes that git was asked for, one for each process."""
    remotes: list[str] = []
    observe = git.observe_tags

    def observed(remote: str) -> dict[str, str]:
        remotes.append(remote)
        return observe(remote)

    monkeypatch.setattr(git, "observe_tags", observed)
    return remotes


def test_git_is_asked_once_for_tags_that_do_not_change(remote: str, asked: list[str]) -> None:
    looks = TagLook(remote)
    first = looks.look()
    assert first.tags is not None
    assert first.digest == digest_of(first.tags)
    for _ in range(3):
        assert looks.look() == tag_look.Look(first.digest, None)
    assert len(asked) == 1


@pytest.mark.parametrize("change", ["new", "annotated", "nested", "moved", "deleted", "packed and moved"])
def test_every_change_is_seen(remote: str, repository: Repository, change: str) -> None:
    repository.git("pack-refs", "--all")
    looks = TagLook(remote)
    before = looks.look()
    looks.look()
    commit = repository.commit({"a": "a"})
    match change:
        case "new":
            repository.tag("v2.0")
        case "annotated":
            repository.tag("v2.0", annotated=True)
        case "nested":
            repository.tag("core/v2.0")
        case "moved":
            repository.tag("v1.0")
        case "deleted":
            repository.untag("v1.0")
        case "packed and moved":
            repository.tag("v1.1", commit)
            repository.git("pack-refs", "--all")
    after = looks.look()
    assert after.digest != before.digest
    assert after.tags == git.observe_tags(remote)


def test_git_is_asked_again_after_some_minutes(
    remote: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_look, "GIT_SECONDS", 0.0)
    looks = TagLook(remote)
    assert all(looks.look().tags is not None for _ in range(3))
    assert len(asked) == 3


def test_a_repository_that_changed_a_moment_ago_is_not_believed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tags within one tick of the file system's clock leave the same time."""
    assert sign_of_files(repository.remote) is not None
    monkeypatch.setattr(tag_look, "CLOCK_SECONDS", 2.0)
    assert sign_of_files(repository.remote) is None
    old = time.time() - 60
    for path in (repository.path / ".git").rglob("*"):
        os.utime(path, (old, old))
    assert sign_of_files(repository.remote) is None  # by the time of the change of the inode


@pytest.mark.parametrize("remote", ["host:path/to", "git@github.com:o/r.git", "ssh://host/o/r", "missing"])
def test_what_is_no_folder_has_no_sign(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "not a repository").mkdir()
    assert sign_of_files(remote) is None
    assert sign_of_files("not a repository") is None


def test_a_remote_that_is_gone_is_an_error_and_no_unchanged_one(
    remote: str, repository: Repository, tmp_path: Path
) -> None:
    looks = TagLook(remote)
    looks.look()
    repository.path.rename(tmp_path / "away")
    with pytest.raises(ReleaseError):
        looks.look()
    (tmp_path / "away").rename(repository.path)
    assert looks.look().tags == git.observe_tags(remote)


@pytest.mark.parametrize(
    "told",
    [
        Told(401),
        Told(200, b"<html>a proxy's page"),
        Told(200, b"0000"),
        Told(301, headers={"Location": "https://elsewhere.example/"}),
        Told(500),
        Told(200, b"003d" + b"a" * 40 + b" refs/tags/v9.9\n0000"),
    ],
    ids=["login", "html", "empty", "redirect", "error", "other tags"],
)
def test_an_answer_that_is_not_gits_own_changes_nothing(
    told: Told, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user's configuration of git leads to counts: another address, a login, a proxy."""
    tags = {"v1.0": "b" * 40}
    asked: list[str] = []

    def observed(remote: str) -> dict[str, str]:
        asked.append(remote)
        return tags

    monkeypatch.setattr(git, "observe_tags", observed)
    server.answers(told)
    looks = TagLook(f"{server.url}/o/r.git")
    for _ in range(3):
        assert looks.look() == tag_look.Look(digest_of(tags), tags)
    assert len(asked) == 3
    assert len(server.seen) == 1  # not asked in vain at each look


def test_a_server_that_trickles_does_not_hold_the_tick(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_look, "HTTP_SECONDS", 0.5)
    monkeypatch.setattr(git, "observe_tags", lambda _: {})
    server.answers(lambda handler: server.drip(handler, b"HTTP/1.1 200 OK\r\n", b"X"))
    started = time.monotonic()
    assert TagLook(f"{server.url}/o/r.git").look().tags == {}
    assert time.monotonic() - started < 5


def test_an_answer_without_an_end_fills_no_memory(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_look, "HTTP_LIMIT", 1000)
    monkeypatch.setattr(git, "observe_tags", lambda _: {})
    server.answers(Told(200, b"0000" * 1000))
    looks = TagLook(f"{server.url}/o/r.git")
    assert looks.look().tags == {}
    assert looks.look().tags == {}


@pytest.mark.parametrize("listing", [b"", b"0", b"zzzz", b"0003", b"00ffabc", b"0001", b"+004", b"0005a"])
def test_a_listing_that_is_cut_off_or_garbage_is_none(listing: bytes) -> None:
    assert tags_in(listing) is None


def test_no_secret_and_no_login_is_sent(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cr3t\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(git, "observe_tags", lambda _: {})
    server.answers(Told(200, b"0000"))
    TagLook(f"{server.url}/o/r.git").look()
    assert "authorization" not in server.seen[0].headers
