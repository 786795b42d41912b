"""One exchange with a server over HTTP: bounded in bytes and in seconds, and every failure in our words."""

from release_assets.destinations.http.answers import parsed_json, refuse_bomb, retry_after
from release_assets.destinations.http.exchange import (
    AGAIN,
    CERTIFICATE,
    CERTIFICATE_REMEDY,
    REDIRECTS,
    Answer,
    exchange,
    get,
)
from release_assets.destinations.http.sizes import MEBIBYTE, seconds_for

__all__ = [
    "AGAIN",
    "CERTIFICATE",
    "CERTIFICATE_REMEDY",
    "MEBIBYTE",
    "REDIRECTS",
    "Answer",
    "exchange",
    "get",
    "parsed_json",
    "refuse_bomb",
    "retry_after",
    "seconds_for",
]
