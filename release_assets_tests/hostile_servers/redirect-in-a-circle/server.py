"""Redirects to itself."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    reply(wire, 302, "Found", headers={"Location": request.path})
