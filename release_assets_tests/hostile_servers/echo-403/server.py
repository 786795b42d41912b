"""Refuses the credentials, and repeats them: as they came, decoded, and in disguise."""

import socket

from release_assets_tests.hostile_server import Request, echo


def answer(request: Request, wire: socket.socket) -> None:
    echo(request, wire, 403)
