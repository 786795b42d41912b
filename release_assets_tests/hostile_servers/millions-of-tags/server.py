"""A page of HTML that is nothing but tags, open ones."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(wire, headers={"Content-Type": "text/html"}, body=b"<a>" * 5_000_000)
