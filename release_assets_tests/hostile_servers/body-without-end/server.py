"""The body never ends, and is what the client asked for as long as it reads."""

import socket

from release_assets_tests.hostile_server import Request, begin, chunk, packet, without_end


def answer(request: Request, wire: socket.socket) -> None:
    begin(wire, request)
    if request.destination == "git":
        wire.sendall(chunk(packet(b"# service=git-upload-pack\n") + b"0000"))
        ref = packet(b"%b refs/tags/v1.0\n" % (b"c" * 40))
        wire.sendall(chunk(packet(b"%b HEAD\0\n" % (b"c" * 40))))
        without_end(wire, chunk(ref * 10_000))
    without_end(wire, chunk(b" " * 1_000_000))
