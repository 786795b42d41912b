"""Nobody's git configuration changes what is built; what a remote requires of it still works."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from release_assets.destinations.git import Mirror, observe_tags
from release_assets.errors import PermanentError
from release_assets.process import environment, run
from release_assets.rules.tags import ShownTags
from release_assets_tests.repository import Repository
from tools.chaos.git_http import git_server

CONFIGURATION = """
[core]
    autocrlf = true
    eol = crlf
    fileMode = false
    symlinks = false
    ignoreCase = true
    hooksPath = {folder}/hooks
    fsmonitor = {folder}/hooks/fails
    attributesFile = {folder}/attributes
    logAllRefUpdates = always
    quotePath = true
    abbrev = 4
    pager = false
    sharedRepository = 0666
[log]
    showSignature = true
    decorate = full
[format]
    pretty = oneline
[clone]
    defaultRemoteName = upstream
[init]
    templateDir = {folder}/template
    defaultObjectFormat = sha256
    defaultBranch = trunk
    defaultRefFormat = reftable
[submodule]
    recurse = true
[fetch]
    prune = true
    pruneTags = true
    recurseSubmodules = true
    fsckObjects = true
[transfer]
    fsckObjects = true
[gc]
    auto = 1
    pruneExpire = now
[tag]
    sort = -refname
    gpgSign = true
    forceSignAnnotated = true
[commit]
    gpgSign = true
[gpg]
    program = false
[user]
    useConfigOnly = true
[filter "upper"]
    smudge = tr a-z A-Z
    clean = tr A-Z a-z
    required = true
[diff "upper"]
    textconv = tr a-z A-Z
[diff]
    external = false
[alias]
    show = version
    read-tree = version
[i18n]
    logOutputEncoding = ISO-8859-15
[color]
    ui = always
[safe]
    bareRepository = explicit
[index]
    version = 4
[status]
    showUntrackedFiles = no
[protocol "file"]
    allow = always
