"""Asks to be left alone for longer than anybody lives."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(wire, 503, "Later", headers={"Retry-After": "9" * 5000})
