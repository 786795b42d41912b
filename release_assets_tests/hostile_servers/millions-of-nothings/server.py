"""A JSON list of millions of empty things: a hundred times as large in memory."""

import socket

from release_assets_tests.hostile_server import Request, reply

NOTHINGS = b'{"tags": [' + b"{}," * 5_000_000 + b"{}]}"


def answer(request: Request, wire: socket.socket) -> None:
    body = NOTHINGS
    if request.destination == "github":
        body = NOTHINGS[9:-1]
    if request.destination == "index":
        body = b'{"meta": {"api-version": "1.0"}, "name": "sample", "files": ' + NOTHINGS[9:]
    reply(wire, headers={"Content-Type": request.media_type}, body=body)
