"""Asks to be left alone until the last day of the calendar."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    reply(wire, 429, "Later", headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})
