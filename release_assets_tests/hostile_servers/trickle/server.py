"""The body comes byte by byte, and never ends."""

import socket

from release_assets_tests.hostile_server import Request, begin, chunk, without_end


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request)
    without_end(wire, chunk(b" "), every=0.05)
