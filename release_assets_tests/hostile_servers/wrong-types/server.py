"""JSON whose every value is of another type than it should be."""

import json
import socket

from release_assets_tests.hostile_server import Request, reply

ANSWER = {
    "meta": 5, "name": [], "files": {"a": 1}, "mediaType": {"a": []}, "manifests": 7, "tags": {"a": 1},
    "message": {"a": [1]}, "errors": 5, "permissions": "all", "archived": [], "id": {}, "assets": "none",
}  # fmt: skip


def answer(request: Request, wire: socket.socket) -> None:
    body: object = [ANSWER] if request.path.partition("?")[0].endswith("/releases") else ANSWER
    reply(wire, headers={"Content-Type": request.media_type}, body=json.dumps(body).encode())
