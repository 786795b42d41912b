"""NUL bytes, and bytes that are not UTF-8, in the status line, the headers and the body."""

import socket

from release_assets_tests.hostile_server import Request


def answer(request: Request, wire: socket.socket) -> None:
    noise = b"\x00\xff\xfe\xc3\x28\xed\xa0\x80"
    body = noise * 100
    head = b"HTTP/1.1 200 %b\r\nX-Noise: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    wire.sendall(head % (noise, noise, request.media_type.encode(), len(body)) + body)
