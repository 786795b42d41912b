"""A login for one server, which no other server gets: not by a link, not by a redirect."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Login:
    """The credentials for a server. Only that of `url` gets them: the same scheme, host and port."""

    url: str
    username: str
    password: str = field(repr=False)
    password_env: str  # the variable that it came from, for the words of an error; "" without a password
    certificate: str | None = None  # a PEM file with a client certificate and its key

    def headers(self, url: str) -> dict[str, str]:
        """Return the header that logs in at a URL; empty for another server."""
        if not self.password or not self.is_for(url):
            return {}
        credentials = f"{self.username}:{self.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def certificate_for(self, url: str) -> str | None:
        """Return the client certificate to show at a URL; None for another server."""
        return self.certificate if self.is_for(url) else None

    def is_for(self, url: str) -> bool:
        """Return whether a URL is on the very server that the login is for: scheme, host and port."""
        return origin(url) == origin(self.url)


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
