"""In an error, it repeats the Authorization header: as it came, decoded, and in disguise."""

import socket

from release_assets_tests.hostile_server import Request, echo


def answer(request: Request, wire: socket.socket) -> None:
    echo(request, wire, 500)
