"""Redirects to another server, which would like to have the credentials."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    reply(wire, 307, "Elsewhere", headers={"Location": f"{request.elsewhere}{request.path}"})
