"""Asks to be left alone, and does not say for how long."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    headers = {
        "Retry-After": "\u0661 \x1b[2J soon, NaN",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "\u0661",
    }
    reply(wire, 429, "Later", headers=headers)
