"""Says of its answer what drives terminals, without an end."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(_: Request, wire: socket.socket) -> None:
    headers = {"Content-Type": "\x1b[2J\x9b31m <b>\u202e" + "x" * 30_000}
    reply(wire, headers=headers, body=b"\x1b[2J{garbage")
