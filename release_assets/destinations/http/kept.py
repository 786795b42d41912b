"""A connection that is kept between requests, for questions that are asked every few seconds.

An exchange makes a connection of its own. Over TLS that costs more than the tick of a sensor may.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator, Mapping

import requests
import urllib3.exceptions

from release_assets.destinations import bounds
from release_assets.destinations.http.deadline import Adapter, Line
from release_assets.destinations.http.exchange import Answer


class KeptConnection:
    """Asks one server over one connection, and makes a new one where that has failed.

    It reports no failures: who gets None repeats the request with an exchange, whose errors are for people.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line = Line()
        self._session: requests.Session | None = None

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        seconds: float,
        limit: int,
        data: bytes | None = None,
    ) -> Answer | None:
        """Return the whole answer, or None where none came.

        `seconds` bounds all of it, `limit` the bytes of the body. Redirects are not followed, and credentials
        are only those in `headers`.
        """
        with (
            contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError),
            self._used(seconds) as session,
        ):
            if session is None:
                return None
            with session.request(
                method,
                url,
                headers=dict(headers),
                data=data,
                timeout=(min(bounds.BOUNDS.kept_connect_seconds, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = io.BytesIO()
                while piece := response.raw.read1(65536, decode_content=True):
                    if body.tell() + len(piece) > limit:
                        raise ValueError("more bytes than the limit")
                    body.write(piece)
            if self._line.is_cut:  # which looks like the end of the answer
                return None
            return Answer(url, response.status_code, response.reason or "", response.headers, body.getvalue())
        return None

    @contextlib.contextmanager
    def _used(self, seconds: float) -> Iterator[requests.Session | None]:
        """Yield the session for one request, or None while another thread uses it."""
        if not self._lock.acquire(blocking=False):
            yield None
            return
        session = self._session or self._new_session()
        timer = threading.Timer(seconds, self._line.cut)
        timer.daemon = True
        timer.start()
        try:
            yield session
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            if self._line.is_cut:
                self.close()
            del self._line.connections[:-1]  # those that the server has closed
            self._lock.release()

    def _new_session(self) -> requests.Session:
        self._line = Line()
        self._session = requests.Session()
        self._session.mount("http://", Adapter(self._line))
        self._session.mount("https://", Adapter(self._line))
        # Without an auth of its own, requests would look up ~/.netrc.
        self._session.auth = lambda request: request
        return self._session

    def close(self) -> None:
        """End the connection; the next question makes a new one."""
        self._line.cut()
        if self._session is not None:
            self._session.close()
            self._session = None
