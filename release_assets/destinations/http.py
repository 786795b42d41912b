"""One exchange with a server over HTTP: bounded in bytes and in seconds, and every failure in our words."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import queue
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.connection
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity

from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import printable, redact
from release_assets.project import is_loopback

MEBIBYTE = 1024 * 1024
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0  # between two pieces of an answer
REDIRECTS = 5
PARTS = 2_000_000  # of an answer's JSON
LONGEST_REST = 1e9  # seconds that a server may ask for; what is longer than minutes is left to people
# Seconds for a whole file, up or down: what a slow line needs (100 kB/s), and no more.
FILE_SECONDS, SECONDS_PER_MEBIBYTE = 60.0, 10.0

AGAIN = "Nothing is lost: materialize again when it answers; what has arrived is found and kept."
CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError")
CERTIFICATE_REMEDY = "If the server has a certificate authority of its own, name it in REQUESTS_CA_BUNDLE."

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer, read to its end. `body` is decompressed, and empty if it went into a file.

    What is there for people to read (reason, headers, the body of an error) is printable, and the
    credentials that were sent are replaced by *** in it: some servers echo them.
    """

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]  # looked up without regard to case
    body: bytes


def exchange(
    method: str,
    url: str,
    *,
    seconds: float,
    limit: int,
    headers: Mapping[str, str],
    data: str | bytes | BinaryIO | None = None,
    sink: BinaryIO | None = None,
) -> Answer:
    """Send one request, and read its answer to the end: no retry, no redirect, no credentials of our own.

    `seconds` bounds all of it, `limit` the bytes of the decompressed body, which goes into `sink` if given
    (only that of a 200). Raises TransientError where no whole answer came, PermanentError where none can.
    """
    where = f"{method} {one_line(url)}"
    credentials = _credentials(headers)
    deadline = time.monotonic() + seconds
    late = TransientError(f"{where} took longer than {seconds:.0f} s.", AGAIN)

    line = _Line()

    def talk() -> Answer:
        with requests.Session() as session:
            session.mount("http://", _Adapter(line))
            session.mount("https://", _Adapter(line))
            # Without an auth of its own, requests would look up ~/.netrc.
            session.auth = lambda request: request
            with session.request(
                method,
                url,
                headers=dict(headers),
                data=data,
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                body: BinaryIO = sink if sink is not None and response.status_code == 200 else io.BytesIO()
                size = 0
                # read1 returns with what has come: read would wait for a full piece of a trickle.
                while piece := response.raw.read1(65536, decode_content=True):
                    size += len(piece)
                    if size > limit:
                        raise TransientError(f"{where} answered with more than {limit} bytes.", AGAIN)
                    if time.monotonic() > deadline:
                        raise late
                    body.write(piece)
                content = body.getvalue() if isinstance(body, io.BytesIO) else b""
                if response.status_code >= 400:
                    content = redact(content.decode(errors="surrogateescape"), credentials).encode(
                        errors="surrogateescape"
                    )
                return Answer(
                    url=url,
                    status=response.status_code,
                    reason=without(credentials, response.reason or ""),
                    headers=CaseInsensitiveDict(
                        {name: without(credentials, value) for name, value in response.headers.items()}
                    ),
                    body=content,
                )

    if not all(_is_sendable(name, value) for name, value in headers.items()):
        # The words of requests would show the value, and that may be a token.
        raise PermanentError(
            f"{where}: a header holds characters that HTTP does not allow.",
            "A token with a line break or a quotation mark in it does that: set its variable again.",
        )
    try:
        return _within(seconds, talk, line)
    except (ReleaseError, TimeoutError) as error:
        raise (error if isinstance(error, ReleaseError) else late) from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        said = one_line(without(credentials, str(error)))
        raise PermanentError(f"{where}: {said}", "Check the URLs in the YAML.") from None
    # A Location that is no URL is looked at by requests before anybody follows it; InvalidHeader is what
    # it makes of two lengths that contradict each other.
    except (ValueError, requests.exceptions.InvalidHeader) as error:
        said = one_line(without(credentials, str(error)))
        raise TransientError(f"{where} got an answer that makes no sense: {said}", AGAIN) from None
    # urllib3's own errors come from reading the body ourselves. They repeat a status line that is none.
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        if CERTIFICATE.search(str(error)):
            raise PermanentError(
                f"{where}: the certificate cannot be verified.", CERTIFICATE_REMEDY
            ) from None
        said = one_line(without(credentials, _cause(error)))
        raise TransientError(f"{where} failed: {said}", AGAIN) from None


def _is_sendable(name: str, value: str) -> bool:
    """Whether a header of ours can be sent as it is."""
    try:
        check_header_validity((name, value))
        value.encode("latin-1")  # as http.client does
    except (requests.exceptions.InvalidHeader, UnicodeError):
        return False
    return True


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """What must not be repeated of our own request: the Authorization header's value, and what is in it."""
    found: list[str] = []
    for name, value in headers.items():
        if name.lower() == "authorization":
            secret = value.rpartition(" ")[2]
            found.append(secret)
            with contextlib.suppress(ValueError):
                decoded = base64.b64decode(secret, validate=True).decode()
                found += [decoded, decoded.partition(":")[2]]
    return [secret for secret in found if secret]


def get(
    url: str, *, headers: Mapping[str, str], seconds: float, limit: int, sink: BinaryIO | None = None
) -> Answer:
    """GET that follows redirects to http and https only: never from https to http, nor from this machine
    to another one over http.
    """
    deadline = time.monotonic() + seconds
    here = url
    for _ in range(REDIRECTS + 1):
        left = max(0.1, deadline - time.monotonic())
        answer = exchange("GET", here, seconds=left, limit=limit, headers=headers, sink=sink)
        target = answer.headers.get("location")
        if answer.status not in (301, 302, 303, 307, 308) or target is None:
            return answer
        try:
            there = urljoin(here, target)
            _ = urlsplit(there).port  # raises where it is none
        except ValueError:
            raise TransientError(
                f"{one_line(url)} redirects to {one_line(target)}, which is no URL.", AGAIN
            ) from None
        allowed = {"https"} if urlsplit(here).scheme == "https" else {"http", "https"}
        if urlsplit(there).scheme not in allowed or (
            urlsplit(there).scheme == "http" and is_loopback(url) and not is_loopback(there)
        ):
            raise PermanentError(
                f"{one_line(url)} redirects to {one_line(there)}, which is not followed.",
                "Put the address that serves files over https into the YAML.",
            )
        here = there
    raise PermanentError(
        f"{one_line(url)} redirects more than {REDIRECTS} times.",
        "Check the index's simple_url in the project's YAML.",
    )


class _Line:
    """The connections of one exchange, which are cut when its time is over, whatever they are doing.

    No timeout of requests does that: each bounds one read, and a server that says a little now and then
    (a byte of a header, another `100 Continue`) would be listened to for ever.
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

    def __init__(self, *arguments: Any, line: _Line, **named: Any) -> None:
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


class _Adapter(HTTPAdapter):
    """Makes connections on a line."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self.line = line

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> urllib3.HTTPConnectionPool:
        """The pool for a request, direct or through a proxy; it is this session's own."""
        pool = super().get_connection_with_tls_context(*arguments, **named)
        assert isinstance(pool, urllib3.HTTPConnectionPool)  # noqa: S101  (there is no other kind)
        pool.ConnectionCls = _TLSConnection if pool.scheme == "https" else _Connection
        pool.conn_kw["line"] = self.line
        return pool


def _within(seconds: float, action: Callable[[], T], line: _Line) -> T:
    """What `action` returns or raises; TimeoutError when it has not ended after `seconds`.

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


def refuse_bomb(body: bytes, limit: int = PARTS) -> None:
    """Raise ValueError for an answer that would fill the memory as soon as it is read as JSON.

    Each part of it takes a hundred times as much there as the two characters it may be written in.
    """
    parts = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if parts > limit:
        raise ValueError(f"it has {parts} parts, and more than {limit} are not read")


def parsed_json(body: bytes, limit: int = PARTS) -> Any:
    """What an answer's JSON says. Raises ValueError or RecursionError where it is none that can be read."""
    refuse_bomb(body, limit)
    return json.loads(body)


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """For how many seconds an answer asks to be left alone, by its Retry-After (RFC 9110); else 0.

    Never more than `LONGEST_REST`, so that now and the pause still make a date.
    """
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return min(float(asked), LONGEST_REST)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return min(max(0.0, (parsedate_to_datetime(asked) - now).total_seconds()), LONGEST_REST)
    return 0.0


def seconds_for(size: int) -> float:
    """How long a file of `size` bytes may take in all: what a slow line needs, but never for ever."""
    return FILE_SECONDS + SECONDS_PER_MEBIBYTE * size / MEBIBYTE


def without(secrets: Sequence[str], text: str) -> str:
    """A server's words, printable and with *** for every secret."""
    # Again, since a secret with an escape sequence in it is whole when that is taken out.
    return redact(printable(redact(text, secrets)), secrets)


def one_line(text: str, limit: int = 300) -> str:
    """A server's words as one printable line of at most `limit` characters: they are data, not ours."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def _cause(error: BaseException) -> str:
    """The innermost words of an error of requests, which wraps urllib3's, which wraps the socket's."""
    inner: object = error
    while isinstance(inner, BaseException):
        wrapped = getattr(inner, "reason", None) or next(
            (part for part in inner.args if isinstance(part, BaseException)), None
        )
        if not isinstance(wrapped, BaseException):
            break
        inner = wrapped
    return str(inner) or type(inner).__name__
