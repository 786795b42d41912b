"""The size of a chunk comes digit by digit."""

import socket

from release_assets_tests.hostile_server import Request, begin, without_end


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request, Connection="close")
    without_end(wire, b"0", every=0.05)
