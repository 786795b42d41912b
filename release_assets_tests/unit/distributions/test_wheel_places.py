"""Wheels of other machines are copied from a draft on GitHub or a page, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from release_assets.distributions.wheels.adopted import wheels_in_draft, wheels_on_page
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told, server

__all__ = ["server"]

NAME = "a-1.0-cp311-cp311-win_amd64.whl"
CONTENT = b"the wheel"
TOKEN = "ghp_secret"


def asset(**changed: Any) -> dict[str, Any]:
    found = {
        "id": 7,
        "name": NAME,
        "size": len(CONTENT),
        "state": "uploaded",
        "digest": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        "browser_download_url": "https://github.example/file",
    }
    return found | changed


def drafted(server: ScriptedServer, *assets: dict[str, Any], then: list[Told]) -> dict[str, Any]:
    """Let the server have a draft of v1.0 with these assets; what it answers `then` to a download."""
    release = {
        "id": 1, "tag_name": "v1.0", "html_url": "https://github.example/1", "name": "", "body": "",
        "draft": True, "prerelease": False, "assets": [], "published_at": None,
        "upload_url": "https://uploads.example/1",
    }  # fmt: skip
    listed = [Told(body=json.dumps(answer).encode()) for answer in ([release], list(assets))]
    server.answers(*listed, *then)
    return dict(wheels_in_draft(server.url, "me/a", "v1.0", token=TOKEN, token_env="GITHUB_TOKEN"))


def test_a_wheel_of_a_draft_is_copied_without_the_token(server: ScriptedServer, tmp_path: Path) -> None:
    half, notes = asset(id=8, name=NAME.replace("win", "mac"), state="starter"), asset(id=9, name="notes.md")
    moved = Told(302, headers={"Location": f"{server.url}/storage?signature=1"})
    found = drafted(server, asset(), half, notes, then=[moved, Told(body=CONTENT)])
    assert list(found) == [NAME]  # half-way uploaded files are not there yet
    assert found[NAME](tmp_path).read_bytes() == CONTENT
    asked, stored = server.seen[-2:]
    assert asked.path == "/repos/me/a/releases/assets/7"
    assert asked.headers["accept"] == "application/octet-stream"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in stored.headers


@pytest.mark.parametrize(
    ("changed", "answer", "error", "words"),
    [
        ({"size": 5}, Told(body=CONTENT), TransientError, "has 5 bytes on GitHub, and 9 bytes came"),
        ({"digest": "sha256:00"}, Told(body=CONTENT), PermanentError, "but GitHub shows sha256:00"),
        ({}, Told(404), PermanentError, "GitHub answered 404"),
        ({}, Told(502), TransientError, "GitHub answered 502"),
    ],
    ids=["cut off", "other bytes", "gone", "failing"],
)
def test_other_bytes_of_a_draft_are_refused(
    server: ScriptedServer,
    tmp_path: Path,
    changed: dict[str, Any],
    answer: Told,
    error: type[ReleaseError],
    words: str,
) -> None:
    found = drafted(server, asset(**changed), then=[answer])
    with pytest.raises(error) as caught:
        found[NAME](tmp_path)
    assert words in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_a_tag_without_a_draft_has_no_wheels(server: ScriptedServer) -> None:
    server.answers(Told(body=b"[]"))
    assert wheels_in_draft(server.url, "me/a", "v1.0", token=TOKEN, token_env="GITHUB_TOKEN") == {}


def test_wheels_that_a_page_links_are_copied(server: ScriptedServer, tmp_path: Path) -> None:
    page = f'<a href="../">up</a> <a href="files/{NAME}">x</a> <a href="files/..%2f.whl">y</a>'
    server.answers(Told(body=page.encode()), Told(body=CONTENT))
    found = wheels_on_page(f"{server.url}/v1.0/")
    assert list(found) == [NAME]
    assert found[NAME](tmp_path).read_bytes() == CONTENT
    assert server.seen[-1].path == f"/v1.0/files/{NAME}"


def test_a_page_that_is_not_there_has_no_wheels_yet(server: ScriptedServer) -> None:
    server.answers(Told(404))
    assert wheels_on_page(f"{server.url}/v1.0/") == {}
    server.answers(Told(500))
    with pytest.raises(TransientError, match="answered 500"):
        wheels_on_page(f"{server.url}/v1.0/")
