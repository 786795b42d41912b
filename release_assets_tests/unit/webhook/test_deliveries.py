"""GitHub's deliveries: signed, bounded, answered at once, each dealt with once."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import pytest

from release_assets.webhook import server
from release_assets.webhook.deliveries import Event, Replays, event_of, is_signed
from release_assets.webhook.server import LARGEST_BODY, Webhook
from release_assets_tests.unit.webhook.conftest import Client, served

SECRET = "a secret of the webhook"
REPOSITORY = {"full_name": "Me/Sample"}
PUSH = {"ref": "refs/tags/v1.0.0", "created": True, "deleted": False, "repository": REPOSITORY}
CREATED = {"ref": "v1.0.0", "ref_type": "tag", "repository": REPOSITORY}
PUBLISHED = {"action": "published", "release": {"tag_name": "v1.0.0"}, "repository": REPOSITORY}


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes, event: str = "push", delivery: str = "1") -> dict[str, str]:
    return {
        "X-Hub-Signature-256": signature(body),
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
    }


class Handled:
    """Remembers the events that were handed on; may be slow."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, event: Event) -> str:
        self.go_on.wait(10)
        self.events.append(event)
        return "launched"


@pytest.fixture
def handled() -> Handled:
    return Handled()


def client_of(handled: Handled) -> AbstractContextManager[Client]:
    return served(Webhook(SECRET, {"me/sample": [handled]}).app())


# The rules


@pytest.mark.parametrize(
    ("name", "payload", "event"),
    [
        ("push", PUSH, Event("tag", "Me/Sample", "v1.0.0")),
        ("create", CREATED, Event("tag", "Me/Sample", "v1.0.0")),
        ("release", PUBLISHED, Event("release", "Me/Sample", "v1.0.0")),
        ("push", PUSH | {"ref": "refs/heads/main"}, None),
        ("push", PUSH | {"deleted": True}, None),
        ("create", CREATED | {"ref_type": "branch"}, None),
        ("release", PUBLISHED | {"action": "edited"}, None),
        ("star", {}, None),
    ],
)
def test_an_event_tells_what_may_be_due(name: str, payload: dict[str, Any], event: Event | None) -> None:
    assert event_of(name, json.dumps(payload).encode()) == event


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("push", b"payload=%7B%7D"),
        ("push", b"[" * 100_000),
        ("push", b"[]"),
        ("push", b'{"ref": "refs/tags/v1"}'),
        ("release", b'{"action": "published", "release": null}'),
        ("create", b'{"ref_type": "tag", "ref": 3, "repository": {"full_name": "a/b"}}'),
    ],
    ids=["form", "deep", "list", "without repository", "without release", "number as a tag"],
)
def test_a_malformed_body_is_an_error(name: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"the body is not|has no tag"):
        event_of(name, body)


@pytest.mark.parametrize("given", ["", "sha256=", "sha1=abc", signature(b"other"), "sha256=ä"])
def test_another_signature_is_refused(given: str) -> None:
    assert is_signed(b"body", signature(b"body"), SECRET)
    assert not is_signed(b"body", given, SECRET)
    assert not is_signed(b"body", signature(b"body"), SECRET + "x")


def test_a_replay_is_known_by_its_id_or_its_body() -> None:
    replays = Replays(remembered=2)
    assert not replays.is_replay("1", b"a")
    assert replays.is_replay("1", b"b")
    assert replays.is_replay("2", b"a")
    for number in range(3, 9):
        assert not replays.is_replay(str(number), str(number).encode())
    assert not replays.is_replay("1", b"a")  # forgotten: only so many are remembered


# The server


def test_a_tag_that_was_pushed_is_accepted_once(handled: Handled) -> None:
    body = json.dumps(PUSH).encode()
    with client_of(handled) as client:
        assert client.post("/github", content=body, headers=headers(body)).status_code == 202
        again = client.post("/github", content=body, headers=headers(body))
        assert (again.status_code, again.text) == (200, "ignored: this delivery came before\n")
        other_id = client.post("/github", content=body, headers=headers(body, delivery="2"))
        assert other_id.status_code == 200
        metrics = client.get("/metrics").text
    assert handled.events == [Event("tag", "Me/Sample", "v1.0.0")]
    assert 'release_assets_webhook_deliveries_total{event="push",status="202"} 1.0' in metrics
    assert 'release_assets_webhook_deliveries_total{event="push",status="200"} 2.0' in metrics


def test_a_forged_delivery_reaches_nobody_and_is_no_replay(handled: Handled) -> None:
    body = json.dumps(PUSH).encode()
    forged = headers(body) | {"X-Hub-Signature-256": signature(body, "guessed")}
    with client_of(handled) as client:
        refused = client.post("/github", content=body, headers=forged)
        assert refused.status_code == 401
        assert SECRET not in refused.text
        assert handled.events == []
        assert client.post("/github", content=body, headers=headers(body)).status_code == 202


def test_other_repositories_and_pings_are_answered(handled: Handled) -> None:
    other = json.dumps(PUSH | {"repository": {"full_name": "you/other"}}).encode()
    with client_of(handled) as client:
        assert "not the repository" in client.post("/github", content=other, headers=headers(other)).text
        ping = client.post("/github", content=b"{}", headers=headers(b"{}", "ping"))
        assert (ping.status_code, ping.text) == (200, "pong\n")
        bad = client.post("/github", content=b"x", headers=headers(b"x"))
        assert bad.status_code == 400
        assert "application/json" in bad.text
        assert client.get("/github").status_code == 405
    assert handled.events == []


def test_a_large_body_is_refused_whatever_its_signature(handled: Handled) -> None:
    body = b" " * LARGEST_BODY + b"x"
    with client_of(handled) as client:
        refused = client.post("/github", content=body, headers=headers(body))
    assert (refused.status_code, refused.text) == (413, f"the body is larger than {LARGEST_BODY} bytes\n")
    assert handled.events == []


def test_a_body_that_does_not_arrive_is_not_waited_for(
    handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.2)
    with client_of(handled) as client:
        host, _, port = client.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(b"POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1")
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_it_answers_within_a_second_however_long_the_work_takes(handled: Handled) -> None:
    handled.go_on.clear()
    with client_of(handled) as client:
        for number in range(5):
            body = json.dumps(PUSH | {"ref": f"refs/tags/v1.0.{number}"}).encode()
            started = time.monotonic()
            answer = client.post("/github", content=body, headers=headers(body, delivery=str(number)))
            assert time.monotonic() - started < 1.0
            assert answer.status_code == 202
        handled.go_on.set()
    assert [event.tag for event in handled.events] == [f"v1.0.{number}" for number in range(5)]


def test_where_too_many_events_wait_it_is_left_to_the_sensors(
    handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WAITING", 1)
    handled.go_on.clear()
    with client_of(handled) as client:
        statuses = []
        for number in range(4):  # one is at work, one waits
            body = json.dumps(PUSH | {"number": number}).encode()
            answer = client.post("/github", content=body, headers=headers(body, delivery=str(number)))
            statuses.append(answer.status_code)
        handled.go_on.set()
    assert statuses[0] == 202
    assert statuses[-1] == 503
