"""Files in Git LFS: the real bytes, or a refusal that names them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from release_assets.destinations.git import Mirror, lfs
from release_assets.errors import PermanentError, TransientError
from release_assets.rules.tags import ShownTags
from release_assets_tests.repository import Repository
from tools.chaos.git_http import git_server

pytestmark = pytest.mark.usefixtures("git_lfs")

LARGE, NESTED, PLAIN = b"large\r\n\0" * 10_000, b"nested", b"never in LFS"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


def repository(folder: Path, name: str = "project", files: Mapping[str, bytes] | None = None) -> Repository:
    """A repository with files in Git LFS, by its own .gitattributes and by a nested one."""
    made = Repository(folder / name)
    made.git("lfs", "install", "--local")
    attributes = {
        ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "data/.gitattributes": "nested filter=lfs -text\n",
        "tests/fixture.txt": POINTER,
    }
    for file, content in {"a b,c.bin": LARGE, "data/nested": NESTED, "plain": PLAIN, **(files or {})}.items():
        (made.path / file).parent.mkdir(exist_ok=True)
        (made.path / file).write_bytes(content)
    made.commit(attributes)
    made.tag("v1.0")
    assert made.git("cat-file", "blob", "HEAD:a b,c.bin").startswith("version https://git-lfs")
    return made


def checkout(
    made: Repository, folder: Path, *, remote: str | None = None, released: str | None = None
) -> Mapping[str, bytes]:
    """The files of the newest commit by their paths, from `remote` where it is not the repository's path."""
    head = made.git("rev-parse", "HEAD")
    tags = None if released is None else ShownTags(released, {released: head})
    mirror = Mirror(remote or made.remote, folder / "mirrors")
    mirror.checkout(head, folder / "source", print, tags=tags, whole=True)
    files = (file for file in (folder / "source").rglob("*") if file.is_file())
    return {str(file.relative_to(folder / "source")): file.read_bytes() for file in files}


def lose(made: Repository, content: bytes) -> None:
    """The server loses an object."""
    oid = hashlib.sha256(content).hexdigest()
    (made.path / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).unlink()


@pytest.mark.parametrize("kind", ["path", "file", "http"])
def test_files_in_lfs_are_their_real_bytes(kind: str, tmp_path: Path) -> None:
    made = repository(tmp_path)
    with git_server(tmp_path) as port:
        remote = {"path": made.remote, "file": f"file://{made.path}"}.get(
            kind, f"http://127.0.0.1:{port}/project/.git"
        )
        files = checkout(made, tmp_path / "once", remote=remote)
    assert (files["a b,c.bin"], files["data/nested"], files["plain"]) == (LARGE, NESTED, PLAIN)
    assert files["tests/fixture.txt"] == POINTER.encode()  # only looks as if it were in LFS


def test_a_second_checkout_needs_no_server(tmp_path: Path) -> None:
    made = repository(tmp_path)
    with git_server(tmp_path) as port:
        remote = f"http://127.0.0.1:{port}/project/.git"
        checkout(made, tmp_path, remote=remote)
    (tmp_path / "source").rename(tmp_path / "first")
    assert checkout(made, tmp_path, remote=remote)["a b,c.bin"] == LARGE


