"""The webhook's application on a port of loopback, as uvicorn serves it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests
import uvicorn
from starlette.applications import Starlette

from tools.sandbox.servers import free_port, loopback_session


@dataclass(frozen=True)
class Client:
    """Sends requests to the server."""

    url: str
    session: requests.Session

    def post(self, path: str, *, content: bytes, headers: dict[str, str]) -> requests.Response:
        return self.session.post(f"{self.url}{path}", data=content, headers=headers, timeout=10)

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.url}{path}", timeout=30)


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[Client]:
    """Serve an application inside the block; at its end, what was accepted is dealt with."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with loopback_session() as session:
            yield Client(f"http://127.0.0.1:{port}", session)
    finally:
        server.should_exit = True
        thread.join(20)
