"""GitHub releases, against emulate where it can show the case and a scripted server where it cannot."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from github import Auth, GithubIntegration
from github.Requester import Requester

from release_assets.destinations.github import (
    Page,
    PublishedRelease,
    ReleaseAsset,
    ReleasePlan,
    WantedAsset,
    WantedRelease,
    check_access,
    connect,
    connection,
    find_release,
    fitting_body,
    publish_release,
    published_releases,
    release_plan,
    same_name,
)
from release_assets.errors import ConflictError, PermanentError, TransientError
from release_assets_tests.scripted_server import Bounded, ScriptedServer, Seen, Told
from tools.sandbox.github import OWNER, github_server

REPOSITORY = "maintainer/sampleproject"
TOKEN = "ghp_scrtscrtscrtscrt"
WHEEL = "sampleproject-4.0.0-py3-none-any.whl"


def file(folder: Path, name: str = WHEEL, data: bytes = b"wheel") -> WantedAsset:
    path = folder / name
    path.write_bytes(data)
    return WantedAsset(path, len(data), hashlib.sha256(data).hexdigest())


def wanted(*assets: WantedAsset, prerelease: bool = False, latest: bool = True) -> WantedRelease:
    return WantedRelease("v4.0.0", "c" * 40, "Release v4.0.0", "our text", prerelease, latest, assets)


def there(asset: WantedAsset, **changes: Any) -> ReleaseAsset:
    return replace(ReleaseAsset(7, asset.name, asset.size, "uploaded", None, "u"), **changes)


def observed(*assets: ReleaseAsset, draft: bool) -> PublishedRelease:
    return PublishedRelease(1, "v4.0.0", "https://github.example/r", "", "", draft, False, assets, None, "")


class Hub:
    """As much of GitHub's releases as publishing needs, with what emulate lacks: faults, states, digests."""

    def __init__(self, server: ScriptedServer) -> None:
        self.url = server.url
        self.seen = server.seen
        self.pauses: list[float] = []  # those between attempts are noted, not waited for
        self.releases: list[dict[str, Any]] = []
        self.list_is_stale = False
        self.tags: set[str] = set()  # of git
        self.faults: dict[str, list[Told | None]] = {}  # by method: the next answers, None for the right one
        self.after: dict[str, list[Told | None]] = {}  # the same, but the request has been carried out
        self.before_publishing: Callable[[dict[str, Any]], None] | None = None  # once
        self.before_upload: Callable[[dict[str, Any]], None] | None = None  # once
        server.answers(self.answer)

    def made(self, tag: str = "v4.0.0", *, draft: bool = True, **changes: Any) -> dict[str, Any]:
        number = len(self.releases) + 1
        release = {
            "id": number, "tag_name": tag, "html_url": f"{self.url}/r/{number}", "name": None, "body": None,
            "draft": draft, "prerelease": False, "assets": [], "published_at": None if draft else "2026",
            "upload_url": f"{self.url}/repos/{REPOSITORY}/releases/{number}/assets{{?name,label}}",
        }  # fmt: skip
        self.releases.append(release | changes)
        return self.releases[-1]

    def asset(self, release: dict[str, Any], name: str, data: bytes, **changes: Any) -> None:
        shown = {
            "id": 100 * release["id"] + len(release["assets"]), "name": name, "size": len(data),
            "state": "uploaded", "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "browser_download_url": f"{self.url}/d/{name}",
        }  # fmt: skip
        release["assets"].append(shown | changes)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = self.seen[-1]
        self._happens_before(request)
        told = self._next(self.faults, request.method)
        if told is None:
            told = self._carried_out(request)
            told = self._next(self.after, request.method) or told
        handler.send_response(told.status, told.reason)
        for name, value in told.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(told.body)))
        handler.end_headers()
        handler.wfile.write(told.body)

    def _happens_before(self, request: Seen) -> None:
        """Do what somebody else does at this moment."""
        if request.method == "PATCH" and self.before_publishing is not None:
            act, self.before_publishing = self.before_publishing, None
            act(self.releases[-1])
        if request.method == "POST" and "/assets" in request.path and self.before_upload is not None:
            act, self.before_upload = self.before_upload, None
            act(self.releases[-1])

    @staticmethod
    def _next(queued: dict[str, list[Told | None]], method: str) -> Told | None:
        return queued[method].pop(0) if queued.get(method) else None

    def _carried_out(self, request: Seen) -> Told:
        path, _, query = request.path.partition("?")
        parts = path.removeprefix(f"/repos/{REPOSITORY}/releases").strip("/").split("/")
        there = [release for release in self.releases if release and not release.get("gone")]
        if parts[0].isdecimal() and self.releases[int(parts[0]) - 1] not in there:
            return Told(404, body=b'{"message": "Not Found"}')
        if path.startswith(f"/repos/{REPOSITORY}/git/ref/tags/"):
            return self._json({}) if path.rpartition("/")[2] in self.tags else Told(404, body=b"{}")
        match request.method, parts:
            case "GET", [""]:
                return self._json([] if self.list_is_stale else there)
            case "DELETE", [number]:
                self.releases[int(number) - 1] = {}
                return Told(204)
            case "POST", [""]:
                body = json.loads(request.body)
                return self._json(self.made(**{"tag": body.pop("tag_name"), **body}))
            case "DELETE", ["assets", number]:
                for release in self.releases:
                    release["assets"] = [a for a in release["assets"] if a["id"] != int(number)]
                return Told(204)
            case "GET", [number]:
                return self._json(self.releases[int(number) - 1])
            case "GET", [number, "assets"]:
                return self._json(self.releases[int(number) - 1]["assets"])
            case "POST", [number, "assets"]:
                self.asset(self.releases[int(number) - 1], query.removeprefix("name="), request.body)
                return self._json(self.releases[int(number) - 1]["assets"][-1])
            case "PATCH", [number]:
                self.releases[int(number) - 1].update(json.loads(request.body))
                return self._json(self.releases[int(number) - 1])
        return Told(404, body=b'{"message": "Not Found"}')

    @staticmethod
    def _json(answer: object) -> Told:
        return Told(body=json.dumps(answer).encode(), headers={"Content-Type": "application/json"})

    def count(self, method: str, ending: str) -> int:
        return sum(r.method == method and r.path.partition("?")[0].endswith(ending) for r in self.seen)

    def publish(
        self, release: WantedRelease, log: Callable[[str], None] = lambda _: None
    ) -> PublishedRelease:
        published, seconds = publish_release(
            connect(self.url, TOKEN),
            REPOSITORY,
            release,
            token_env="GITHUB_TOKEN",
            log=log,
            sleep=self.pauses.append,
        )
        assert set(seconds) == {"draft", "assets", "publish"}
        return published


