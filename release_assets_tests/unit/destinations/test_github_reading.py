"""Releases are read page by page, each asked for with its own ETag."""

from __future__ import annotations

import json

import pytest

from release_assets.destinations.github import Page, published_releases
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.destinations.github_hub import REPOSITORY, TOKEN


def listed(count: int, *, first: int = 1, draft: bool = False) -> bytes:
    return json.dumps(
        [
            {
                "id": number, "tag_name": f"v{number}", "html_url": "https://github.example/r",
                "name": None, "body": None, "draft": draft, "prerelease": False, "assets": [],
                "published_at": "2026-01-01T00:00:00Z", "upload_url": "u",
            }
            for number in range(first, first + count)
        ]
    ).encode()  # fmt: skip


def test_every_page_is_read_and_revalidated_by_its_own_etag(server: ScriptedServer) -> None:
    server.answers(
        Told(body=listed(100), headers={"ETag": 'W/"one"'}),
        Told(body=listed(3, first=101), headers={"ETag": 'W/"two"'}),
    )
    first = published_releases(server.url, REPOSITORY, None, [], token_env="GITHUB_TOKEN")
    assert [release.tag for release in first.releases] == [f"v{number}" for number in range(1, 104)]
    assert first.pages == (Page('W/"one"', full=True), Page('W/"two"', full=False))
    assert "authorization" not in server.seen[0].headers
    assert [request.path.partition("?")[2] for request in server.seen] == [
        "page=1&per_page=100",
        "page=2&per_page=100",
    ]

    # The first page is as it was; on the second, an old draft was published.
    server.answers(Told(304), Told(body=listed(4, first=101), headers={"ETag": 'W/"new"'}))
    second = published_releases(server.url, REPOSITORY, TOKEN, first.pages, token_env="GITHUB_TOKEN")
    assert [release.tag for release in second.releases] == ["v101", "v102", "v103", "v104"]
    assert second.pages == (Page('W/"one"', full=True), Page('W/"new"', full=False))
    assert [request.headers["if-none-match"] for request in server.seen[2:]] == ['W/"one"', 'W/"two"']
    assert server.seen[2].headers["authorization"] == f"token {TOKEN}"


def test_drafts_are_not_published(server: ScriptedServer) -> None:
    server.answers(Told(body=listed(2, draft=True)))
    answer = published_releases(server.url, REPOSITORY, None, [], token_env="GITHUB_TOKEN")
    assert answer.releases == ()
    assert answer.pages == (Page("", full=False),)


def test_a_list_without_end_is_read_for_100_pages(server: ScriptedServer) -> None:
    server.answers(Told(body=listed(100)))
    answer = published_releases(server.url, REPOSITORY, None, [], token_env="GITHUB_TOKEN")
    assert len(answer.pages) == len(server.seen) == 100


@pytest.mark.parametrize(
    "told", [Told(500), Told(304), Told(body=b"{}"), Told(body=b'[{"id": 1}]'), Told(429)]
)
def test_a_failed_read_is_not_an_empty_answer(server: ScriptedServer, told: Told) -> None:
    server.answers(Told(body=listed(100), headers={"ETag": '"one"'}), told)
    with pytest.raises(TransientError):
        published_releases(server.url, REPOSITORY, None, [], token_env="GITHUB_TOKEN")


def test_a_repository_that_cannot_be_seen_is_permanent(server: ScriptedServer) -> None:
    server.answers(Told(404, body=b'{"message": "Not Found"}'))
    with pytest.raises(PermanentError, match="reading the releases of maintainer/sampleproject") as caught:
        published_releases(server.url, REPOSITORY, None, [], token_env="GITHUB_TOKEN")
    assert "GITHUB_TOKEN can see it" in caught.value.remedy
