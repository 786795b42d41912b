"""A connection that is kept: used again, opened again when it is gone, never waited for without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from release_assets.destinations.http.kept import KeptConnection
from release_assets_tests.scripted_server import ScriptedServer, Told


class Server:
    """Counts connections, and closes each after `most` requests."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.most = 1000


@pytest.fixture
def keeping() -> Iterator[Server]:
    """A server that keeps connections open, as GitHub does."""
    counted = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            counted.connections += 1
            self.requests = 0

        def do_GET(self) -> None:
            self.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.close_connection = self.requests >= counted.most

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        counted.url = f"http://127.0.0.1:{http.server_port}/"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield counted
        http.shutdown()
        thread.join()


def ask(connection: KeptConnection, url: str, *, seconds: float = 5, limit: int = 100) -> bytes | None:
    answer = connection.ask("GET", url, headers={}, seconds=seconds, limit=limit)
    return answer.body if answer is not None else None


def test_many_questions_need_one_connection(keeping: Server) -> None:
    connection = KeptConnection()
    assert [ask(connection, keeping.url) for _ in range(10)] == [b"ok"] * 10
    assert keeping.connections == 1
    connection.close()


def test_a_connection_that_the_server_closes_is_made_again(keeping: Server) -> None:
    keeping.most = 2
    connection = KeptConnection()
    for _ in range(6):
        assert ask(connection, keeping.url) == b"ok"
        time.sleep(0.05)
    assert keeping.connections == 3
    connection.close()


def test_two_threads_do_not_share_it(server: ScriptedServer) -> None:
    server.answers(lambda handler: server.drip(handler, b"HTTP/1.1 200 OK\r\n", b""))
    connection = KeptConnection()
    first = threading.Thread(target=ask, args=(connection, server.url), kwargs={"seconds": 2})
    first.start()
    time.sleep(0.5)
    started = time.monotonic()
    assert ask(connection, server.url) is None
    assert time.monotonic() - started < 1
    first.join()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_all_of_an_answer_is_bounded_in_seconds(server: ScriptedServer, head: bytes) -> None:
    server.answers(lambda handler: server.drip(handler, head, b"X"))
    connection = KeptConnection()
    started = time.monotonic()
    assert ask(connection, server.url, seconds=0.5, limit=10**6) is None
    assert time.monotonic() - started < 3
    server.answers(Told(200, b"ok"))
    assert ask(connection, server.url) == b"ok"


def test_an_answer_is_bounded_in_bytes(server: ScriptedServer) -> None:
    server.answers(Told(200, b"x" * 101))
    assert ask(KeptConnection(), server.url) is None


def test_nobody_who_listens_is_no_answer() -> None:
    assert ask(KeptConnection(), "http://127.0.0.1:9/") is None


def test_a_redirect_is_not_followed(server: ScriptedServer) -> None:
    server.answers(Told(302, headers={"Location": f"{server.url}/elsewhere"}))
    answer = KeptConnection().ask("GET", server.url, headers={}, seconds=5, limit=100)
    assert answer is not None
    assert answer.status == 302
    assert len(server.seen) == 1
