"""Script GitHub's releases for tests: what a repository holds, and what its API answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from release_assets.destinations.github import (
    PublishedRelease,
    ReleaseAsset,
    WantedAsset,
    WantedRelease,
    connect,
    publish_release,
)
from release_assets_tests.scripted_server import ScriptedServer, Seen, Told

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
        """Do what somebody else does at this very moment."""
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


def sent(hub: Hub, method: str) -> Any:
    """Return what was sent first with a method."""
    return json.loads(next(request.body for request in hub.seen if request.method == method))
