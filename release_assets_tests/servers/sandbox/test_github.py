"""The stand-in for GitHub shows each user what that user may see, and keeps releases."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import github as pygithub
import pytest
import requests

from tools.sandbox.github import GitHubServer, github_server
from tools.sandbox.servers import answers


def client(server: GitHubServer, token: str) -> pygithub.Github:
    return pygithub.Github(base_url=server.api_url, auth=pygithub.Auth.Token(token), retry=None)


def test_the_token_publishes_a_release(github: GitHubServer) -> None:
    with client(github, github.token) as api:
        repository = api.get_repo(github.repository)
        release = repository.create_git_release("v0.0.1.sandbox", "Probe", "made by a test", draft=True)
        published = release.update_release("Probe", "made by a test", draft=False)
        assert not published.draft
        assert "v0.0.1.sandbox" in [found.tag_name for found in repository.get_releases()]


@pytest.mark.parametrize("token", ["", "ghp_wrong"])
def test_nobody_else_sees_the_repository(github: GitHubServer, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for method, path in (("GET", ""), ("GET", "/releases"), ("POST", "/releases")):
        url = f"{github.api_url}/repos/{github.repository}{path}"
        answer = requests.request(method, url, headers=headers, json={"tag_name": "v9"}, timeout=10)
        assert answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


def test_a_second_one_next_to_it_is_empty_and_temporary(
    github: GitHubServer, tmp_path: Path, state: Path
) -> None:
    with github_server(tmp_path, state=state, name="other") as second:
        with client(second, second.token) as api:
            assert list(api.get_repo("maintainer/other").get_releases()) == []
        with client(second, github.token) as api, pytest.raises(pygithub.GithubException):
            api.get_repo("maintainer/other")
    assert not answers(second.api_url)
    assert answers(github.api_url)