@pytest.fixture
def hub(server: ScriptedServer) -> Hub:
    return Hub(server)


# Deciding


def test_nothing_there_is_created_filled_and_published(tmp_path: Path) -> None:
    release = wanted(file(tmp_path))
    assert release_plan(None, release) == ReleasePlan(True, (), release.assets, True)


def test_a_whole_published_release_is_done_whatever_else_it_has(tmp_path: Path) -> None:
    asset = file(tmp_path)
    other = there(asset, name="notes.pdf", size=1)
    assert release_plan(observed(there(asset), other, draft=False), wanted(asset)).is_done


@pytest.mark.parametrize("change", [{"state": "starter"}, {"size": 3}, {"digest": "sha256:00"}])
def test_a_wrong_asset_of_a_draft_is_replaced(tmp_path: Path, change: dict[str, Any]) -> None:
    asset = file(tmp_path)
    wrong = there(asset, **change)
    assert release_plan(observed(wrong, draft=True), wanted(asset)) == ReleasePlan(
        False, (wrong,), (asset,), True
    )


def test_a_half_uploaded_asset_of_a_release_is_replaced(tmp_path: Path) -> None:
    asset = file(tmp_path)
    half = there(asset, state="starter", size=0)
    assert release_plan(observed(half, draft=False), wanted(asset)) == ReleasePlan(
        False, (half,), (asset,), False
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [({"size": 3}, "3 bytes, ours has 5"), ({"digest": "sha256:00"}, "sha256:00, ours is sha256:")],
)
def test_other_bytes_in_a_release_are_a_conflict_that_names_both(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    asset = file(tmp_path)
    with pytest.raises(ConflictError) as caught:
        release_plan(observed(there(asset, **change), draft=False), wanted(asset))
    assert f"has {WHEEL} with other bytes: {words}" in caught.value.problem


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (WHEEL, WHEEL),
        ("p-1!2.0-py3-none-any.whl", "p-1.2.0-py3-none-any.whl"),
        ("p-1.0+cu118.tar.gz", "p-1.0.cu118.tar.gz"),
        ("p-1.0+cu118.tar.gz", "p-1.0+cu118.tar.gz"),
        ("my notes (1).txt", "my.notes.1.txt"),
    ],
)
def test_a_name_that_github_rewrote_is_still_ours(ours: str, theirs: str) -> None:
    assert same_name(ours, theirs)


