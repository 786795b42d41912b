"""JSON that is nested deeper than any stack."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    reply(wire, headers={"Content-Type": request.media_type}, body=b'{"tags": ' * 500_000)
