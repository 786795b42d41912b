"""JSON with numbers that no computer can count to."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    digits = b"9" * 1_000_000
    body = b'{"id": %b, "size": 1e999, "tags": -%b, "files": %b}' % (digits, digits, digits)
    reply(wire, headers={"Content-Type": request.media_type}, body=body)
