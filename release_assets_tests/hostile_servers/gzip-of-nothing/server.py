"""A compressed body that goes on and on, and is empty."""

import gzip
import socket

from release_assets_tests.hostile_server import Request, begin, chunk, without_end

NOTHING = gzip.compress(b"") * 1000


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request, Content_Encoding="gzip")
    without_end(wire, chunk(NOTHING), every=0.01)
