"""One exchange with a server over HTTP: bounded in bytes and seconds, and every failure as a ReleaseError."""

from release_assets.destinations.bounds import MEBIBYTE, seconds_for
from release_assets.destinations.http.answers import parsed_json, refuse_bomb, retry_after
from release_assets.destinations.http.exchange import (
    AGAIN,
    CERTIFICATE,
    CERTIFICATE_REMEDY,
    Answer,
    exchange,
    get,
)
from release_assets.destinations.http.login import Login

__all__ = [
    "AGAIN",
    "CERTIFICATE",
    "CERTIFICATE_REMEDY",
    "MEBIBYTE",
    "Answer",
    "Login",
    "exchange",
    "get",
    "parsed_json",
    "refuse_bomb",
    "retry_after",
    "seconds_for",
]
