"""A proxy on loopback that stands before one stand-in and does to its traffic what networks do."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPSTREAM_SECONDS = 120.0
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"}

KINDS = (
    "500", "502", "503", "429", "429-retry-after", "403",
    "reset", "silence", "truncated", "garbage", "stale", "trickle", "echo",
)  # fmt: skip
GARBAGE = b"<html>\x00\xff\xfe it works! \x1b[31m</html>"


@dataclass
class Fault:
    """A fault, from the first request on that `begins` is true for, for so many seconds."""

    kind: str
    begins: Callable[[str, str], bool]  # of a request's method and path
    seconds: float | None = None  # None: for good
    forbidden: str = "Forbidden"  # the reason phrase of a 403, and with it
    headers: dict[str, str] = field(default_factory=dict)
    since: float | None = None
    hits: int = 0

    def applies(self, method: str, path: str) -> bool:
        """Count the request, and return True where it is hit."""
        now = time.monotonic()
        if self.since is None:
            if not self.begins(method, path):
                return False
            self.since = now
        if self.seconds is not None and now - self.since > self.seconds:
            return False
        self.hits += 1
        return True


@dataclass
class Answer:
    """An upstream's whole answer."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Proxy:
    """Its address, and the fault that it plays at the moment."""

    def __init__(self, port: int, upstream: int, *, rewrite: bool) -> None:
        self.port = port
        self.upstream = upstream
        self.rewrite = rewrite  # whether the upstream writes its own address into its answers
        self.fault: Fault | None = None
        self.before: dict[str, Answer] = {}  # of every GET, the last answer before the fault
        self.stopped = threading.Event()

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """Ask the upstream, and return what it says as if it listened here."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=UPSTREAM_SECONDS)
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP
        } | {"Content-Length": str(len(body))}
        headers.pop("Expect", None)
        if self.rewrite:
            headers["Accept-Encoding"] = "identity"
        with contextlib.closing(connection):
            connection.request(handler.command, handler.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        if handler.command == "HEAD" and answer.getheader("content-length"):
            kept.append(("Content-Length", str(answer.getheader("content-length"))))
        if self.rewrite:
            there, here = f"localhost:{self.upstream}", f"localhost:{self.port}"
            content = content.replace(there.encode(), here.encode())
            kept = [(name, value.replace(there, here)) for name, value in kept]
        return Answer(answer.status, answer.reason, kept, content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Docker tries TLS first, and falls back where the answer to that begins with "HTTP/".
    default_request_version = "HTTP/1.0"
    proxy: Proxy

    def do(self) -> None:
        """One request: forwarded, or hit."""
        proxy = self.proxy
        fault = proxy.fault
        if fault is not None and fault.applies(self.command, self.path):
            self.close_connection = True
            self._hit(fault)
            return
        answer = proxy.forward(self, self._body())
        if self.command == "GET":
            proxy.before[self.path] = answer
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815  (http.server's names)

    def _hit(self, fault: Fault) -> None:
        proxy = self.proxy
        match fault.kind:
            case "429-retry-after":
                self._body()
                self._send(Answer(429, "Too Many Requests", [("Retry-After", "2")], b"slow down"))
            case "403":
                self._body()
                self._send(Answer(403, fault.forbidden, list(fault.headers.items()), b"{}"))
            case "echo" | "echo-403":
                self._body()
                status = 403 if fault.kind == "echo-403" else 500
                self._send(_echo(status, self.headers.get("Authorization", "no credentials")))
            case kind if kind.isdigit():
                self._body()
                reason = http.client.responses[int(kind)]
                self._send(Answer(int(kind), reason, [("Content-Type", "text/html")], b"<h1>oops</h1>"))
            case "reset":
                if self.command in {"POST", "PUT", "PATCH"}:
                    self.rfile.read1(512)  # some of it has arrived
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                os.close(self.connection.detach())
            case "silence":
                proxy.forward(self, self._body())
                self._until_the_client_has_gone(lambda: None)
            case "truncated":
                answer = proxy.forward(self, self._body())
                self._send(answer, body=answer.body[: len(answer.body) // 2])
            case "garbage":
                self._body()
                self._send(Answer(200, "OK", [("Content-Type", "text/html")], GARBAGE))
            case "stale":
                answer = proxy.forward(self, self._body())
                if self.command == "GET":
                    answer = proxy.before.get(self.path, Answer(404, "Not Found", [], b""))
                self._send(answer)
            case "trickle":
                answer = proxy.forward(self, self._body())
                rest = iter(answer.body + b" " * 100_000)
                self._send(answer, body=b"", length=len(answer.body) + 100_000)
                self._until_the_client_has_gone(lambda: self.wfile.write(bytes([next(rest)])))

    def _until_the_client_has_gone(self, drip: Callable[[], object]) -> None:
        self.connection.setblocking(False)
        with contextlib.suppress(OSError, StopIteration):
            while not self.proxy.stopped.wait(0.2):
                with contextlib.suppress(BlockingIOError):
                    if self.connection.recv(1, socket.MSG_PEEK) == b"":
                        return
                drip()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _send(self, answer: Answer, *, body: bytes | None = None, length: int | None = None) -> None:
        body = answer.body if body is None else body
        with contextlib.suppress(OSError):
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.headers:
                self.send_header(name, value)
            if self.command != "HEAD" and answer.status not in {204, 304}:
                self.send_header("Content-Length", str(len(answer.body) if length is None else length))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the table is the log."""


def _echo(status: int, authorization: str) -> Answer:
    """Return an answer that repeats our credentials, as sent and decoded, wherever it has words."""
    sent = authorization.rpartition(" ")[2]
    decoded = ""
    with contextlib.suppress(ValueError):
        decoded = base64.b64decode(sent, validate=True).decode()
    words = f"cannot serve {authorization} {decoded}"
    body = json.dumps({"message": words, "errors": [{"code": "UNKNOWN", "message": words}]}).encode()
    return Answer(status, words, [("Content-Type", "application/json"), ("X-Seen", words)], body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Return a client that goes away in the middle is what this is about."""


@contextlib.contextmanager
def proxy_before(upstream: int, *, rewrite: bool = False) -> Iterator[Proxy]:
    """Yield a proxy that runs inside the block, before the server on this port of loopback."""

    class Handler(_Handler):
        pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        Handler.proxy = Proxy(server.server_port, upstream, rewrite=rewrite)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield Handler.proxy
        finally:
            Handler.proxy.stopped.set()
            server.shutdown()
            thread.join()
