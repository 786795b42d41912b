"""After the last chunk come headers, one after the other."""

import socket

from release_assets_tests.hostile_server import Request, begin, chunk, without_end


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request, Connection="close")
    wire.sendall(chunk(b"{}") + b"0\r\n")
    without_end(wire, b"X-Trailer: x\r\n", every=0.02)
