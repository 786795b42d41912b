"""One exchange with a server over HTTP: bounded in bytes and seconds, and every failure as a ReleaseError."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity

from release_assets.destinations import bounds
from release_assets.destinations.http.deadline import Adapter, Line, within
from release_assets.destinations.http.login import Login
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.project import is_loopback
from release_assets.text import one_line, redact, without

AGAIN = "Nothing is lost: materialize again when it answers; what has arrived is found and kept."
CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError")
CONNECTION = re.compile(r"^\w*Connection\(host=[^)]*\): ")  # how urllib3's words begin
CERTIFICATE_REMEDY = "If the server has a certificate authority of its own, name it in REQUESTS_CA_BUNDLE."


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
    certificate: str | None = None,
) -> Answer:
    """Send one request, and read its answer to the end: no retry, no redirect, no credentials of our own.

    `seconds` bounds all of it, `limit` the bytes of the decompressed body, which goes into `sink` if given
    (only that of a 200). `certificate` is a PEM file with a client certificate and its key.
    Raises TransientError where no whole answer came, PermanentError where none can.
    """
    where = f"{method} {one_line(url)}"
    credentials = _credentials(headers)
    deadline = time.monotonic() + seconds
    late = TransientError(f"{where} took longer than {seconds:.0f} s.", AGAIN)

    line = Line()

    def talk() -> Answer:
        with requests.Session() as session:
            session.mount("http://", Adapter(line))
            session.mount("https://", Adapter(line))
            # Without an auth of its own, requests would look up ~/.netrc.
            session.auth = lambda request: request
            with session.request(
                method,
                url,
                headers=dict(headers),
                data=data,
                cert=certificate,
                timeout=(bounds.BOUNDS.connect_seconds, bounds.BOUNDS.silence_seconds),
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
    if certificate is not None and not os.access(certificate, os.R_OK):
        raise PermanentError(
            f"{where}: the client certificate {certificate} cannot be read",
            "Put the PEM file there, readable for the user that Dagster runs as, or correct "
            "client_certificate in defs.yaml.",
        )
    try:
        return within(seconds, talk, line)
    except (ReleaseError, TimeoutError) as error:
        raise (error if isinstance(error, ReleaseError) else late) from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        said = one_line(without(credentials, str(error)))
        raise PermanentError(f"{where}: {said}", "Check the URLs in the YAML.") from None
    # A Location that is not a URL is looked at by requests before anybody follows it; InvalidHeader is what
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
    """Return whether a header of ours can be sent as it is."""
    try:
        check_header_validity((name, value))
        value.encode("latin-1")  # as http.client does
    except (requests.exceptions.InvalidHeader, UnicodeError):
        return False
    return True


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Return what must not be repeated of our own request: the Authorization header, and what is in it."""
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
    url: str,
    *,
    headers: Mapping[str, str],
    seconds: float,
    limit: int,
    sink: BinaryIO | None = None,
    login: Login | None = None,
) -> Answer:
    """GET that follows redirects: never from https to http, nor from this machine to another over http.

    The login goes to its own server only, wherever a redirect leads.
    """
    deadline = time.monotonic() + seconds
    here = url
    for _ in range(bounds.BOUNDS.redirects + 1):
        left = max(0.1, deadline - time.monotonic())
        answer = exchange(
            "GET",
            here,
            seconds=left,
            limit=limit,
            headers={**headers, **(login.headers(here) if login is not None else {})},
            sink=sink,
            certificate=login.certificate_for(here) if login is not None else None,
        )
        target = answer.headers.get("location")
        if answer.status not in (301, 302, 303, 307, 308) or target is None:
            return answer
        try:
            there = urljoin(here, target)
            _ = urlsplit(there).port  # raises where it is none
        except ValueError:
            raise TransientError(
                f"{one_line(url)} redirects to {one_line(target)}, which is not a URL.", AGAIN
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
        f"{one_line(url)} redirects more than {bounds.BOUNDS.redirects} times.",
        "Check the index's simple_url in the project's YAML.",
    )


def _cause(error: BaseException) -> str:
    """Return the innermost words of an error of requests, which wraps urllib3's, which wraps the socket's."""
    inner: object = error
    while isinstance(inner, BaseException):
        wrapped = getattr(inner, "reason", None) or next(
            (part for part in inner.args if isinstance(part, BaseException)), None
        )
        if not isinstance(wrapped, BaseException):
            break
        inner = wrapped
    return CONNECTION.sub("", str(inner)) or type(inner).__name__
