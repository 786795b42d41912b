"""Redirects to another machine without TLS; the address is documentation's (RFC 5737)."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(wire, 301, "Moved", headers={"Location": "http://192.0.2.1:9/here"})
