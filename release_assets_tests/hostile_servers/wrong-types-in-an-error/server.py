"""An error whose JSON is of other types than it should be."""

import json
import socket

from release_assets_tests.hostile_server import Request, reply

ANSWER = {"message": {"a": [1]}, "errors": [5, {"code": [], "message": {}}], "data": 1.5}


def answer(request: Request, wire: socket.socket) -> None:
    reply(wire, 422, "No", headers={"Content-Type": request.media_type}, body=json.dumps(ANSWER).encode())
