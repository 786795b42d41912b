"""A git repository whose one pack never ends; nothing of it can be had any other way."""

import random
import socket
import struct
import zlib

from release_assets_tests.hostile_server import Request, packet, reply, without_end

COMMIT = b"c" * 40
# A blob of a megabyte, as a pack has it: its type and size, then zlib's format.
SIZE = 1024 * 1024
BLOB = bytes([0xB0 | SIZE & 15, 0x80 | SIZE >> 4 & 127, 0x80 | SIZE >> 11 & 127, SIZE >> 18])
BLOB += zlib.compress(random.Random(0).randbytes(SIZE))  # noqa: S311  (noise, no secret)


def answer(request: Request, wire: socket.socket) -> None:
    if request.destination != "git":
        reply(wire, 400, "Bad Request")
    elif request.method == "GET":
        refs = packet(b"%b refs/tags/v1.0\0ofs-delta\n" % COMMIT) + b"0000"
        body = packet(b"# service=git-upload-pack\n") + b"0000" + refs
        reply(wire, headers={"Content-Type": request.media_type}, body=body)
    else:
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n\r\n")
        wire.sendall(packet(b"NAK\n") + b"PACK" + struct.pack(">II", 2, 1_000_000))
        without_end(wire, BLOB)
