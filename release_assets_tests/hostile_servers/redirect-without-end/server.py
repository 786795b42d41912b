"""Redirects to addresses that are longer than any line."""

import socket

from release_assets_tests.hostile_server import Request, reply


def answer(request: Request, wire: socket.socket) -> None:
    there = f"{request.here}/v2/simple/{'x' * 60_000}{len(request.path)}"
    reply(wire, 302, "Found", headers={"Location": there})
