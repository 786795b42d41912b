"""Serve the network of build code: an HTTP proxy in a thread, which passes on what is allowed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies

from release_assets.distributions.reachable import refusal
from release_assets.text import one_line

CONNECT_SECONDS = 30.0
HEAD_LIMIT = 64 * 1024  # bytes of a request's head
PIECE = 256 * 1024  # bytes that are passed on at once
CONNECTIONS = 256  # at the same time
Log = Callable[[str], None]


@dataclass(frozen=True)
class _Request:
    """The first line of a request to a proxy: where to, and what goes there before the rest."""

    host: str
    port: int
    is_tunnel: bool
    head: bytes = field(repr=False)  # as the server reads it; a proxy in front reads `whole`
    whole: bytes = field(repr=False)


class _RefusedError(Exception):
    def __init__(self, status: str, words: str) -> None:
        self.status = status
        super().__init__(words)


def parse_request(head: bytes) -> _Request:
    """Return where a request's head leads to. Raises ValueError for one that is not a proxy's.

    What is not a tunnel carries one request, so that the next one is looked at as well.
    """
    first, _, rest = head.partition(b"\r\n")
    method, target, version = first.decode("ascii").split(" ")
    if method == "CONNECT":
        parts = urlsplit(f"//{target}")
        if not parts.hostname or not parts.port:
            raise ValueError(f"{target} is not a host and a port")
        return _Request(parts.hostname, parts.port, True, b"", head)
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{target} is not an http URL")
    hop = re.compile(rb"(?i)(proxy-[\w-]+|connection|keep-alive):")
    lines = [line for line in rest.split(b"\r\n") if line and not hop.match(line)]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def written(where: str) -> bytes:
        return b"\r\n".join([f"{method} {where} {version}".encode(), *lines, b"Connection: close", b"", b""])

    return _Request(parts.hostname, parts.port or 80, False, written(path), written(target))


class Proxy:
    """An HTTP proxy for what comes through the door, in a thread with a loop of its own."""

    def __init__(self, door: socket.socket, local: frozenset[tuple[str, int]], log: Log) -> None:
        self._door, self._local, self._log = door, local, log
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()

    def stop(self) -> None:
        """End the loop and everything in it."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def serve(self) -> None:
        """Serve until it is stopped."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        door = asyncio.create_task(self._opened())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({door, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not door.done():
            door.cancel()
        elif (listener := door.result()) is not None:
            server = await asyncio.start_server(self._accepted, sock=listener, limit=HEAD_LIMIT)
            await stopped
            server.close()
        await stopped
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _opened(self) -> socket.socket | None:
        """Return the listening socket that comes through the door; None where something else did."""
        self._door.setblocking(False)
        knock, _ = await self._loop.sock_accept(self._door)
        descriptors: list[int] = []
        with knock, contextlib.suppress(OSError):
            knock.settimeout(CONNECT_SECONDS)
            _, descriptors, _, _ = socket.recv_fds(knock, 1, 1)
        if not descriptors:
            return None
        listener = socket.socket(fileno=descriptors[0])
        listener.setblocking(False)
        return listener

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (asyncio makes one for each connection)
        self._tasks.add(task)
        try:
            if len(self._tasks) > CONNECTIONS:
                raise _RefusedError("503 Service Unavailable", f"more than {CONNECTIONS} connections")
            await self._pass_on(reader, writer)
        except _RefusedError as error:
            if str(error) not in self._told and len(self._told) < 100:
                self._told.add(str(error))
                self._log(one_line(str(error)))
            with contextlib.suppress(OSError):
                writer.write(
                    f"HTTP/1.1 {error.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one of both sides is gone
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = parse_request(await reader.readuntil(b"\r\n\r\n"))
        except (ValueError, asyncio.LimitOverrunError):
            raise _RefusedError(
                "400 Bad Request", "build code sent a request that is not a proxy's"
            ) from None
        there, back = await self._connected(request)
        try:
            if request.is_tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()

    async def _connected(self, request: _Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to the server or to the proxy in front of it, where the request has begun."""
        what = f"build code may not reach {request.host}:{request.port}"
        # By its name first: nothing needs to be looked up for that.
        reason = refusal(request.host, request.port, (), self._local)
        found = [] if reason else await self._resolved(request.host, request.port)
        addresses = [ipaddress.ip_address(address[0].partition("%")[0]) for _, address in found]
        reason = reason or refusal(request.host, request.port, addresses, self._local)
        if reason:
            raise _RefusedError("403 Forbidden", f"{what}: {reason}")
        scheme = "https" if request.is_tunnel else "http"
        host = f"[{request.host}]" if ":" in request.host else request.host
        if proxy := get_environ_proxies(f"{scheme}://{host}:{request.port}/").get(scheme):
            return await self._through(proxy, request)
        for family, address in found:
            with contextlib.suppress(OSError, TimeoutError):
                # The very address that was looked at: a second look-up might answer otherwise.
                async with asyncio.timeout(CONNECT_SECONDS):
                    there, back = await asyncio.open_connection(address[0], address[1], family=family)
                back.write(request.head)
                return there, back
        raise _RefusedError("502 Bad Gateway", f"{request.host}:{request.port} cannot be reached")

    async def _resolved(self, host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
        """Return the families and addresses of a host; none where it has none that is known here."""
        with contextlib.suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [(family, (str(address[0]), int(address[1]))) for family, *_, address in found]
        return []

    async def _through(
        self, proxy: str, request: _Request
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection through this machine's own proxy, whose password build code does not see."""
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        login = b""
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            login = b"Proxy-Authorization: Basic " + base64.b64encode(user.encode()) + b"\r\n"
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        async with asyncio.timeout(CONNECT_SECONDS):
            there, back = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if tls else 80), ssl=tls
            )
            first, _, rest = request.whole.partition(b"\r\n")
            back.write(first + b"\r\n" + login + rest)
            if request.is_tunnel:
                answer = await there.readuntil(b"\r\n\r\n")
                if not re.match(rb"HTTP/1\.[01] 2\d\d", answer):
                    back.close()
                    said = answer.partition(b"\r\n")[0].decode(errors="replace")
                    raise _RefusedError("502 Bad Gateway", f"the proxy answered {request.host} with {said}")
        return there, back


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on everything, and then the end."""
    while piece := await source.read(PIECE):
        target.write(piece)
        await target.drain()
    with contextlib.suppress(OSError, NotImplementedError):  # TLS has no half
        if target.can_write_eof():
            target.write_eof()