def test_wheels_of_two_platforms_have_two_names() -> None:
    assert not same_name("p-1.0-cp312-cp312-linux_x86_64.whl", "p-1.0-cp312-cp312-linux_aarch64.whl")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert fitting_body("x" * 125_000) == "x" * 125_000
    cut = fitting_body("x" * 125_001)
    assert len(cut) == 125_000
    assert cut.endswith("(cut here: GitHub accepts no more than 125,000 characters)\n")


# Publishing


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


# A tag that is there


def sent(hub: Hub, method: str) -> Any:
    """Return what was sent first with a method."""
    return json.loads(next(request.body for request in hub.seen if request.method == method))


def test_a_tag_that_github_has_gets_no_target(hub: Hub) -> None:
    """GitHub requires `Workflows: write` for it where the workflows differ from the default branch's."""
    hub.tags = {"v4.0.0"}
    hub.publish(wanted())
    assert "target_commitish" not in sent(hub, "POST")
    assert "target_commitish" not in sent(hub, "PATCH")
    assert sent(hub, "PATCH")["tag_name"] == "v4.0.0"


def test_a_tag_that_github_lacks_is_put_on_the_commit(hub: Hub) -> None:
    hub.tags = {"v4.0"}
    hub.made(target_commitish="main")
    hub.publish(wanted())
    assert sent(hub, "PATCH")["target_commitish"] == "c" * 40


def test_a_tag_that_cannot_be_read_is_not_missing(hub: Hub) -> None:
    hub.faults["GET"] = [None, Told(502)]  # the list of releases, then the tag
    hub.publish(wanted())
    assert hub.pauses == [1]


# Immutable releases

NO_UPLOAD = Told(422, body=b'{"message": "Cannot upload assets to an immutable release.", "request_id": "1"}')


def test_an_immutable_release_by_a_person_is_adopted(hub: Hub, tmp_path: Path) -> None:
    hub.made(draft=False, name="Spring!", immutable=True)
    lines: list[str] = []
    ours = wanted(file(tmp_path), file(tmp_path, "SHA256SUMS", b"sums"))
    published = hub.publish(ours, lines.append)
    assert (published.name, published.immutable, published.assets) == ("Spring!", True, ())
    assert {request.method for request in hub.seen} == {"GET"}
    assert lines == [
        f"warning: {hub.url}/r/1 is immutable and lacks {WHEEL}, SHA256SUMS for good. What is missing can be "
        "added to a new version only. Let release-assets publish the release, or turn off release "
        "immutability in the repository's settings."
    ]
    assert release_plan(published, ours).lacking == (WHEEL, "SHA256SUMS")


def test_immutability_is_learned_from_one_refusal(hub: Hub, tmp_path: Path) -> None:
    hub.made(draft=False)
    hub.faults["POST"] = [NO_UPLOAD] * 30
    lines: list[str] = []
    published = hub.publish(wanted(file(tmp_path)), lines.append)
    assert (published.draft, published.immutable) == (False, True)
    assert hub.count("POST", "/assets") == 1
    assert hub.pauses == []
    assert f"lacks {WHEEL} for good" in lines[-1]


