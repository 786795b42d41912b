"""Lists, and there is always another page."""

import json
import socket
import time

from release_assets_tests.hostile_server import Request, reply

ENTRY = {
    "id": 1, "tag_name": "v0.1", "html_url": "https://192.0.2.1/r", "name": "", "body": "x" * 1000,
    "draft": False,
    "prerelease": False, "assets": [], "published_at": "2026", "upload_url": "",
}  # fmt: skip


def answer(request: Request, wire: socket.socket) -> None:
    there = request.path.partition("?")[0]
    headers = {"Content-Type": request.media_type, "Link": f'<{there}?last={time.monotonic()}>; rel="next"'}
    entries: object = {"name": "sample", "tags": ["v0.1"]}
    if request.destination == "github":
        entries = [ENTRY] * 100
    reply(wire, headers=headers, body=json.dumps(entries).encode())
