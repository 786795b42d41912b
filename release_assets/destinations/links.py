"""Links for people: where a commit, a release or a package can be looked at. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import dagster as dg

from release_assets.project import GitLab, Project, is_loopback

# Hosts of web pages that have another name for ssh.
SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
# Hosts whose web pages have the path of the remote, on https; servers of one's own are told by their names.
PUBLIC = re.compile(r"(www\.)?(github\.com|gitlab\.com|bitbucket\.org|codeberg\.org|gitea\.com|git\.sr\.ht)")
OWN = re.compile(r"(gitlab|gitea|forgejo)\..+")


def web_url(project: Project) -> str | None:
    """Return the repository's page, None where the API's address does not tell it.

    api.github.com belongs to github.com; a GitHub Enterprise server has its API below /api/v3, GitLab below
    /api/v4.
    """
    page = project.page
    parts = urlsplit(page.api_url)
    if isinstance(page, GitLab):
        # GitLab may be below a path of its server: https://example.org/gitlab/api/v4
        base = parts.path.rstrip("/").removesuffix("/api/v4")
        return f"{parts.scheme}://{parts.netloc}{base}/{page.project}"
    host = parts.hostname or ""
    if host == "api.github.com" or (host.startswith("api.") and host.endswith(".ghe.com")):
        return f"https://{host.removeprefix('api.')}/{project.page.repository}"
    if parts.path.rstrip("/").endswith("/api/v3"):
        return f"{parts.scheme}://{parts.netloc}/{project.page.repository}"
    return None


def source_url(project: Project) -> str | None:
    """Return the web address of the repository that is released, None where the remote does not tell it.

    It is public, so that it never holds a user, a token, or a path of this machine or of a server.
    """
    return remote_web_url(project.repository, project.page.repository, web_url(project))


def remote_web_url(remote: str, github_repository: str, github_url: str | None) -> str | None:
    """Return the web address of a git remote, None where there may be none.

    A remote that ends with `github_repository`, such as one with an alias of ~/.ssh/config as its host, is at
    `github_url`. For http(s) the address is the remote's own; over ssh and git:// only the hosts that are
    known for web pages at the same path have one.
    """
    host, path, scheme = _parts_of(remote)
    path = path.strip("/").removesuffix(".git").rstrip("/")
    if not host or not path or is_loopback(f"//{host}"):
        return None
    if github_url is not None and path.lower() == github_repository.lower():
        return github_url
    host = SSH_HOSTS.get(host, host)
    if PUBLIC.fullmatch(host):
        return f"https://{host.removeprefix('www.')}/{path}"
    if scheme in {"http", "https"}:
        return f"{scheme}://{host}/{path}"
    return f"https://{host}/{path}" if OWN.fullmatch(host) else None


def _parts_of(remote: str) -> tuple[str, str, str]:
    """Return host, path and scheme of a remote as git reads it; no host where it is a path.

    The host has its port where a browser would need it.
    """
    scheme, separator, _ = remote.partition("://")
    if not separator:  # user@host:path, unless there is a slash before the colon
        address, colon, path = remote.partition(":")
        is_path = not colon or "/" in address or len(address) == 1  # C:/a/b
        return ("", "", "") if is_path else (address.rpartition("@")[2].lower(), path, "ssh")
    try:
        parts = urlsplit(remote)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", "", ""
    if ":" in host:
        host = f"[{host}]"
    if scheme in {"http", "https"} and port is not None and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    return ("", "", "") if scheme == "file" else (host, parts.path, scheme)


def commit_link(project: Project, commit: str) -> dg.MetadataValue:
    """Return the commit as a link where there is a page for it, else its sha."""
    url = web_url(project)
    return dg.MetadataValue.url(f"{url}/commit/{commit}") if url else dg.MetadataValue.text(commit)


def package_page(simple_url: str, name: str, version: str) -> str:
    """Return the page of a published package: PyPI's, or the simple index itself elsewhere."""
    host = urlsplit(simple_url).hostname
    if host in {"pypi.org", "test.pypi.org"}:
        return f"https://{host}/project/{quote(name)}/{quote(version)}/"
    return f"{simple_url.rstrip('/')}/{quote(name)}/"


def package_home(simple_url: str, name: str) -> str:
    """Return the page of a package, whatever the version."""
    host = urlsplit(simple_url).hostname
    path = f"https://{host}/project" if host in {"pypi.org", "test.pypi.org"} else simple_url.rstrip("/")
    return f"{path}/{quote(name)}/"


def manage_page(simple_url: str, name: str, version: str) -> str | None:
    """Return the page where a maintainer can yank a release; None where the index is not PyPI's."""
    host = urlsplit(simple_url).hostname
    if host not in {"pypi.org", "test.pypi.org"}:
        return None
    return f"https://{host}/manage/project/{quote(name)}/release/{quote(version)}/"


def registry_page(host: str, name: str, github_repository: str, tag: str | None = None) -> str | None:
    """Return the page of an image in the registry `host`, None where none is known.

    GHCR's pages are on GitHub, below the repository that the image names as its source.
    """
    match host:
        case "docker.io":
            page = "_/" + name.removeprefix("library/") if name.startswith("library/") else f"r/{name}"
            return f"https://hub.docker.com/{page}/tags" + (f"?name={quote(tag)}" if tag else "")
        case "ghcr.io":
            owner, _, package = name.partition("/")
            if owner == github_repository.partition("/")[0].lower():
                return f"https://github.com/{github_repository}/pkgs/container/{quote(package, safe='')}"
            return f"https://github.com/{owner}?tab=packages&q={quote(package, safe='')}"
        case "quay.io":
            return f"https://quay.io/repository/{name}?tab=tags" + (f"&tag={quote(tag)}" if tag else "")
    return None
