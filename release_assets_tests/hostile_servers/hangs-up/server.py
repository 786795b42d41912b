"""Promises more than it sends, and hangs up."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    headers = {"Content-Length": "1000", "Content-Type": request.media_type}
    reply(wire, headers=headers, body=b'{"tags": [')