"""

VARIABLES = {
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_OBJECT_DIRECTORY": "/nowhere/objects",
    "GIT_NAMESPACE": "elsewhere",
    "GIT_CONFIG_PARAMETERS": "'core.autocrlf=true'",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_ATTR_SOURCE": "HEAD",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_EXTERNAL_DIFF": "false",
    "GIT_TRACE": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
}


def home(folder: Path, configuration: str) -> Path:
    """Write a user's home with this configuration."""
    folder.mkdir()
    (folder / ".gitconfig").write_text(configuration)
    return folder


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A home whose configuration changes as much as one can."""
    folder = tmp_path / "spoilt"
    for hooks in ("hooks", "template/hooks"):
        (folder / hooks).mkdir(parents=True)
        for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "fails"):
            (folder / hooks / name).write_text(f"#!/bin/sh\ntouch {folder}/{name}-ran\nexit 1\n")
            (folder / hooks / name).chmod(0o755)
    (folder / "template" / "from-the-template").write_text("x")
    (folder / "template" / "info").mkdir()
    (folder / "template" / "config").write_text("[core]\n\tautocrlf = true\n[log]\n\tshowSignature = true\n")
    for attributes in (folder / "attributes", folder / "template" / "info" / "attributes"):
        attributes.write_text("* text eol=crlf filter=upper diff=upper\n")
    (folder / ".config" / "git").mkdir(parents=True)
    (folder / ".config" / "git" / "attributes").write_text("* text eol=crlf filter=upper\n")
    (folder / ".gitconfig").write_text(CONFIGURATION.format(folder=folder))
    return folder


def contents(directory: Path) -> dict[str, str]:
    """Return a folder's paths, each with its mode and bytes, or its link's target; no `.git/index`."""
    found: dict[str, str] = {}
    for path in sorted(directory.rglob("*")):
        name, mode = str(path.relative_to(directory)), f"{path.lstat().st_mode:o}"
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_dir():
            found[name] = mode
        elif not name.endswith(".git/index"):  # it holds inodes and times
            found[name] = f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def project(folder: Path) -> Repository:
    """A repository with what configurations change: line ends, modes, links, odd names, a submodule."""
    library = Repository(folder / "library", {"library.py": "x = 1\ny = 2\n"})
    library.tag("v9")
    made = Repository(folder / "project", {"a.py": "x = 1\ny = 2\n", "crlf.txt": "a\r\nb\r\n"})
    (made.path / "run").write_text("#!/bin/sh\n")
    (made.path / "run").chmod(0o755)
    (made.path / "link").symlink_to("a.py")
    made.commit({"\u00fcber.txt": "text\n", ".gitattributes": "*.asc diff=upper\n", "key.asc": "key\n"})
    made.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendor")
    made.commit({}, "Sm\u00f8rrebr\u00f8d")
    made.tag("v1.0")
    made.tag("v1")
    return made


def look(made: Repository, folder: Path) -> dict[str, object]:
    """Do everything that a release does with git."""
    tags = observe_tags(made.remote)
    mirror = Mirror(made.remote, folder / "mirrors")
    commit = mirror.fetch(tags["v1.0"])
    mirror.checkout(commit.sha, folder / "plain", print)
    shown = ShownTags("v1.0", tags)
    mirror.checkout(commit.sha, folder / "history", print, tags=shown)
    mirror.checkout(commit.sha, folder / "whole", print, tags=shown, whole=True)
    folders = {name: contents(folder / name) for name in ("plain", "history", "whole")}
    return {"tags": tags, "commit": commit, "file": mirror.read(commit.sha, "key.asc"), **folders}


def test_no_configuration_changes_what_is_built(
    tmp_path: Path, spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(tmp_path)
    allowed = home(tmp_path / "plain", '[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(allowed))
    expected = look(made, tmp_path / "expected")
    monkeypatch.setenv("HOME", str(spoilt))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(spoilt / "template"))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    found = look(made, tmp_path / "found")
    assert found == expected
    assert [path.name for path in spoilt.glob("*-ran")] == []
    assert (tmp_path / "found" / "plain" / "a.py").read_bytes() == b"x = 1\ny = 2\n"
    assert (tmp_path / "found" / "plain" / "vendor" / "library.py").read_bytes() == b"x = 1\ny = 2\n"


def test_a_system_configuration_changes_nothing_either(
    tmp_path: Path, spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Repository(tmp_path / "project", {"a.py": "x = 1\n"})
    made.tag("v1.0")
    expected = look(made, tmp_path / "expected") if made.commit({"key.asc": "key\n"}) else {}
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(spoilt / ".gitconfig"))
    assert look(made, tmp_path / "found") == expected


def test_a_repository_around_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, around = Repository(tmp_path / "project"), Repository(tmp_path / "around")
    made.tag("v1.0")
    around.git("config", f"url.{tmp_path}/nowhere.insteadOf", made.remote)
    around.git("config", "core.autocrlf", "true")
    monkeypatch.chdir(around.path)
    assert observe_tags(made.remote) == {"v1.0": made.first}
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    mirror.checkout(made.first, tmp_path / "source", print)
    assert (tmp_path / "source" / "README.md").read_bytes() == b"A sample.\n"


def test_a_sha256_repository_is_released(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project", object_format="sha256")
    made.tag("v1.0", annotated=True)
    mirror = Mirror(made.remote, tmp_path / "mirrors")
    commit = observe_tags(made.remote)["v1.0"]
    assert len(commit) == 64
    shown = ShownTags("v1.0", {"v1.0": commit})
    for whole in (False, True):
        source = tmp_path / f"source-{whole}"
        mirror.checkout(commit, source, print, tags=shown, whole=whole)
        assert made.git("-C", source, "describe", "--dirty") == "v1.0"


def test_a_remote_made_anew_in_the_other_format_is_fetched(tmp_path: Path) -> None:
    old = Repository(tmp_path / "project")
    mirror = Mirror(old.remote, tmp_path / "mirrors")
    mirror.fetch(old.first)
    old.path.rename(tmp_path / "old")
    new = Repository(tmp_path / "project", object_format="sha256")
    assert mirror.fetch(new.first).sha == new.first


# What a remote requires


def test_insteadof_leads_to_another_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Repository(tmp_path / "project")
    made.tag("v1.0")
    remote = "https://github.invalid/owner/project.git"
    configuration = f'[url "{made.remote}"]\n\tinsteadOf = {remote}\n'
    monkeypatch.setenv("HOME", str(home(tmp_path / "home", configuration)))
    assert observe_tags(remote) == {"v1.0": made.first}
    assert Mirror(remote, tmp_path / "mirrors").fetch(made.first).subject == "first"


def test_an_empty_remote_is_looked_at_where_insteadof_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Repository(tmp_path / "project")
    remote = "https://github.invalid/owner/project.git"
    configuration = f'[url "{made.remote}"]\n\tinsteadOf = {remote}\n'
    monkeypatch.setenv("HOME", str(home(tmp_path / "home", configuration)))
    assert observe_tags(remote) == {}


Serve = Callable[..., AbstractContextManager[int]]


def test_a_configuration_that_git_cannot_read_is_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(tmp_path / "remote")
    monkeypatch.setenv("HOME", str(home(tmp_path / "home", "[core\n")))
    with pytest.raises(PermanentError, match="Correct the git configuration"):
        observe_tags(made.remote)


@pytest.fixture
def served(tmp_path: Path) -> Repository:
    """A repository below the folder `served`, as servers have it."""
    made = Repository(tmp_path / "served" / "project")
    made.tag("v1.0")
    return made


@pytest.mark.parametrize(
    "configuration",
    [
        "[http]\n\textraHeader = Authorization: Basic dXNlcjp0b2tlbg==\n",
        '[credential]\n\thelper = "!f() {{ echo username=user; echo password=token; }}; f"\n',
        '[credential "http://127.0.0.1:{port}"]\n\thelper = store\n',
        "[core]\n\taskPass = {home}/askpass\n",
    ],
    ids=["header", "helper", "store", "askpass"],
)
def test_credentials_come_from_the_users_configuration(
    configuration: str, served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with git_server(served.path.parent, authorization="Basic dXNlcjp0b2tlbg==") as port:
        remote = f"http://127.0.0.1:{port}/project/.git"
        folder = home(tmp_path / "home", configuration.format(port=port, home=tmp_path / "home"))
        (folder / ".git-credentials").write_text(f"http://user:token@127.0.0.1:{port}\n")
        (folder / "askpass").write_text('#!/bin/sh\ncase "$1" in U*) echo user;; *) echo token;; esac\n')
        (folder / "askpass").chmod(0o755)
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(PermanentError, match="could not read Username"):
            observe_tags(remote)
        monkeypatch.setenv("HOME", str(folder))
        assert observe_tags(remote) == {"v1.0": served.first}
        assert Mirror(remote, tmp_path / "mirrors").fetch(served.first).subject == "first"


def test_configuration_in_variables_is_the_users_too(
    served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.extraHeader")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Authorization: Basic dXNlcjp0b2tlbg==")
    with git_server(served.path.parent, authorization="Basic dXNlcjp0b2tlbg==") as port:
        assert observe_tags(f"http://127.0.0.1:{port}/project/.git") == {"v1.0": served.first}


def test_a_proxy_comes_from_the_users_configuration(
    served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with git_server(served.path.parent) as port:
        configuration = f"[http]\n\tproxy = http://127.0.0.1:{port}\n"
        monkeypatch.setenv("HOME", str(home(tmp_path / "home", configuration)))
        # A host that no name server has: the answer can only come by the proxy.
        assert observe_tags("http://project.invalid/project/.git") == {"v1.0": served.first}


def test_a_certificate_authority_comes_from_the_configuration(
    served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "30"],
        env=environment(), timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for name in ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with git_server(served.path.parent, tls=context) as port:
        remote = f"https://localhost:{port}/project/.git"
        configuration = f"[http]\n\tsslCAInfo = {certificate}\n"
        monkeypatch.setenv("HOME", str(home(tmp_path / "home", configuration)))
        assert observe_tags(remote) == {"v1.0": served.first}


@pytest.mark.parametrize("how", ["core.sshCommand", "GIT_SSH_COMMAND", "GIT_SSH"])
def test_ssh_is_run_as_the_user_says(
    how: str, served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "ssh"
    command.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    command.chmod(0o755)
    configuration = f"[core]\n\tsshCommand = {command}\n" if how == "core.sshCommand" else ""
    monkeypatch.setenv("HOME", str(home(tmp_path / "home", configuration)))
    if not configuration:
        monkeypatch.setenv(how, str(command))
    assert observe_tags(f"git@host.invalid:{served.path}") == {"v1.0": served.first}


def test_a_path_that_another_user_owns_is_the_users_choice(
    served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    for path in (served.path, *served.path.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    monkeypatch.setenv("HOME", str(home(tmp_path / "none", "")))
    with pytest.raises(PermanentError, match="dubious ownership"):
        observe_tags(served.remote)
    monkeypatch.setenv("HOME", str(home(tmp_path / "allowed", "[safe]\n\tdirectory = *\n")))
    assert observe_tags(served.remote) == {"v1.0": served.first}
