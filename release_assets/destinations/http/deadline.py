"""A deadline for a whole HTTP exchange: connections that are cut when its time is over.

No timeout of requests bounds an exchange: each bounds one read.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import urllib3.connection
from requests.adapters import HTTPAdapter

T = TypeVar("T")


class Line:
    """The connections of one exchange, which are cut when its time is over, whatever they are doing.

    No timeout of requests does that: each bounds one read, and a server that says a little now and then
    (a byte of a header, another `100 Continue`) would be listened to without end.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self.connections: list[_Connection] = []

    def cut(self) -> None:
        """End every read and write on it, and those of a connection that is still being made."""
        self.is_cut = True
        for connection in self.connections:
            held = connection.held or connection.sock
            if held is not None:
                with contextlib.suppress(OSError):  # closed already
                    # TLS to a proxy with TLS inside has no shutdown of its own, but the socket that has.
                    getattr(held, "socket", held).shutdown(socket.SHUT_RDWR)
        self.connections.clear()


class _Connection(urllib3.connection.HTTPConnection):
    """A connection on a line."""

    def __init__(self, *arguments: Any, line: Line, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.line = line
        self.held: socket.socket | None = None  # `sock` is forgotten when an answer begins that closes it

    def connect(self) -> None:
        """Connect, unless the line is cut meanwhile."""
        self.line.connections.append(self)
        super().connect()
        self.held = self.sock
        if self.line.is_cut:
            self.close()
            raise TimeoutError


class _TLSConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same with TLS, whose handshake is bounded by the timeout of connecting."""


class Adapter(HTTPAdapter):
    """Makes connections on a line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> urllib3.HTTPConnectionPool:
        """Return the pool for a request, direct or through a proxy; it is this session's own."""
        pool = super().get_connection_with_tls_context(*arguments, **named)
        assert isinstance(pool, urllib3.HTTPConnectionPool)  # noqa: S101  (there is no other kind)
        pool.ConnectionCls = _TLSConnection if pool.scheme == "https" else _Connection
        pool.conn_kw["line"] = self.line
        return pool


def within(seconds: float, action: Callable[[], T], line: Line) -> T:
    """Return or raise what `action` does; TimeoutError when it has not ended after `seconds`.

    It runs in a thread of its own, which ends when its line is cut.
    """
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((action(), None))
        except BaseException as error:
            # As long as it lives, its frames hold what was read, and a socket that urllib3 has not closed.
            inner: BaseException | None = error
            while inner is not None:
                traceback.clear_frames(inner.__traceback__)
                inner = inner.__context__
            outcome.put((None, error))

    threading.Thread(target=run, name="exchange", daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    finally:
        line.cut()
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # T itself may be None
