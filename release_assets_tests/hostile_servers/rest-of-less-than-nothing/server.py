"""Asks to be left alone for a negative time."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(
        wire,
        503,
        "Later",
        headers={"Retry-After": "-86400", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "-1"},
    )
