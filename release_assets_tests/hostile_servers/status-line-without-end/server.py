"""The reason phrase never ends."""

import socket

from release_assets_tests.hostile_server import Request, without_end


def answer(_: Request, wire: socket.socket) -> None:
    wire.sendall(b"HTTP/1.1 200 ")
    without_end(wire, b"OK " * 100_000)
