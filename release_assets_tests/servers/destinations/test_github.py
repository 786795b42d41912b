"""The GitHub client against a real API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from release_assets.destinations.github import (
    connect,
    find_release,
    publish_release,
    published_releases,
)
from release_assets.errors import PermanentError
from release_assets_tests.unit.destinations.github_hub import WHEEL, file, wanted
from tools.sandbox.github import GitHubServer


def test_a_real_api_gets_one_release_and_shows_it_to_the_sensor(github: GitHubServer, tmp_path: Path) -> None:
    release = replace(wanted(file(tmp_path), file(tmp_path, "SHA256SUMS", b"sums")), tag="v4.0.1")
    api = connect(github.api_url, github.token)
    lines: list[str] = []
    published, _ = publish_release(
        api, github.repository, release, token_env="GITHUB_TOKEN", log=lines.append
    )
    assert (published.tag, published.draft, published.body) == ("v4.0.1", False, "our text")
    assert {(asset.name, asset.size) for asset in published.assets} == {(WHEEL, 5), ("SHA256SUMS", 4)}
    assert lines == [
        f"drafting the release v4.0.1 in {github.repository}",
        f"attaching {WHEEL}, 5 bytes",
        "attaching SHA256SUMS, 4 bytes",
        "publishing the release v4.0.1",
    ]

    lines.clear()
    again, _ = publish_release(api, github.repository, release, token_env="GITHUB_TOKEN", log=lines.append)
    assert (again, lines) == (published, [])
    seen = published_releases(github.api_url, github.repository, github.token, [], token_env="GITHUB_TOKEN")
    assert [shown.id for shown in seen.releases if shown.tag == "v4.0.1"] == [published.id]


def test_a_real_api_shows_a_draft_to_its_owner_alone(github: GitHubServer) -> None:
    api = connect(github.api_url, github.token)
    draft = {"tag_name": "v4.0.2", "draft": True}
    api.requestJsonAndCheck("POST", f"/repos/{github.repository}/releases", input=draft)
    found, others = find_release(api, github.repository, "v4.0.2", token_env="GITHUB_TOKEN")
    assert found is not None
    assert (found.draft, others) == (True, ())
    wrong = connect(github.api_url, "wrong")
    with pytest.raises(PermanentError, match="GITHUB_TOKEN"):
        find_release(wrong, github.repository, "v4.0.2", token_env="GITHUB_TOKEN")
