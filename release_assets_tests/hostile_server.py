"""Starts the servers in `hostile_servers/` as real HTTP on loopback. http.server is too polite."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVERS = Path(__file__).with_name("hostile_servers")
CASES = sorted(folder.name for folder in SERVERS.iterdir() if (folder / "server.py").is_file())

Answer = Callable[["Request", socket.socket], None]


@dataclass(frozen=True)
class Request:
    """A request that came. Header names are in lower case; `elsewhere` is a server that notes who comes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    here: str
    elsewhere: str

    @property
    def destination(self) -> str:
        """Whom the client takes us for."""
        if "service=git-upload-pack" in self.path or "git/" in self.headers.get("user-agent", ""):
            return "git"
        if self.path.startswith("/repos/"):
            return "github"
        return "registry" if self.path.startswith("/v2/") else "index"

    @property
    def media_type(self) -> str:
        """The value that the client reads."""
        if self.destination == "git":
            return "application/x-git-upload-pack-advertisement"
        asked = self.headers.get("accept", "").split(",")[0].split(";")[0].strip()
        return asked if asked.startswith("application/vnd.") and "+json" in asked else "application/json"

    @property
    def credentials(self) -> list[str]:
        """The values that the client must not see again: the header, what is in it, and the token."""
        header = self.headers.get("authorization", "")
        value = header.rpartition(" ")[2]
        with contextlib.suppress(ValueError):
            decoded = base64.b64decode(value, validate=True).decode()
            return [header, value, decoded, decoded.partition(":")[2]]
        return [header, value]


# What servers do


def reply(
    wire: socket.socket,
    status: int = 200,
    reason: str = "OK",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> None:
    """A whole answer, with characters that have no place in it as they are."""
    lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    wire.sendall(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode() + body)


def begin(wire: socket.socket, request: Request, **headers: str) -> None:
    """The head of an answer whose body comes in chunks."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    wire.sendall(
        f"HTTP/1.1 200 OK\r\nContent-Type: {request.media_type}\r\n"
        f"Transfer-Encoding: chunked\r\n{head}\r\n".encode()
    )


def chunk(data: bytes) -> bytes:
    """A piece of a body in chunks."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def packet(line: bytes) -> bytes:
    """A line of git's protocol."""
    return b"%04x%b" % (len(line) + 4, line)


def without_end(wire: socket.socket, piece: bytes, *, every: float = 0.0) -> None:
    """Send a piece again and again, until the client has gone or the test is over."""
    while True:
        wire.sendall(piece)
        time.sleep(every)


def echo(request: Request, wire: socket.socket, status: int) -> None:
    """Say what the client sent as credentials wherever an answer has words, in every form."""
    token = request.credentials[-1]
    said = [*request.credentials, f"{token[:6]}\x1b[0m{token[6:]}", f"{token[:6]}\x1b]0;{token[6:]}\x07"]
    words = " ".join(said)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in token)
    message = f'"{json.dumps(words)[1:-1]} {escaped}"'
    body = f'{{"message": {message}, "errors": [{{"code": {message}, "message": {message}}}]}}'
    reply(
        wire,
        status,
        words,
        headers={
            "Content-Type": request.media_type, "X-Echo": words, "Warning": words, "Retry-After": words,
            "Docker-Content-Digest": words,
        },
        body=body.encode(),
    )  # fmt: skip


# Running them


@dataclass
class HostileServer:
    """A server that runs, the URL of another, and the requests that came to both."""

    port: int
    elsewhere: str
    seen: list[Request] = field(default_factory=list)
    seen_elsewhere: list[Request] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


def load(case: str) -> Answer:
    """Return the response of the case's folder."""
    spec = importlib.util.spec_from_file_location(f"hostile_{case}", SERVERS / case / "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer: Answer = module.answer
    return answer


@contextlib.contextmanager
def hostile_server(case: str) -> Iterator[HostileServer]:
    """Serve a folder, and another one next to it, inside the block."""
    with contextlib.ExitStack() as stack:
        seen_elsewhere: list[Request] = []
        other = stack.enter_context(_listening(lambda _, wire: reply(wire, body=b"{}"), seen_elsewhere, ""))
        seen: list[Request] = []
        port = stack.enter_context(_listening(load(case), seen, f"http://127.0.0.1:{other}"))
        yield HostileServer(port, f"http://127.0.0.1:{other}", seen, seen_elsewhere)


@contextlib.contextmanager
def _listening(answer: Answer, seen: list[Request], elsewhere: str) -> Iterator[int]:
    """Answers every connection in a thread of its own; at the end they are cut."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    wires: list[socket.socket] = []

    def serve(wire: socket.socket) -> None:
        with contextlib.suppress(OSError), wire:
            request = _request(wire, f"http://127.0.0.1:{port}", elsewhere)
            if request is not None:
                seen.append(request)
                answer(request, wire)
                wire.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = listener.accept()
                wires.append(wire)
                threading.Thread(target=serve, args=(wire,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        for open_one in (listener, *wires):
            with contextlib.suppress(OSError):
                open_one.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _request(wire: socket.socket, here: str, elsewhere: str) -> Request | None:
    """The request on the wire; None where the client has gone."""
    with wire.makefile("rb") as stream:
        first = stream.readline().decode("latin-1").split(" ")
        headers: dict[str, str] = {}
        while (line := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
    if len(first) != 3:
        return None
    return Request(first[0], first[1], headers, body, here, elsewhere)
