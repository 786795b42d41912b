"""A body that is compressed twice: a million times as large as what is sent."""

import gzip
import socket

from release_assets_tests.hostile_server import Request, begin, chunk, without_end

BOMB = gzip.compress(gzip.compress(bytes(32 * 1024 * 1024)) * 1000)


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request, Content_Encoding="gzip, gzip")
    without_end(wire, chunk(BOMB))
