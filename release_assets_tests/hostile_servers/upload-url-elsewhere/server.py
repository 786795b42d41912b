"""A release whose upload URL is on another server."""

import json
import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    release = {
        "id": 1, "tag_name": "v1.0", "html_url": "https://192.0.2.1/r", "name": "", "body": "", "draft": True,
        "prerelease": False, "assets": [], "published_at": None, "upload_url": f"{request.elsewhere}/repos/",
    }  # fmt: skip
    path = request.path.partition("?")[0]
    entries: object = [] if path.endswith("/assets") else [release]
    headers = {"Content-Type": "application/json", "Location": f"{request.elsewhere}/v2/upload"}
    reply(wire, 202 if request.method == "POST" else 200, headers=headers, body=json.dumps(entries).encode())
