"""A header that comes byte by byte."""

import socket

from release_assets_tests.hostile_server import Request, without_end


def answer(_: Request, wire: socket.socket) -> None:
    wire.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    without_end(wire, b"x", every=0.05)
