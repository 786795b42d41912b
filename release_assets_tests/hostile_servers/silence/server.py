"""Takes the request, and never answers."""

import socket

from release_assets_tests.hostile_server import Request


def answer(_: Request, wire: socket.socket) -> None:
    wire.recv(1)
