"""Hold the base of all blocks that name a server: it is reached over TLS."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import Field

from release_assets.project.declared import Declared


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine: only there is plain http accepted by default."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Destination(Declared):
    """A server that is reached over TLS, unless it is on this machine or the YAML allows plain http."""

    allow_http: bool = Field(
        default=False,
        description="Accept plain http to this destination. Without it, only this machine may use http.",
        examples=[True],
    )

    def _check_tls(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ValueError("a URL must not hold a user or password; name a variable with token_env")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            # The value is not repeated: it may be a token in the wrong place.
            raise ValueError("expected an http(s) URL such as https://pypi.example/simple/")
        if parts.scheme == "http" and not (self.allow_http or is_loopback(url)):
            raise ValueError(
                f"http://{parts.hostname} is not encrypted; use https, or set allow_http: true for this "
                "destination"
            )
