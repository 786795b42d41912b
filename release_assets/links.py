"""Links for people: where a commit, a release or a package can be looked at. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import dagster as dg

from release_assets.project import Project


def web_url(project: Project) -> str | None:
    """The repository's page, None where the API's address does not tell it.

    api.github.com belongs to github.com; a GitHub Enterprise server has its API below /api/v3.
    """
    parts = urlsplit(project.github.api_url)
    if parts.hostname == "api.github.com":
        return f"https://github.com/{project.github.repository}"
    if parts.path.rstrip("/").endswith("/api/v3"):
        return f"{parts.scheme}://{parts.netloc}/{project.github.repository}"
    return None


def commit_link(project: Project, commit: str) -> dg.MetadataValue:
    """The commit as a link where there is a page for it, else its sha."""
    url = web_url(project)
    return dg.MetadataValue.url(f"{url}/commit/{commit}") if url else dg.MetadataValue.text(commit)


def package_page(simple_url: str, name: str, version: str) -> str:
    """Where people look at a published package: PyPI's page, or the simple index itself elsewhere."""
    host = urlsplit(simple_url).hostname
    if host in {"pypi.org", "test.pypi.org"}:
        return f"https://{host}/project/{quote(name)}/{quote(version)}/"
    return f"{simple_url.rstrip('/')}/{quote(name)}/"


def manage_page(simple_url: str, name: str, version: str) -> str | None:
    """Return the page where a maintainer can yank a release; None where the index is not PyPI's."""
    host = urlsplit(simple_url).hostname
    if host not in {"pypi.org", "test.pypi.org"}:
        return None
    return f"https://{host}/manage/project/{quote(name)}/release/{quote(version)}/"
