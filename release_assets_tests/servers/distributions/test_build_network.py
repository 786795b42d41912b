"""Build environments are fetched through the build's own network, also where the machine has a proxy."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from release_assets.distributions.build_network import build_network
from release_assets.distributions.isolation import isolated
from release_assets.process import CommandFailedError, environment, run
from release_assets_tests.scripted_server import ScriptedServer, Told

pytestmark = pytest.mark.usefixtures("bubblewrap")

FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


def fetch(url: str, local: set[tuple[str, int]], refused: list[str] | None = None) -> str:
    """Fetch a URL as build code does; return its body."""
    said: list[str] = [] if refused is None else refused
    with build_network(said.append, local=local) as network:
        argv = isolated([sys.executable, "-c", FETCH, url], readable=(), writable=(), network=network)
        return run(argv, env=environment() | network.variables, timeout=30).strip()


def where(server: ScriptedServer) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def test_the_index_on_this_machine_is_reached(server: ScriptedServer) -> None:
    server.answers(Told(200, b"a simple page"))
    assert fetch(f"{server.url}/simple/?a=b", {where(server)}) == "a simple page"
    assert [seen.path for seen in server.seen] == ["/simple/?a=b"]


def test_what_else_is_on_this_machine_is_refused_and_told(server: ScriptedServer) -> None:
    refused: list[str] = []
    with pytest.raises(CommandFailedError, match="403"):
        fetch(f"{server.url}/graphql", set(), refused)
    assert server.seen == []
    host, port = where(server)
    assert refused == [f"build code may not reach {host}:{port}: {host} is this machine"]


def test_an_unreachable_server_is_told_apart(server: ScriptedServer) -> None:
    refused: list[str] = []
    with pytest.raises(CommandFailedError, match="502"):
        fetch("http://nowhere.invalid/", {where(server)}, refused)
    assert refused == ["nowhere.invalid:80 cannot be reached"]


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A proxy of the machine that answers all by itself; its address, and what it was asked for."""
    seen: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Proxy-Authorization", "")))
            self.send_response(200)
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"by proxy\n")

        def do_CONNECT(self) -> None:
            seen.append((self.path, self.headers.get("Proxy-Authorization", "")))
            self.send_error(407)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{http.server_port}", seen
        http.shutdown()
        thread.join()


def test_the_proxy_of_the_machine_is_used_and_its_password_unseen(
    proxy: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, seen = proxy
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://user:proxy-password@{address}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert fetch("http://mirror.invalid/simple/", set()) == "by proxy"
    login = "Basic " + base64.b64encode(b"user:proxy-password").decode()
    assert seen == [("http://mirror.invalid/simple/", login)]
    refused: list[str] = []
    with pytest.raises(CommandFailedError, match="502"):
        fetch("https://mirror.invalid/simple/", set(), refused)
    assert seen[1:] == [("mirror.invalid:443", login)]
    assert "the proxy answered mirror.invalid with HTTP/1." in refused[0]
    with pytest.raises(CommandFailedError, match="403"):
        fetch("http://metadata.google.internal/", set())
    assert len(seen) == 2
    environ = "import pathlib; print([f.read_bytes() for f in pathlib.Path('/proc').glob('[0-9]*/environ')])"
    with build_network(print, local=()) as network:
        argv = isolated([sys.executable, "-c", environ], readable=(), writable=(), network=network)
        shown = run(argv, env=environment() | network.variables, timeout=30)
    assert "PATH=" in shown
    assert "proxy-password" not in shown