def test_a_draft_that_a_person_publishes_meanwhile_is_adopted(hub: Hub, tmp_path: Path) -> None:
    def publish(release: dict[str, Any]) -> None:
        release |= {"draft": False, "immutable": True}

    hub.before_upload = publish
    hub.faults["POST"] = [None, NO_UPLOAD]
    assert hub.publish(wanted(file(tmp_path))).immutable
    assert hub.count("POST", "/assets") == 1


def test_a_complete_immutable_release_lacks_nothing(tmp_path: Path) -> None:
    asset = file(tmp_path)
    plan = release_plan(replace(observed(there(asset), draft=False), immutable=True), wanted(asset))
    assert (plan.is_done, plan.lacking) == (True, ())


@pytest.mark.parametrize("change", [{"state": "starter"}, {"state": "starter", "size": 0}])
def test_a_half_uploaded_file_of_an_immutable_release_stays_so(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    asset = file(tmp_path)
    plan = release_plan(replace(observed(there(asset, **change), draft=False), immutable=True), wanted(asset))
    assert (plan.is_done, plan.delete, plan.lacking) == (True, (), (WHEEL,))


def test_other_bytes_in_an_immutable_release_cannot_be_deleted(tmp_path: Path) -> None:
    asset = file(tmp_path)
    immutable = replace(observed(there(asset, size=3), draft=False), immutable=True)
    with pytest.raises(ConflictError) as caught:
        release_plan(immutable, wanted(asset))
    assert "3 bytes, ours has 5" in caught.value.problem
    assert (
        caught.value.remedy == "The release is immutable: its files stay as they are. Release a new version."
    )


def test_a_tag_of_a_deleted_immutable_release_is_used_up(hub: Hub) -> None:
    said = {
        "message": "Validation Failed",
        "errors": [
            {
                "resource": "Release",
                "code": "custom",
                "field": "tag_name",
                "message": "tag_name was used by an immutable release",
            }
        ],
    }
    hub.faults["POST"] = [Told(422, body=json.dumps(said).encode())] * 10
    with pytest.raises(PermanentError) as caught:
        hub.publish(wanted())
    assert "tag_name was used by an immutable release" in caught.value.problem
    assert "release a new version" in caught.value.remedy
    assert hub.count("POST", "/releases") == 1


@pytest.mark.parametrize(
    "said",
    [
        {"message": "Sorry, your file contained invalid content. Please try again."},
        {"message": "Validation Failed", "errors": ["Release assets are limited to 1000 per release"]},
        {"message": "Validation Failed", "errors": "one"},
        {"message": "Validation Failed", "errors": []},
    ],
)
def test_a_422_that_stays_is_not_tried_over_and_over(hub: Hub, tmp_path: Path, said: object) -> None:
    hub.made()
    hub.faults["POST"] = [Told(422, body=json.dumps(said).encode())] * 30
    with pytest.raises(PermanentError) as caught:
        hub.publish(wanted(file(tmp_path)))
    assert str(said["message"]) in caught.value.problem  # type: ignore[index]
    assert "limited to 1000" not in str(said) or "limited to 1000" in caught.value.problem
    assert hub.count("POST", "/assets") == 2


# The sensor's reading


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


# Asking whether the token may


def shown(*, private: bool = False, archived: bool = False, push: bool = True, pull: bool = True) -> Told:
    """The repository, with the role of the token's owner."""
    there = {"private": private, "archived": archived, "permissions": {"push": push, "pull": pull}}
    return Told(body=json.dumps(there).encode())


def ask(server: ScriptedServer) -> None:
    check_access(connect(server.url, TOKEN), REPOSITORY, token_env="GITHUB_TOKEN")


NO_NOTES = Told(422, body=b'{"message": "Invalid previous_tag_name parameter"}')


def test_a_token_is_tried_with_notes_that_change_nothing(
    server: ScriptedServer,
) -> None:
    server.answers(shown(), NO_NOTES)
    ask(server)
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", f"/repos/{REPOSITORY}"),
        ("POST", f"/repos/{REPOSITORY}/releases/generate-notes"),
    ]
    notes = json.loads(server.seen[1].body)
    assert notes["tag_name"] == notes["previous_tag_name"]