def test_the_users_lfs_settings_leave_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repository(tmp_path)
    (tmp_path / ".gitconfig").write_text(
        "[lfs]\n\tfetchexclude = *\n\tfetchinclude = nothing\n\tskipdownloaderrors = true\n"
        '[filter "lfs"]\n\tsmudge = git-lfs smudge --skip -- %f\n\tprocess = git-lfs filter-process --skip\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_LFS_SKIP_SMUDGE", "1")
    assert checkout(made, tmp_path / "checkout")["a b,c.bin"] == LARGE


def test_what_the_project_itself_excludes_is_fetched(tmp_path: Path) -> None:
    made = repository(tmp_path)
    made.commit({".lfsconfig": "[lfs]\n\tfetchexclude = *.bin\n"})
    assert checkout(made, tmp_path / "checkout")["a b,c.bin"] == LARGE


def test_lfsconfig_leads_to_the_projects_own_server(tmp_path: Path) -> None:
    made, elsewhere = repository(tmp_path), repository(tmp_path, "elsewhere")
    lose(made, LARGE)
    with git_server(tmp_path) as port:
        made.commit({".lfsconfig": f"[lfs]\n\turl = http://127.0.0.1:{port}/elsewhere/.git/info/lfs\n"})
        assert checkout(made, tmp_path / "checkout")["a b,c.bin"] == LARGE
    assert elsewhere.path.is_dir()


def test_a_server_that_is_not_encrypted_is_refused(tmp_path: Path) -> None:
    made = repository(tmp_path)
    sha = made.commit({".lfsconfig": "[lfs]\n\turl = http://lfs.invalid/objects\n"})
    with pytest.raises(PermanentError) as caught:
        checkout(made, tmp_path / "checkout")
    assert caught.value.problem == (
        f".lfsconfig at commit {sha} of {made.remote} has lfs.url = http://lfs.invalid/objects, "
        "which is not encrypted"
    )


def test_a_submodules_files_in_lfs_come_from_its_own_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    repository(tmp_path, "library")
    project = Repository(tmp_path / "project")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendor")
    project.commit({})
    files = checkout(project, tmp_path / "checkout")
    assert (files["vendor/a b,c.bin"], files["vendor/data/nested"]) == (LARGE, NESTED)


def test_modes_of_files_in_lfs_are_kept(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project", {".gitattributes": "* filter=lfs\n.gitattributes !filter\n"})
    made.git("lfs", "install", "--local")
    (made.path / "run").write_bytes(b"#!/bin/sh\n")
    (made.path / "run").chmod(0o755)
    made.commit({"file": "x"})
    checkout(made, tmp_path)
    modes = {name: (tmp_path / "source" / name).stat().st_mode & 0o777 for name in ("run", "file")}
    assert modes == {"run": 0o755, "file": 0o644}


def test_git_status_finds_files_in_lfs_unchanged(tmp_path: Path) -> None:
    made = repository(tmp_path)
    checkout(made, tmp_path, released="v1.0")
    source = tmp_path / "source"
    assert made.git("-C", source, "status", "--porcelain") == ""
    assert made.git("-C", source, "describe", "--tags", "--dirty") == "v1.0"
    assert made.git("-C", source, "ls-files").splitlines() == made.git("ls-files").splitlines()


# Without the bytes


def test_an_object_that_the_server_lacks_is_named(tmp_path: Path) -> None:
    made = repository(tmp_path)
    lose(made, LARGE)
    with git_server(tmp_path) as port, pytest.raises(PermanentError) as caught:
        checkout(made, tmp_path / "checkout", remote=f"http://127.0.0.1:{port}/project/.git")
    oid, head = hashlib.sha256(LARGE).hexdigest(), made.git("rev-parse", "HEAD")
    assert caught.value.problem.startswith(
        f"the Git LFS server of http://127.0.0.1:{port}/project/.git lacks a b,c.bin of commit {head} "
        f"(sha256 {oid}): "
    )
    assert "Object does not exist" in caught.value.problem
    assert "git lfs push --all origin" in caught.value.remedy


def test_an_object_that_a_path_lacks_is_named(tmp_path: Path) -> None:
    made = repository(tmp_path)
    lose(made, LARGE)
    with pytest.raises(PermanentError, match=f"the Git LFS server of {made.remote} lacks a b,c.bin of"):
        checkout(made, tmp_path / "checkout")


def test_a_server_that_fails_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text('[lfs "transfer"]\n\tmaxretries = 1\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    made = repository(tmp_path)
    with git_server(tmp_path, lfs_status=503) as port, pytest.raises(TransientError) as caught:
        checkout(made, tmp_path / "checkout", remote=f"http://127.0.0.1:{port}/project/.git")
    assert "503" in caught.value.problem


def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    made = repository(tmp_path)
    checkout(made, tmp_path)
    (tmp_path / "source").rename(tmp_path / "first")
    oid = hashlib.sha256(LARGE).hexdigest()
    (stored,) = (tmp_path / "mirrors").glob(f"*.git/lfs/objects/??/??/{oid}")
    stored.unlink()  # it may share its bytes with the remote's
    stored.write_bytes(b"damaged")
    with pytest.raises(TransientError, match=r"the copy of a b,c\.bin in the mirror has sha256"):
        checkout(made, tmp_path)
    (tmp_path / "source").rename(tmp_path / "second")
    assert checkout(made, tmp_path)["a b,c.bin"] == LARGE


@pytest.mark.usefixtures("without_git_lfs")
def test_without_git_lfs_the_files_are_refused(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
        made = repository(tmp_path, files={f"{n}.bin": b"%d" % n for n in range(5)})
    head = made.git("rev-parse", "HEAD")
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    problem = (
        f"0.bin, 1.bin, 2.bin, 3.bin, 4.bin and 2 more files at commit {head} of {made.remote} "
        "are in Git LFS, and git-lfs is not installed"
    )
    with pytest.raises(PermanentError) as caught:
        mirror.require_lfs(head, print)
    assert caught.value.problem == problem
    assert caught.value.remedy.startswith(
        "Install git-lfs where Dagster's runs can find it (apt install git-"
    )
    with pytest.raises(PermanentError) as caught:
        mirror.checkout(head, tmp_path / "source", print)
    assert caught.value.problem == problem


@pytest.mark.usefixtures("without_git_lfs")
def test_without_git_lfs_a_submodules_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
        library = repository(tmp_path, "library")
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    project = Repository(tmp_path / "project")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendor")
    head = project.commit({})
    with pytest.raises(PermanentError, match=f"a b,c.bin, data/nested at commit .* of {library.remote} are"):
        Mirror(project.remote, tmp_path / "mirrors").require_lfs(head, print)


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ("*.txt text\n", POINTER),  # a test's file: it only looks like a pointer
        ("*.bin filter=lfs\n", POINTER),
        ("*.txt filter=lfs\n", "kept in git itself\n"),
        ("# *.txt filter=lfs\n", POINTER),
        ("*.txt filter=lfs\n*.txt -filter\n", POINTER),
        ("*.txt filter=other\n", POINTER),
    ],
)
@pytest.mark.usefixtures("without_git_lfs")
def test_without_git_lfs_other_files_are_released(attributes: str, content: str, tmp_path: Path) -> None:
    made = Repository(tmp_path / "project", {".gitattributes": attributes})
    head = made.commit({"fixture.txt": content})
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    mirror.require_lfs(head, print)
    mirror.checkout(head, tmp_path / "source", print)
    assert (tmp_path / "source" / "fixture.txt").read_text() == content


def test_an_extension_of_lfs_is_refused(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project", {".gitattributes": "*.bin filter=lfs\n"})
    sha = made.commit({"a.bin": POINTER.replace("oid", f"ext-0-crypt sha256:{'b' * 64}\noid")})
    with pytest.raises(PermanentError) as caught:
        Mirror(made.remote, tmp_path / "mirrors").checkout(sha, tmp_path / "source", print)
    assert caught.value.problem == f"a.bin at commit {sha} of {made.remote} needs a Git LFS extension"


@pytest.mark.parametrize(
    ("content", "pointed"),
    [
        (POINTER, ("a" * 64, 12345)),
        (POINTER.replace("\n", "\r\n"), ("a" * 64, 12345)),
        (POINTER.replace("https://git-lfs.github.com/spec/v1", "http://git-media.io/v/2"), ("a" * 64, 12345)),
        ("", None),
        ("version 1.2.3\n", None),
        (POINTER.replace("sha256:", "md5:"), None),
        (POINTER.replace("12345", "-1"), None),
        (POINTER.replace("size 12345\n", ""), None),
        ("# how a pointer looks\n" + POINTER, None),
        (POINTER + "x" * 1024, None),
    ],
)
def test_a_pointer_is_what_the_specification_says(content: str, pointed: tuple[str, int] | None) -> None:
    assert lfs.parse_pointer(content.encode()) == pointed
