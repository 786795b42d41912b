"""The host of a project's release pages: GitHub or GitLab, as its YAML declares."""

from __future__ import annotations

from release_assets.destinations.github import GitHubReleases
from release_assets.destinations.gitlab import GitLabReleases
from release_assets.destinations.releases import ReleaseHost
from release_assets.project import GitHub, GitLab


def release_host(page: GitHub | GitLab, token: str | None) -> ReleaseHost:
    """Return the host of a project's releases; without a token, what anybody may see of them."""
    match page:
        case GitLab():
            return GitLabReleases(page.api_url, page.project, token, page.token_env)
        case GitHub():
            return GitHubReleases(page.api_url, page.repository, token, page.token_env)
