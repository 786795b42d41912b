"""The network of build code: an HTTP proxy of ours, and nothing else.

A cloud's metadata server hands an identity to every process of its machine that asks, and Dagster's webserver
on loopback takes orders from all of them. So build code gets a network namespace of its own, which no address
outside can be reached from. Its one door is a socket that listens there and is served here: pip, uv, git and
cargo use it as they use every proxy. It connects to whatever has no metadata and is not this machine.

The namespace needs no privilege beyond what bubblewrap needs anyway. slirp4netns and pasta would keep every
protocol, but need /dev/net/tun, which containers lack.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies

from release_assets.text import one_line

PORT = 3128  # in the namespace, where nothing else listens
ADDRESS = f"http://127.0.0.1:{PORT}"
# Where the build environment's packages come from, for users who have a mirror of their own.
INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
CONNECT_SECONDS = 30.0
HEAD_LIMIT = 64 * 1024  # bytes of a request's head
PIECE = 256 * 1024  # bytes that are passed on at once
CONNECTIONS = 256  # at the same time

# Metadata servers that have no link-local address: Alibaba, Oracle's earlier one, Azure's WireServer, AWS and
# Google over IPv6.
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
METADATA_NAMES = re.compile(
    r"(metadata|metadata\.goog|metadata\.google\.internal|instance-data(\.[\w.-]*)?)", re.IGNORECASE
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Log = Callable[[str], None]

# Runs in the namespace: listens, hands the socket to us, and becomes the build.
ENTRY = """\
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=128)
with socket.socket(socket.AF_UNIX) as door:
    door.connect(sys.argv[1])
    socket.send_fds(door, [b"l"], [listener.fileno()])
os.execvp(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True)
class BuildNetwork:
    """The door between a namespace and this machine: a socket in a folder of its own."""

    folder: Path

    def entered(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that opens the door from inside, and then is `argv`."""
        return [sys.executable, "-I", "-S", "-c", ENTRY, str(self.folder / "door"), str(PORT), *argv]

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells programs of the proxy."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        return dict.fromkeys(names, ADDRESS) | {"NO_PROXY": "", "no_proxy": ""}


@contextlib.contextmanager
def build_network(log: Log, local: Collection[tuple[str, int]] | None = None) -> Iterator[BuildNetwork]:
    """Yield the network of one build, which ends with the block.

    `local` are hosts and ports of this machine that may be reached: by default those of the package index.
    `log` gets a line for everything that is refused.
    """
    local = index_hosts(os.environ.get(name, "") for name in INDEX_SETTINGS) if local is None else local
    with (
        tempfile.TemporaryDirectory(prefix="build-network-") as folder,
        socket.socket(socket.AF_UNIX) as door,
    ):
        door.bind(str(Path(folder, "door")))
        door.listen(1)
        proxy = _Proxy(door, frozenset(local), log)
        thread = threading.Thread(target=proxy.serve, name="build-network", daemon=True)
        thread.start()
        try:
            yield BuildNetwork(Path(folder))
        finally:
            proxy.stop()
            thread.join()


def index_hosts(settings: Iterable[str]) -> set[tuple[str, int]]:
    """Return the hosts and ports of the indexes in uv's settings, which may be `name=url url`."""
    found = set()
    for url in (word for setting in settings for word in setting.split()):
        with contextlib.suppress(ValueError):
            parts = urlsplit(re.sub(r"^[\w.-]+=(?=https?://)", "", url))
            if parts.hostname:
                found.add((parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)))
    return found


def refusal(
    host: str, port: int, addresses: Iterable[Address], local: Collection[tuple[str, int]]
) -> str | None:
    """Return why build code may not reach a host at these addresses, or None where it may."""
    if METADATA_NAMES.fullmatch(host.rstrip(".")):
        return "it is a cloud's metadata server"
    for address in map(_innermost, addresses):
        if address in METADATA or address.is_link_local:
            return f"{address} is a cloud's metadata server, or next to one"
        if (address.is_loopback or address.is_unspecified) and (host, port) not in local:
            return f"{address} is this machine"
        if address.is_multicast:
            return f"{address} is not one machine"
    return None


def _innermost(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


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


class _Proxy:
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
