"""One exchange with a server over HTTP: bounded in bytes and in seconds, and every failure in our words."""

from release_assets.destinations.http.answers import parsed_json, refuse_bomb, retry_after
from release_assets.destinations.http.exchange import (
    CERTIFICATE,
    CERTIFICATE_REMEDY,
    REDIRECTS,
    Answer,
    exchange,
    get,
)
from release_assets.destinations.http.sizes import MEBIBYTE, seconds_for
from release_assets.destinations.http.words import AGAIN, one_line, without

__all__ = [
    "AGAIN",
    "CERTIFICATE",
    "CERTIFICATE_REMEDY",
    "MEBIBYTE",
    "REDIRECTS",
    "Answer",
    "exchange",
    "get",
    "one_line",
    "parsed_json",
    "refuse_bomb",
    "retry_after",
    "seconds_for",
    "without",
]
