"""A small real HTTP server that answers what it is told, for what no stand-in can do, and a user's home."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from release_assets.destinations import bounds


@dataclass(frozen=True)
class Seen:
    """A request that came; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """An answer. `reason` None is the standard phrase; `length` is what it says its length is."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    length: int | None = None


Script = Told | Callable[[BaseHTTPRequestHandler], None]


class ScriptedServer:
    """Gives the answers it was told, in order; the last one again and again."""

    def __init__(self, address: tuple[str, int], stop: threading.Event) -> None:
        self.url = f"http://{address[0]}:{address[1]}"
        self.seen: list[Seen] = []
        self.stop = stop  # set when the test is over: an answer that waits ends with it
        self._script: list[Script] = [Told(500)]

    def answers(self, *script: Script) -> None:
        """Each is an answer, or a function that writes one with the request's handler."""
        self._script = list(script)

    def next(self) -> Script:
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def drip(self, handler: BaseHTTPRequestHandler, head: bytes, drop: bytes) -> None:
        """Write `head`, then `drop` ten times a second until the test is over or the client is gone."""
        try:
            handler.wfile.write(head)
            while not self.stop.wait(0.1):
                handler.wfile.write(drop)
        except OSError:
            pass
        handler.close_connection = True


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server of this test's own."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted.seen.append(Seen(self.command, self.path, headers, body))
            told = scripted.next()
            if not isinstance(told, Told):
                told(self)
                return
            self.send_response(told.status, told.reason)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body) if told.length is None else told.length))
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  (http.server's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the tests look at what was seen."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        scripted = ScriptedServer(("127.0.0.1", http.server_port), stop)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield scripted
        finally:
            stop.set()
            http.shutdown()
            thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, in which docker is set up, with a buildx plugin that is never run."""
    for name in list(os.environ):
        if name.startswith(("DOCKER_", "BUILDX_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    plugin = tmp_path / ".docker" / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.touch(mode=0o755)
    return tmp_path


Bounded = Callable[..., None]


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> Bounded:
    """A function that replaces bounds by their names for this test."""
    return lambda **changes: monkeypatch.setattr(bounds, "BOUNDS", replace(bounds.BOUNDS, **changes))
