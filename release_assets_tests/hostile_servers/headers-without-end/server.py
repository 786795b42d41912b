"""One header after the other."""

import socket

from release_assets_tests.hostile_server import Request, without_end


def answer(_: Request, wire: socket.socket) -> None:
    wire.sendall(b"HTTP/1.1 200 OK\r\n")
    without_end(wire, b"X-Header: %b\r\n" % (b"x" * 60_000))