@pytest.mark.parametrize("words", ["personal access token", "integration"])
def test_a_token_without_contents_write_is_refused(server: ScriptedServer, words: str) -> None:
    refusal = {"message": f"Resource not accessible by {words}"}
    server.answers(shown(), Told(403, json.dumps(refusal).encode()))
    with pytest.raises(PermanentError) as raised:
        ask(server)
    assert raised.value.problem == (
        f"{server.url}: asking whether the token may write releases of {REPOSITORY}: "
        f"GitHub answered 403: Resource not accessible by {words}."
    )
    assert "Check the token in GITHUB_TOKEN" in raised.value.remedy


def test_an_owner_who_may_only_read_is_refused_by_the_role(server: ScriptedServer) -> None:
    server.answers(shown(push=False))
    with pytest.raises(PermanentError, match="the token's owner may not write to it") as raised:
        ask(server)
    assert "`Contents: write`" in raised.value.remedy


def test_the_token_of_an_app_is_judged_by_its_permissions(server: ScriptedServer) -> None:
    server.answers(shown(push=False, pull=False), NO_NOTES)
    ask(server)
    server.answers(shown(push=False, pull=False), Told(403, b"{}"))
    with pytest.raises(PermanentError, match="403"):
        ask(server)


def test_an_archived_repository_takes_no_release(server: ScriptedServer) -> None:
    server.answers(shown(archived=True))
    with pytest.raises(PermanentError, match="it is archived"):
        ask(server)


@pytest.mark.parametrize(
    ("private", "scopes"),
    [(True, None), (True, "gist, repo"), (False, "repo"), (False, "public_repo, gist")],
)
def test_a_server_that_knows_no_release_notes_refuses_no_release(
    server: ScriptedServer, private: bool, scopes: str | None
) -> None:
    headers = {} if scopes is None else {"X-OAuth-Scopes": scopes}
    server.answers(shown(private=private), Told(404, b'{"message": "Not Found"}', headers))
    ask(server)
    assert server.seen[-1].method == "POST"


@pytest.mark.parametrize(
    ("private", "scopes"), [(True, "public_repo"), (False, "gist, read:org"), (False, "")]
)
def test_a_classic_token_without_the_scope_is_refused_by_a_404(
    server: ScriptedServer, private: bool, scopes: str
) -> None:
    server.answers(shown(private=private), Told(404, b"{}", {"X-OAuth-Scopes": scopes}))
    with pytest.raises(PermanentError) as raised:
        ask(server)
    wanted_scopes = "repo" if private else "public_repo, repo"
    assert f"404, and the token has none of the scopes {wanted_scopes}." in raised.value.problem
    assert "GITHUB_TOKEN" in raised.value.remedy


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        (Told(502), 0),
        (Told(429, headers={"Retry-After": "7"}), 7),
        (Told(403, b'{"message": "You have exceeded a secondary rate limit"}', {"Retry-After": "9"}), 9),
    ],
)
def test_a_github_that_is_unwell_has_refused_nothing(server: ScriptedServer, told: Told, wait: float) -> None:
    server.answers(shown(), told)
    with pytest.raises(TransientError, match=str(told.status)) as raised:
        ask(server)
    assert raised.value.wait == wait


# A real API


def test_a_real_api_tells_a_writing_token_from_a_reading_one(tmp_path: Path, state: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    app = {
        "app_id": 1, "slug": "app", "name": "app", "private_key": pem, "permissions": {"contents": "write"},
        "installations": [{"installation_id": 7, "account": OWNER}],
    }  # fmt: skip
    with github_server(tmp_path, state=state, apps=[app]) as running:
        installed = GithubIntegration(auth=Auth.AppAuth(1, pem), base_url=running.api_url)
        reader = installed.get_access_token(7, permissions={"contents": "read"}).token
        writer = installed.get_access_token(7, permissions={"contents": "write"}).token
        with pytest.raises(PermanentError, match=r"may write releases of .*: GitHub answered 403: Forbidden"):
            check_access(connect(running.api_url, reader), running.repository, token_env="GITHUB_TOKEN")
        for token in (writer, running.token):
            api = connect(running.api_url, token)
            check_access(api, running.repository, token_env="GITHUB_TOKEN")
            _, releases = api.requestJsonAndCheck("GET", f"/repos/{running.repository}/releases")
            assert releases == []
