"""Its words drive terminals, turn the line around, and are HTML and Markdown."""

import json
import socket

from release_assets_tests.hostile_server import Request, reply

WORDS = (
    "\x1b[2J\x1b]0;title\x07\x9b31m\x08\x08 \u202etxt.exe\u2066 \u200b\u2028new line\u0085"
    "<script>alert(1)</script> [click](javascript:alert(1)) ![x](http://192.0.2.1/x) `code` |a|b|"
)


def answer(request: Request, wire: socket.socket) -> None:
    said = json.dumps(f"{WORDS}\n# heading\r\nsecond line {'x' * 100_000}")
    body = f'{{"message": {said}, "errors": [{{"code": {said}, "message": {said}}}]}}'
    headers = {"Content-Type": request.media_type, "X-Words": WORDS}
    reply(wire, 400, f"{WORDS} {'x' * 30_000}", headers=headers, body=body.encode())
