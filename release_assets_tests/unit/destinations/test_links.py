"""Links: the web address of the repository, which goes into public images."""

from __future__ import annotations

import pytest

from release_assets.destinations.links import registry_page, remote_web_url, source_url
from release_assets.project import Project

OURS = "https://github.com/Owner/sample"


def address(remote: str, *, github: str = "Somebody/else", github_url: str | None = None) -> str | None:
    return remote_web_url(remote, github, github_url)


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/Owner/sample",
        "https://github.com/Owner/sample/",
        "https://github.com/Owner/sample.git",
        "https://github.com/Owner/sample.git/",
        "https://GitHub.com/Owner/sample.git",
        "https://www.github.com/Owner/sample.git",
        "http://github.com/Owner/sample.git",
        "https://github.com:443/Owner/sample.git",
        "https://user@github.com/Owner/sample.git",
        "https://user:token@github.com/Owner/sample.git",
        "https://github.com/Owner/sample.git?token=x#readme",
        "git@github.com:Owner/sample.git",
        "git@github.com:Owner/sample",
        "git@github.com:/Owner/sample.git",
        "github.com:Owner/sample.git",
        "ssh://git@github.com/Owner/sample.git",
        "ssh://git@github.com:22/Owner/sample.git",
        "ssh://git@ssh.github.com:443/Owner/sample.git",
        "git+ssh://git@github.com/Owner/sample.git",
        "git://github.com/Owner/sample.git",
    ],
)
def test_github_has_one_address_for_every_spelling(remote: str) -> None:
    assert address(remote) == OURS


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@gitlab.com:group/sub/sample.git", "https://gitlab.com/group/sub/sample"),
        ("ssh://git@altssh.gitlab.com:443/group/sample.git", "https://gitlab.com/group/sample"),
        ("https://oauth2:token@gitlab.com/group/sample.git", "https://gitlab.com/group/sample"),
        ("git@bitbucket.org:team/sample.git", "https://bitbucket.org/team/sample"),
        ("https://me@bitbucket.org/team/sample.git", "https://bitbucket.org/team/sample"),
        ("ssh://git@codeberg.org/me/sample.git", "https://codeberg.org/me/sample"),
        ("git@git.sr.ht:~me/sample", "https://git.sr.ht/~me/sample"),
        ("git@gitlab.example.org:group/sample.git", "https://gitlab.example.org/group/sample"),
        ("ssh://git@gitea.example.org:2222/me/sample.git", "https://gitea.example.org/me/sample"),
        ("https://git.example.org/me/sample.git", "https://git.example.org/me/sample"),
        ("https://git.example.org:8443/me/sample.git", "https://git.example.org:8443/me/sample"),
        ("http://gitlab.internal:8080/me/sample.git", "http://gitlab.internal:8080/me/sample"),
        ("https://org@dev.azure.com/org/p/_git/sample", "https://dev.azure.com/org/p/_git/sample"),
        ("https://[2001:db8::1]:8443/me/sample.git", "https://[2001:db8::1]:8443/me/sample"),
    ],
)
def test_other_hosts_keep_their_own_address(remote: str, url: str) -> None:
    assert address(remote) == url


@pytest.mark.parametrize(
    "remote",
    [
        "/srv/git/Owner/sample.git",
        "../sample",
        "./a:b",
        "sample.git",
        "C:/Users/me/sample.git",
        "C:\\Users\\me\\sample",
        "file:///home/me/sample.git",
        "file://server/share/sample.git",
        "http://localhost:3000/me/sample.git",
        "https://127.0.0.1/me/sample.git",
        "http://[::1]:3000/me/sample.git",
        "ssh://localhost/home/me/sample.git",
        "git@server.example.org:/srv/git/sample.git",
        "me@server:sample.git",
        "ssh://me@server.example.org/home/me/sample.git",
        "https://github.com/",
        "https://github.com",
        "http://[bad/sample.git",
        "https://host:port/sample.git",
    ],
)
def test_a_path_or_a_host_without_pages_has_no_address(remote: str) -> None:
    assert address(remote) is None
    assert address(remote, github="Owner/sample", github_url=OURS) is None


def test_an_alias_of_ssh_is_known_by_the_repository_it_leads_to() -> None:
    assert address("git@work:Owner/sample.git", github="owner/Sample", github_url=OURS) == OURS
    assert address("gh:Owner/sample", github="Owner/sample", github_url=OURS) == OURS
    assert address("git@work:Owner/other.git", github="Owner/sample", github_url=OURS) is None


@pytest.mark.parametrize(
    ("api_url", "remote", "url"),
    [
        ("https://api.github.com", "git@github.com:owner/sample.git", "https://github.com/owner/sample"),
        (
            "https://github.example.org/api/v3",
            "ssh://git@ssh.example.org:122/owner/sample.git",
            "https://github.example.org/owner/sample",
        ),
        (
            "https://api.octocorp.ghe.com",
            "git@octocorp.ghe.com:owner/sample.git",
            "https://octocorp.ghe.com/owner/sample",
        ),
        ("https://api.github.com", "https://gitlab.com/owner/mirror", "https://gitlab.com/owner/mirror"),
        ("https://api.github.com", "/srv/git/owner/sample.git", None),
    ],
)
def test_github_enterprise_is_known_by_its_api(api_url: str, remote: str, url: str | None) -> None:
    github = {"api_url": api_url, "repository": "owner/sample"}
    project = Project.model_validate(
        {"project": "sample", "repository": remote, "package": {}, "github": github}
    )
    assert source_url(project) == url


@pytest.mark.parametrize(
    ("host", "name", "page"),
    [
        ("docker.io", "owner/sample", "https://hub.docker.com/r/owner/sample/tags?name=1.2.3"),
        ("docker.io", "library/python", "https://hub.docker.com/_/python/tags?name=1.2.3"),
        ("ghcr.io", "owner/tools/sample", "https://github.com/Owner/repo/pkgs/container/tools%2Fsample"),
        ("ghcr.io", "another/sample", "https://github.com/another?tab=packages&q=sample"),
        ("quay.io", "owner/sample", "https://quay.io/repository/owner/sample?tab=tags&tag=1.2.3"),
        ("registry.example.org", "owner/sample", None),
    ],
)
def test_an_image_links_to_its_registrys_page(host: str, name: str, page: str | None) -> None:
    assert registry_page(host, name, "Owner/repo", "1.2.3") == page
