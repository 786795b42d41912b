"""Asks the client to go on, again and again (100 Continue)."""

import socket

from release_assets_tests.hostile_server import Request, without_end


def answer(_: Request, wire: socket.socket) -> None:
    without_end(wire, b"HTTP/1.1 100 Continue\r\n\r\n", every=0.02)
