"""The git remote, against real repositories: what its tags name, and a clean checkout of a commit."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release_assets.destinations.git import Commit, Mirror, observe_tags, parse_tags
from release_assets.errors import PermanentError, TransientError
from release_assets.rules.tags import ShownTags
from release_assets_tests.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "remote")


@pytest.fixture
def mirror(repository: Repository, tmp_path: Path) -> Mirror:
    return Mirror(repository.remote, tmp_path / "mirrors")


def checkout(mirror: Mirror, commit: str, directory: Path, *, released: str | None = None) -> Path:
    """The files of a commit, and where it is `released` as a tag, a repository that shows it."""
    tags = None if released is None else ShownTags(released, observe_tags(mirror.remote))
    mirror.checkout(commit, directory, log=print, tags=tags)
    return directory


def files_in(directory: Path) -> set[str]:
    return {
        str(file.relative_to(directory))
        for file in directory.rglob("*")
        if not file.is_dir() and ".git" not in file.relative_to(directory).parts
    }


# Tags


def test_a_repository_without_tags_has_none(repository: Repository) -> None:
    assert observe_tags(repository.remote) == {}


def test_lightweight_and_annotated_tags_name_their_commit(repository: Repository) -> None:
    repository.tag("v1.0")
    repository.tag("v1.1", annotated=True)
    assert observe_tags(repository.remote) == {"v1.0": repository.first, "v1.1": repository.first}


def test_a_tag_of_a_tag_names_the_commit_at_its_end(repository: Repository) -> None:
    repository.tag("inner", annotated=True)
    repository.tag("v1.0", "inner", annotated=True)
    assert observe_tags(repository.remote)["v1.0"] == repository.first


def test_a_moved_tag_and_a_deleted_tag_are_seen(repository: Repository) -> None:
    repository.tag("v1.0")
    repository.tag("v1.1")
    moved_to = repository.commit({"a": "a"})
    repository.tag("v1.0")
    repository.untag("v1.1")
    assert observe_tags(repository.remote) == {"v1.0": moved_to}


def test_tag_names_are_read_whole(repository: Repository) -> None:
    names = ["core/v1.0", "v1.0-\u00fc", 'v1.0"quoted"', "v1.0'$(id)", "v1.0;id", "v1.0%20", "v1.0}{", "v,1"]
    for name in names:
        repository.tag(name)
    assert set(observe_tags(repository.remote)) == set(names)


def test_a_tag_with_a_line_separator_in_it_is_not_another_tag(repository: Repository) -> None:
    for name in ("v9.9.9\u2028x", "v9.9.8\u0085x"):
        repository.tag(name)
    assert set(observe_tags(repository.remote)) == {"v9.9.9\u2028x", "v9.9.8\u0085x"}


def test_branches_are_no_tags(repository: Repository) -> None:
    repository.git("branch", "v1.0")
    repository.git("branch", "tags/v1.1")
    assert observe_tags(repository.remote) == {}


def test_what_is_no_tag_in_the_answer_is_passed_by() -> None:
    commit, annotation = "c" * 40, "a" * 40
    assert parse_tags(
        f"warning: something\n{annotation}\trefs/tags/v1\n{commit}\trefs/tags/v1^{{}}\n"
        f"{commit}\trefs/heads/v2\nnonsense\trefs/tags/v3\n{commit}\n\n{'d' * 64}\trefs/tags/sha256\n"
    ) == {"v1": commit, "sha256": "d" * 64}


# A remote that does not answer


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_repository_that_is_gone_is_a_matter_for_a_person(tmp_path: Path, prefix: str) -> None:
    remote = f"{prefix}{tmp_path / 'gone'}"
    with pytest.raises(PermanentError) as caught:
        observe_tags(remote)
    assert caught.value.problem.startswith(f"git cannot use {remote}: ")
    assert "does not appear to be a git repository" in caught.value.problem
    assert "may read it (`git ls-remote`)" in caught.value.remedy


def test_a_folder_that_is_no_repository_is_a_matter_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="does not appear to be a git repository"):
        observe_tags(str(tmp_path))


def test_a_server_that_is_down_is_asked_again() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and never listens: connections are refused
        remote = f"http://127.0.0.1:{held.getsockname()[1]}/401/sample403.git"  # and these are not statuses
        with pytest.raises(TransientError) as caught:
            observe_tags(remote)
    assert caught.value.problem.startswith(f"git cannot reach {remote}: failed with exit status 128. ")
    assert caught.value.remedy == "Check the network and the remote; the next attempt asks again."


def test_a_host_without_a_name_is_asked_again() -> None:
    with pytest.raises(TransientError, match="Could not resolve host"):
        observe_tags("http://no-such-host.invalid/sample.git")


@pytest.mark.parametrize("remote", ["--upload-pack=touch pwned", "ext::touch pwned"])
def test_a_remote_is_never_run(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((PermanentError, TransientError)):
        observe_tags(remote)
    assert list(tmp_path.iterdir()) == []


# Fetching


def test_a_commit_is_described(repository: Repository, mirror: Mirror) -> None:
    sha = repository.commit({}, "Release 1.0: faster, & \u00fcber")
    assert mirror.fetch(sha) == Commit(
        sha, "Release 1.0: faster, & \u00fcber", "Maintainer", datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert mirror.fetch(sha).epoch == 1767225600


def test_a_commit_that_is_on_no_branch_but_only_on_a_tag_is_fetched(
    repository: Repository, mirror: Mirror
) -> None:
    loose = repository.commit({"loose": "x"}, "on a tag only")
    repository.tag("v1.0")
    repository.git("reset", "--quiet", "--hard", repository.first)
    assert mirror.fetch(loose).subject == "on a tag only"


def test_a_commit_that_is_here_is_not_asked_for_again(repository: Repository, mirror: Mirror) -> None:
    mirror.fetch(repository.first)
    shutil.rmtree(repository.path)
    assert mirror.fetch(repository.first).sha == repository.first
    assert Mirror(mirror.remote, mirror.path.parent).fetch(repository.first).sha == repository.first
    with pytest.raises(PermanentError, match="does not appear to be a git repository"):
        mirror.fetch("d" * 40)


def test_a_mirror_follows_moved_tags_rewritten_branches_and_renamed_folders(
    repository: Repository, mirror: Mirror
) -> None:
    repository.tag("v1.0")
    repository.git("branch", "feature")
    old = repository.commit({"a": "1"})
    mirror.fetch(old)
    repository.git("branch", "--delete", "--force", "feature")
    repository.git("branch", "feature/one")  # a folder where a file was
    repository.git("reset", "--quiet", "--hard", repository.first)
    new = repository.commit({"a": "2"})
    repository.tag("v1.0")
    assert mirror.fetch(new).sha == new
    assert mirror.fetch(old).sha == old  # what was released before is still known


def test_a_commit_that_the_remote_does_not_hand_out_is_named(repository: Repository, mirror: Mirror) -> None:
    with pytest.raises(PermanentError) as caught:
        mirror.fetch("d" * 40)
    assert caught.value.problem == (
        f"{repository.remote} names commit {'d' * 40} in a tag, but does not hand it out"
    )
    assert caught.value.remedy == "Push the commit together with its tag."


@pytest.mark.parametrize(("target", "kind"), [("HEAD^{tree}", "tree"), ("HEAD:README.md", "blob")])
def test_a_tag_of_something_else_is_no_commit(
    repository: Repository, mirror: Mirror, target: str, kind: str
) -> None:
    repository.tag("v1.0", target, annotated=True)
    with pytest.raises(PermanentError, match=f"which is a {kind} and not a commit"):
        mirror.fetch(observe_tags(repository.remote)["v1.0"])


def test_a_fetch_that_was_cut_off_is_begun_again(repository: Repository, mirror: Mirror) -> None:
    mirror.path.mkdir(parents=True)
    assert mirror.fetch(repository.first).sha == repository.first


@pytest.mark.parametrize("lock", ["packed-refs.lock", "refs/tags/v1.0.lock", "refs/heads/main.lock"])
def test_a_lock_left_by_a_killed_fetch_is_no_obstacle(
    repository: Repository, mirror: Mirror, lock: str
) -> None:
    mirror.fetch(repository.first)
    sha = repository.commit({"a": "a"})
    repository.tag("v1.0")
    (mirror.path / lock).touch()
    assert mirror.fetch(sha).sha == sha


def test_steps_that_fetch_at_the_same_time_all_get_the_commit(repository: Repository, tmp_path: Path) -> None:
    commits = [repository.commit({"n": str(n)}) for n in range(4)]

    def fetch_and_checkout(n: int) -> str:
        mirror = Mirror(repository.remote, tmp_path / "mirrors")
        source = checkout(mirror, commits[n], tmp_path / f"source-{n}")
        return (source / "n").read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fetch_and_checkout, range(4))) == ["0", "1", "2", "3"]


def test_repositories_have_mirrors_of_their_own(tmp_path: Path) -> None:
    one, other = Repository(tmp_path / "one"), Repository(tmp_path / "other", {"other": "x"})
    mirrors = [Mirror(repository.remote, tmp_path / "mirrors") for repository in (one, other)]
    assert mirrors[0].path != mirrors[1].path
    assert [mirror.fetch(repo.first).sha for mirror, repo in zip(mirrors, (one, other), strict=True)] == [
        one.first,
        other.first,
    ]


# Reading files

ODD_NAMES = [
    "na\u00efve file.py",
    "glob[1]*?.py",
    "-dash",
    "pkg/--double",
    'quote"s',
    "new\nline",
    "dollar$(id)",
    "star*",
    " space ",
    ".hidden/version",
]


def test_files_are_read_from_the_commit_whatever_their_name(repository: Repository, mirror: Mirror) -> None:
    sha = repository.commit({name: f"text of {name}\n" for name in ODD_NAMES})
    repository.commit(dict.fromkeys(ODD_NAMES, "later\n"))
    mirror.fetch(sha)
    for name in ODD_NAMES:
        assert mirror.read(sha, name) == f"text of {name}\n"


def test_a_file_that_is_not_in_the_commit_is_none(repository: Repository, mirror: Mirror) -> None:
    sha = repository.commit({"pkg/version.py": "x", "starry": "y"})
    mirror.fetch(sha)
    for name in ("missing.py", "pkg/missing.py", "pkg", "star*", "VERSION", "README.md/x"):
        assert mirror.read(sha, name) is None


@pytest.mark.parametrize(
    "path", ["./pkg/version.py", "././pkg/version.py", "pkg//version.py", "pkg/./version.py"]
)
def test_a_path_may_be_written_in_any_way(repository: Repository, mirror: Mirror, path: str) -> None:
    sha = repository.commit({"pkg/version.py": "x"})
    mirror.fetch(sha)
    assert mirror.read(sha, path) == "x"


def test_a_link_is_not_followed(repository: Repository, mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (repository.path / "version.py").symlink_to(tmp_path / "outside")
    sha = repository.commit({})
    mirror.fetch(sha)
    assert mirror.read(sha, "version.py") is None


# Checking out


def test_a_checkout_holds_the_commit_and_nothing_else(
    repository: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    sha = repository.commit({name: name for name in ODD_NAMES} | {".gitignore": "ignored\n"})
    (repository.path / "ignored").write_text("x")
    (repository.path / "uncommitted").write_text("x")
    (repository.path / "README.md").write_text("changed")
    source = checkout(mirror, sha, tmp_path / "source")
    assert files_in(source) == {*ODD_NAMES, ".gitignore", "README.md"}
    assert (source / "README.md").read_text() == "A sample.\n"


def test_a_checkout_is_of_the_old_commit_after_the_branch_went_on(
    repository: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    repository.commit({"later": "x"})
    assert files_in(checkout(mirror, repository.first, tmp_path / "source")) == {"README.md"}


def test_a_build_backend_may_ask_git_for_history_and_tags(
    repository: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    repository.tag("v1.0", annotated=True)
    repository.commit({".gitattributes": "secret export-ignore\n", "secret": "x"})
    sha = repository.commit({"b": "b"})
    source = checkout(mirror, sha, tmp_path / "source", released="v1.1")
    repository.git("-C", source, "fsck", "--no-progress")
    described = repository.git("-C", source, "describe", "--tags", "--long", "--dirty")
    assert described == f"v1.1-0-g{sha[:7]}"
    before = repository.git("-C", source, "describe", "--tags", "--long", "HEAD^")
    assert before == f"v1.0-1-g{repository.git('rev-parse', 'HEAD^')[:7]}"
    assert (source / "secret").exists()  # export-ignore is for archives


def test_a_checkout_is_changed_without_harm_to_the_next(
    repository: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    once = checkout(mirror, repository.first, tmp_path / "once", released="v1")
    (once / "README.md").write_text("changed by a build")
    shutil.rmtree(once / ".git")
    twice = checkout(mirror, repository.first, tmp_path / "twice", released="v1")
    assert (twice / "README.md").read_text() == "A sample.\n"


def test_a_submodule_that_would_be_fetched_unencrypted_is_refused(tmp_path: Path) -> None:
    project = Repository(tmp_path / "project")
    modules = '[submodule "vendor"]\n\tpath = vendor\n\turl = http://127.0.0.1:1/library.git\n'
    project.git("update-index", "--add", "--cacheinfo", f"160000,{project.first},vendor")
    (project.path / ".gitmodules").write_text(modules)
    project.git("add", ".gitmodules")
    project.git("commit", "--quiet", "--message", "submodule")
    with pytest.raises(PermanentError, match="transport 'http' not allowed"):
        checkout(
            Mirror(project.remote, tmp_path / "mirrors"),
            project.git("rev-parse", "HEAD"),
            tmp_path / "source",
        )


def test_a_submodule_is_checked_out_with_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # git refuses submodules from paths unless the user allows it; real ones come over https.
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    library = Repository(tmp_path / "library", {"library.py": "x = 1\n"})
    project = Repository(tmp_path / "project")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendor")
    sha = project.commit({})
    mirror = Mirror(project.remote, tmp_path / "mirrors")
    source = checkout(mirror, sha, tmp_path / "source", released="v1")
    assert (source / "vendor" / "library.py").read_text() == "x = 1\n"
    assert library.first in project.git("-C", source, "submodule", "status")
