"""Says that its body is shorter than nothing."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    headers = {"Content-Length": "-5", "Content-Type": request.media_type}
    reply(wire, headers=headers, body=b"{garbage")
