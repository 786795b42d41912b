"""A door before the registry that refuses what a test says, for limits and faults that it never has."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Refusal:
    """An answer in the registry's place."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Rule = Callable[[str, str], Refusal | None]  # of a request's method and path


@contextlib.contextmanager
def registry_proxy(upstream: str, rule: Rule) -> Iterator[str]:
    """The host and port of a registry that is `upstream`, but for what `rule` refuses."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The engine tries TLS first, and takes only an answer with a version for "plain http is spoken here".
        default_request_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self._body()
            refusal = rule(self.command, self.path)
            if refusal is not None:
                self._send(refusal.status, dict(refusal.headers), refusal.body, str(len(refusal.body)))
                return
            connection = http.client.HTTPConnection(upstream, timeout=60)
            with contextlib.closing(connection):
                hop = {"transfer-encoding", "connection", "content-length"}
                headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
                connection.request(
                    self.command, self.path, body, {**headers, "Content-Length": str(len(body))}
                )
                answer = connection.getresponse()
                content = answer.read()
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in hop}
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self._send(answer.status, kept, content, length or str(len(content)))

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _send(self, status: int, headers: Mapping[str, str], body: bytes, length: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the tests look at what happens."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
