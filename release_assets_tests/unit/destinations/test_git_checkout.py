"""A checkout: the same bytes, modes and times on every machine, and nothing that tells which one it was."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release_assets.destinations.git import Mirror, observe_tags
from release_assets.destinations.git.submodules import absolute_url
from release_assets.errors import PermanentError
from release_assets.rules.tags import ShownTags
from release_assets_tests.repository import Repository

KINDS = ("plain", "history", "whole")


@pytest.fixture(autouse=True)
def _submodules_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # git refuses submodules from paths unless the user allows it; real ones come over https.
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    """A repository with a history, branches, modes, links, and a submodule that has one of its own."""
    inner = Repository(tmp_path / "inner", {"inner.py": "x = 1\n"})
    inner.commit({"inner.py": "x = 2\n"}, "inner's second")
    library = with_submodule(
        Repository(tmp_path / "library", {"library.py": "x = 1\n"}), "inner", "deep/inner"
    )
    library.tag("v9.9.9")
    made = Repository(tmp_path / "project", {"pkg/a.py": "x = 1\n" * 1000, "pkg/b.py": "y = 1\n"})
    made.tag("v0.9", annotated=True)
    for number in range(5):
        made.commit({"pkg/a.py": "x = 1\n" * 1000 + f"z = {number}\n"}, f"commit {number}")
    (made.path / "run").write_text("#!/bin/sh\n")
    (made.path / "run").chmod(0o755)
    (made.path / "link").symlink_to("pkg/a.py")
    (made.path / "dangling").symlink_to("/nowhere")
    with_submodule(made, "library", "vendor")
    made.tag("v1.0", annotated=True)
    made.git("branch", "feature", "HEAD~2")
    return made


def with_submodule(made: Repository, name: str, path: str) -> Repository:
    made.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"../{name}", path)
    made.commit({}, f"add {name}")
    return made


def check_out(made: Repository, folder: Path, kind: str, *, commit: str = "HEAD") -> Path:
    """A checkout of one kind, from a mirror in `folder`."""
    tags = observe_tags(made.remote)
    sha = made.git("rev-parse", commit)
    Mirror(made.remote, folder / "mirrors").checkout(
        sha, folder / kind, print,
        tags=None if kind == "plain" else ShownTags("v1.0", tags), whole=kind == "whole",
    )  # fmt: skip
    return folder / kind


def walk(directory: Path) -> Iterator[tuple[str, os.stat_result, bytes]]:
    """All that is in a folder, itself included: path, state, and bytes or where a link leads."""
    for path in sorted((directory, *directory.rglob("*"))):
        if path.is_symlink():
            content = str(path.readlink()).encode()
        else:
            content = path.read_bytes() if path.is_file() else b""
        yield str(path.relative_to(directory)), path.lstat(), content


def state(directory: Path) -> list[tuple[str, str, int, bytes]]:
    """Return what a build can see of a folder: paths, modes, times and bytes."""
    return [(name, oct(stat.st_mode), stat.st_mtime_ns, content) for name, stat, content in walk(directory)]


@pytest.mark.parametrize("kind", ["plain", "whole"])
def test_two_machines_get_the_same(project: Repository, tmp_path: Path, kind: str) -> None:
    one, other = tmp_path / "one", tmp_path / "elsewhere" / "other"
    expected = state(check_out(project, one, kind))
    # Another history of fetches, packs and umasks, below a folder that hands on its group.
    other.mkdir(parents=True)
    other.chmod(0o2775)
    mirror = Mirror(project.remote, other / "mirrors")
    mirror.fetch(project.git("rev-parse", "v0.9"))
    project.commit({"pkg/b.py": "later\n"})
    mirror.fetch(project.git("rev-parse", "HEAD"))
    mirror.git("repack", "-a", "-d", "-f", "--window=1")
    mirror.git("commit-graph", "write", "--reachable")
    before = os.umask(0o077)
    try:
        found = state(check_out(project, other, kind, commit="v1.0^{commit}"))
    finally:
        os.umask(before)
    assert found == expected


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
@pytest.mark.parametrize("kind", KINDS)
def test_modes_are_those_that_git_records(project: Repository, tmp_path: Path, kind: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        source = check_out(project, tmp_path, kind)
    finally:
        os.umask(before)
    modes = {name: oct(stat.st_mode) for name, stat, _ in walk(source) if ".git/" not in f"{name}/"}
    expected = dict.fromkeys((".", "pkg", "vendor", "vendor/deep", "vendor/deep/inner"), "0o40755")
    expected |= dict.fromkeys(("link", "dangling"), "0o120777")
    expected |= {"run": "0o100755"}
    assert modes == dict.fromkeys(modes, "0o100644") | expected


def test_a_context_has_no_repository_in_it(project: Repository, tmp_path: Path) -> None:
    source = check_out(project, tmp_path, "plain")
    assert list(source.rglob(".git")) == []
    assert (source / "vendor" / "deep" / "inner" / "inner.py").read_text() == "x = 2\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "home",
        "inner",
        "library",
        "mirrors",
        "plain",
        "project",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_tells_on_which_machine_it_was_made(
    project: Repository, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = (tmp_path / "home" / ".gitconfig").read_text()
    (tmp_path / "home" / ".gitconfig").write_text(
        f"{configuration}[user]\n\tname = Anna Person\n\temail = anna@example.org\n"
    )
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Anna Person")
    secrets = [b"Anna Person", b"anna@example.org", str(tmp_path).encode(), socket.gethostname().encode()]
    secrets.append(f"/home/{getpass.getuser()}".encode())
    for name, _, content in walk(check_out(project, tmp_path, kind)):
        assert not any(secret in content for secret in secrets), name
        assert not {"logs", "hooks", "FETCH_HEAD", "ORIG_HEAD"} & set(Path(name).parts), name


@pytest.mark.parametrize("kind", ["history", "whole"])
def test_git_finds_a_clean_repository(project: Repository, tmp_path: Path, kind: str) -> None:
    source = check_out(project, tmp_path, kind)
    count = project.git("rev-list", "--count", "HEAD")
    for folder in (source, source / "vendor", source / "vendor" / "deep" / "inner"):
        assert project.git("-C", folder, "status", "--porcelain") == ""
        project.git("-C", folder, "fsck", "--strict", "--no-progress")
    assert project.git("-C", source, "describe", "--dirty") == "v1.0"
    assert project.git("-C", source, "describe", "--long", "HEAD^") == (
        f"v0.9-5-g{project.git('rev-parse', '--short', 'HEAD^')}"
    )
    assert project.git("-C", source, "rev-list", "--count", "HEAD") == count
    assert project.git("-C", source, "branch", "--list", "--all") == "* (no branch)"
    assert project.git("-C", source, "remote") == ""
    files = project.git("-C", source, "ls-files", "--recurse-submodules").splitlines()
    assert {"pkg/a.py", "vendor/library.py", "vendor/deep/inner/inner.py"} <= set(files)
    assert not project.git("-C", source, "submodule", "status").startswith(("-", "+", "U"))


def test_a_whole_repository_needs_no_other(project: Repository, tmp_path: Path) -> None:
    source = check_out(project, tmp_path, "whole")
    moved = tmp_path / "moved"
    shutil.copytree(source, moved, symlinks=True)
    for gone in ("mirrors", "project", "library", "inner", "whole"):
        shutil.rmtree(tmp_path / gone)
    inner = Repository(tmp_path / "any")
    assert inner.git("-C", moved, "describe", "--dirty") == "v1.0"
    inner.git("-C", moved, "fsck", "--strict", "--no-progress")
    assert inner.git("-C", moved / "vendor", "log", "--format=%s") == "add inner"
    assert "commit 3" in inner.git("-C", moved, "log", "--format=%s", "-p")


def test_a_repository_shows_where_its_objects_are_by_a_link(project: Repository, tmp_path: Path) -> None:
    source = check_out(project, tmp_path, "history")
    link = tmp_path / f"history-{Mirror(project.remote, tmp_path).path.stem}"
    assert link.is_symlink()
    alternates = (source / ".git" / "objects" / "info" / "alternates").read_text()
    assert alternates == f"../../../{link.name}\n"


def test_times_are_the_commits_and_no_two_commits_share_one(project: Repository, tmp_path: Path) -> None:
    later = project.commit({"pkg/b.py": "y = 2\n"})  # the same size in the same second
    once, again = (
        {
            stat.st_mtime_ns
            for _, stat, _ in walk(check_out(project, tmp_path / commit[:4], "plain", commit=commit))
        }
        for commit in ("v1.0^{commit}", later)
    )
    assert len(once) == len(again) == 1
    assert once != again
    committed = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert {time // 10**9 for time in once | again} == {committed}


@pytest.mark.parametrize("date", ["@99999999999 +0000", "@0 +0000"])
def test_a_time_that_no_file_can_have_is_no_obstacle(tmp_path: Path, date: str) -> None:
    made = Repository(tmp_path / "project")
    tree = made.git("rev-parse", "HEAD^{tree}")
    author, committer = (
        f"{who} A <a@example.org> {date.removeprefix('@')}" for who in ("author", "committer")
    )
    (tmp_path / "commit").write_text(f"tree {tree}\n{author}\n{committer}\n\nodd\n")
    made.git(
        "update-ref", "refs/heads/odd", made.git("hash-object", "-t", "commit", "-w", tmp_path / "commit")
    )
    assert (check_out(made, tmp_path, "plain", commit="odd") / "README.md").is_file()


# Submodules


def test_a_second_checkout_of_submodules_needs_no_remote(project: Repository, tmp_path: Path) -> None:
    mirror = Mirror(project.remote, tmp_path / "mirrors")
    sha = project.git("rev-parse", "HEAD")
    mirror.checkout(sha, tmp_path / "once", print)
    for remote in ("project", "library", "inner"):
        (tmp_path / remote).rename(tmp_path / f"{remote}-gone")
    mirror.checkout(sha, tmp_path / "again", print)
    assert state(tmp_path / "again") == state(tmp_path / "once")


def test_of_a_submodule_only_its_commit_is_fetched(project: Repository, tmp_path: Path) -> None:
    source = check_out(project, tmp_path, "history")
    assert project.git("-C", source / "vendor" / "deep" / "inner", "rev-list", "--count", "HEAD") == "1"


def test_a_server_that_hands_out_branches_only_is_served(project: Repository, tmp_path: Path) -> None:
    (tmp_path / "home" / ".gitconfig").write_text(
        '[protocol]\n\tversion = 0\n[protocol "file"]\n\tallow = always\n'
    )
    library = ("-C", tmp_path / "library")
    project.git(*library, "tag", "--delete", "v9.9.9")
    project.git(*library, "commit", "--quiet", "--allow-empty", "--message", "newer")
    source = check_out(project, tmp_path, "history")
    assert project.git("-C", source / "vendor", "log", "--format=%s") == "add inner\nfirst"


@pytest.mark.parametrize("entry", ["", "\tupdate = none\n"])
def test_a_submodule_that_the_project_leaves_out_is_said(
    entry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Repository(tmp_path / "project")
    made.git("update-index", "--add", "--cacheinfo", f"160000,{made.first},vendor")
    modules = '[submodule "vendor"]\n\tpath = vendor\n\turl = ../library\n' if entry else "# none\n"
    (made.path / ".gitmodules").write_text(modules + entry)
    made.git("add", ".gitmodules")
    made.git("commit", "--quiet", "--message", "submodule")
    source = check_out(made, tmp_path, "plain")
    assert list((source / "vendor").iterdir()) == []
    assert "submodule vendor is left out: .gitmodules has " in capsys.readouterr().out


def test_a_submodules_commit_that_is_nowhere_is_named(project: Repository, tmp_path: Path) -> None:
    project.git("update-index", "--cacheinfo", f"160000,{'d' * 40},vendor")
    project.git("commit", "--quiet", "--message", "submodule")
    with pytest.raises(PermanentError) as caught:
        check_out(project, tmp_path, "plain")
    assert caught.value.problem == (
        f"{tmp_path}/library, a submodule of {project.remote}, does not hand out commit {'d' * 40}"
    )


@pytest.mark.parametrize(
    ("remote", "url", "absolute"),
    [
        ("https://host/owner/project.git", "../library.git", "https://host/owner/library.git"),
        ("https://host/owner/project.git/", "../../other/library.git", "https://host/other/library.git"),
        ("https://host/owner/project", "./library", "https://host/owner/project/library"),
        ("git@host:owner/project.git", "../library.git", "git@host:owner/library.git"),
        ("git@host:project.git", "../library.git", "git@host:library.git"),
        ("/srv/git/project", "../library/", "/srv/git/library"),
        ("https://host/owner/project", "https://other/library", "https://other/library"),
        ("https://host/owner/project", "git@host:owner/library", "git@host:owner/library"),
    ],
)
def test_a_relative_url_starts_from_the_projects_remote(remote: str, url: str, absolute: str) -> None:
    assert absolute_url(remote, url) == absolute
