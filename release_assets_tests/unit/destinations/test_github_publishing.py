"""A release is drafted, filled and published, whatever GitHub answers in between."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from github.Requester import Requester

from release_assets.destinations.github import connect, connection, find_release
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import Bounded, ScriptedServer, Told
from release_assets_tests.unit.destinations.github_hub import (
    REPOSITORY,
    TOKEN,
    WHEEL,
    Hub,
    file,
    wanted,
)


def test_a_release_is_drafted_filled_and_then_published(hub: Hub, tmp_path: Path) -> None:
    wheel, sums = file(tmp_path), file(tmp_path, "SHA256SUMS", b"sums")
    published = hub.publish(wanted(wheel, sums))
    writes = [(r.method, r.path, r.body) for r in hub.seen if r.method != "GET"]
    base = f"/repos/{REPOSITORY}/releases"
    assert [(method, path) for method, path, _ in writes] == [
        ("POST", base),
        ("POST", f"{base}/1/assets?name={WHEEL}"),
        ("POST", f"{base}/1/assets?name=SHA256SUMS"),
        ("PATCH", f"{base}/1"),
    ]
    assert json.loads(writes[0][2])["draft"] is True
    assert json.loads(writes[0][2])["target_commitish"] == "c" * 40
    assert writes[1][2] == b"wheel"
    assert json.loads(writes[3][2]) | {"draft": False, "make_latest": "true"} == json.loads(writes[3][2])
    assert (published.draft, published.name, published.body) == (False, "Release v4.0.0", "our text")
    assert [asset.name for asset in published.assets] == [WHEEL, "SHA256SUMS"]


@pytest.mark.parametrize(("prerelease", "latest"), [(True, True), (True, False), (False, False)])
def test_what_is_not_the_latest_is_said_not_to_be(hub: Hub, prerelease: bool, latest: bool) -> None:
    hub.publish(wanted(prerelease=prerelease, latest=latest))
    sent = json.loads(next(r.body for r in hub.seen if r.method == "PATCH"))
    assert sent["make_latest"] == "false"
    assert sent["prerelease"] is prerelease


def test_doing_it_again_writes_nothing(hub: Hub, tmp_path: Path) -> None:
    release = wanted(file(tmp_path))
    first = hub.publish(release)
    hub.seen.clear()
    assert hub.publish(release) == first
    assert {request.method for request in hub.seen} == {"GET"}


def test_a_release_by_a_person_is_completed_and_keeps_its_words(hub: Hub, tmp_path: Path) -> None:
    hub.made(draft=False, name="Spring!", body="by hand")
    published = hub.publish(wanted(file(tmp_path)))
    assert (published.name, published.body) == ("Spring!", "by hand")
    assert [asset.name for asset in published.assets] == [WHEEL]
    assert hub.count("PATCH", "/1") == 0


def test_a_draft_by_a_person_keeps_its_words_when_published(hub: Hub) -> None:
    hub.made(name="Spring!", body="by hand")
    published = hub.publish(wanted())
    assert (published.draft, published.name, published.body) == (False, "Spring!", "by hand")


def test_of_two_releases_the_published_one_counts_with_a_warning(hub: Hub) -> None:
    hub.made()
    hub.made(draft=False)
    lines: list[str] = []
    assert hub.publish(wanted(), lines.append).id == 2
    assert lines == [f"v4.0.0 has another release: draft 1, {hub.url}/r/1"]
    assert len(hub.releases) == 2


def test_a_draft_of_ours_that_is_left_over_is_deleted(hub: Hub) -> None:
    """Another daemon drafted at the same moment and was quicker, or an answer was lost."""
    ours = wanted()
    hub.made(draft=False, name=ours.name, body=ours.body)
    hub.made(name=ours.name, body=ours.body)
    hub.made(name=ours.name, body="by hand")
    hub.publish(ours)
    assert [(release["id"], release["draft"]) for release in hub.releases if release] == [
        (1, False), (3, True)
    ]  # fmt: skip


def test_a_release_that_another_daemon_publishes_first_counts(hub: Hub, tmp_path: Path) -> None:
    taken = {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "tag_name"}]}
    ours = wanted(file(tmp_path))
    theirs: list[dict[str, Any]] = []

    def quicker(_: dict[str, Any]) -> None:
        theirs.append(hub.made(draft=False, name=ours.name, body=ours.body))

    hub.before_publishing = quicker
    hub.faults["PATCH"] = [Told(422, body=json.dumps(taken).encode())]
    published = hub.publish(ours)
    assert published.id == theirs[0]["id"]
    assert [asset.name for asset in published.assets] == [ours.assets[0].name]
    assert [release["id"] for release in hub.releases if release] == [published.id]


def test_a_draft_that_another_daemon_deleted_is_looked_for_again(hub: Hub, tmp_path: Path) -> None:
    ours = wanted(file(tmp_path))

    def deleted(release: dict[str, Any]) -> None:
        release["gone"] = True

    hub.before_upload = deleted
    published = hub.publish(ours)
    assert not published.draft
    assert published.id == 2


def test_a_draft_whose_answer_was_lost_is_found_and_not_repeated(hub: Hub, tmp_path: Path) -> None:
    hub.after["POST"] = [Told(502)]
    hub.publish(wanted(file(tmp_path)))
    assert len(hub.releases) == 1
    assert hub.count("POST", "/releases") == 1


def test_a_publication_whose_answer_was_lost_is_not_repeated(hub: Hub) -> None:
    hub.after["PATCH"] = [Told(502)]
    assert not hub.publish(wanted()).draft
    assert hub.count("PATCH", "/1") == 1


def test_a_draft_that_the_list_lacks_yet_is_not_made_twice(hub: Hub, tmp_path: Path) -> None:
    hub.list_is_stale = True
    hub.faults["POST"] = [None, Told(502)]  # the draft is made, its first asset fails
    assert len(hub.publish(wanted(file(tmp_path))).assets) == 1
    assert len(hub.releases) == 1


def test_an_asset_that_arrived_half_is_deleted_and_sent_again(hub: Hub, tmp_path: Path) -> None:
    release = hub.made()
    hub.asset(release, WHEEL, b"", state="starter", digest=None)
    hub.faults["POST"] = [Told(502)]
    published = hub.publish(wanted(file(tmp_path)))
    assert [(asset.name, asset.state, asset.size) for asset in published.assets] == [(WHEEL, "uploaded", 5)]
    assert hub.count("DELETE", "/100") == 1
    assert hub.pauses == [1]


def test_an_asset_that_was_there_already_is_looked_at_again(hub: Hub, tmp_path: Path) -> None:
    said = {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "name"}]}
    hub.made()
    hub.after["POST"] = [Told(422, body=json.dumps(said).encode())]
    assert len(hub.publish(wanted(file(tmp_path))).assets) == 1


def test_github_that_stays_unwell_is_given_up(hub: Hub) -> None:
    hub.faults["POST"] = [Told(503)] * 10
    with pytest.raises(TransientError, match=r"drafting v4.0.0: GitHub answered 503") as caught:
        hub.publish(wanted())
    assert "materialize again" in caught.value.remedy
    assert hub.count("POST", "/releases") == 5
    assert hub.pauses == [1, 2, 4, 8]


def test_a_server_that_fails_slowly_is_not_asked_five_times(hub: Hub, bounded: Bounded) -> None:
    bounded(github_attempts_seconds=0.0)
    hub.faults["POST"] = [Told(503)] * 10
    with pytest.raises(TransientError):
        hub.publish(wanted())
    assert hub.count("POST", "/releases") == 1


def test_a_pause_that_github_asks_for_is_kept(hub: Hub) -> None:
    said = b'{"message": "You have exceeded a secondary rate limit."}'
    hub.faults["POST"] = [Told(403, body=said, headers={"Retry-After": "30"})]
    hub.publish(wanted())
    assert hub.pauses == [30]


def test_a_long_pause_is_left_to_a_later_run(hub: Hub) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    hub.faults["POST"] = [Told(403, body=b'{"message": "API rate limit exceeded for you"}', headers=reset)]
    with pytest.raises(TransientError, match="API rate limit exceeded") as caught:
        hub.publish(wanted())
    assert caught.value.wait == pytest.approx(3000, abs=10)
    assert hub.pauses == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            Told(401, body=b'{"message": "Bad credentials"}'),
            "Bad credentials.\nCheck the token in GITHUB_TOKEN",
        ),
        (Told(403, body=b'{"message": "Resource not accessible"}'), "Check the token in GITHUB_TOKEN"),
        (Told(404, body=b'{"message": "Not Found"}'), "Check the repository's name"),
        (
            Told(
                422, body=b'{"message": "Validation Failed", "errors": [{"code": "custom", "message": "no"}]}'
            ),
            "Validation Failed; custom no.",
        ),
        (Told(301, headers={"Location": "/repositories/1"}), "has moved to /repositories/1"),
    ],
)
def test_a_refusal_is_permanent_and_tried_once(hub: Hub, told: Told, words: str) -> None:
    hub.faults["POST"] = [told]
    with pytest.raises(PermanentError) as caught:
        hub.publish(wanted())
    assert words in str(caught.value)
    assert hub.count("POST", "/releases") == 1


@pytest.mark.parametrize(
    "told",
    [Told(body=b"{garbage"), Told(body=b"<html>"), Told(body=b"[1]"), Told(body=b"[" * 100_000), Told(202)],
)
def test_an_answer_that_makes_no_sense_is_transient(server: ScriptedServer, told: Told) -> None:
    server.answers(told)
    with pytest.raises(TransientError):
        find_release(connect(server.url, TOKEN), REPOSITORY, "v1", token_env="GITHUB_TOKEN")


def test_a_token_that_the_server_echoes_is_not_shown(server: ScriptedServer) -> None:
    server.answers(lambda handler: echo(handler, server.seen[-1].headers["authorization"]))
    with pytest.raises(PermanentError) as caught:
        find_release(connect(server.url, TOKEN), REPOSITORY, "v1", token_env="GITHUB_TOKEN")
    assert "not token ***" in str(caught.value)
    assert caught.value.__cause__ is None
    assert TOKEN not in repr(connect(server.url, TOKEN))


def echo(handler: BaseHTTPRequestHandler, header: str) -> None:
    body = json.dumps({"message": f"not {header}"}).encode()
    handler.wfile.write(b"HTTP/1.0 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_the_token_is_not_sent_where_an_answer_points(hub: Hub, tmp_path: Path) -> None:
    hub.made(upload_url="https://evil.example/{?name}")
    with pytest.raises(PermanentError, match="an address outside the API"):
        hub.publish(wanted(file(tmp_path)))


def test_a_server_that_trickles_is_given_up(server: ScriptedServer, bounded: Bounded) -> None:
    bounded(file_seconds=1.0)
    server.answers(lambda handler: server.drip(handler, b"HTTP/1.0 200 OK\r\nX-Slow: ", b"x"))
    with pytest.raises(TransientError, match="took longer than 1 s"):
        find_release(connect(server.url, TOKEN), REPOSITORY, "v1", token_env="GITHUB_TOKEN")


def test_nobody_else_uses_our_connections() -> None:
    plain = Requester(None, "https://api.github.com", 30, "x", 30, True, None, None)
    assert type(plain) is not type(connect("https://api.github.com", None))
    assert Requester._Requester__httpsConnectionClass is not connection._HTTPS  # type: ignore[attr-defined]
