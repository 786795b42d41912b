"""Redirects to a file of the client's."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(wire, 302, "Found", headers={"Location": "file:///etc/passwd"})
