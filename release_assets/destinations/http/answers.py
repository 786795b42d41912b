"""Read answers: their JSON, bounded in parts, and the pause that they require."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from release_assets.destinations import bounds


def refuse_bomb(body: bytes, limit: int | None = None) -> None:
    """Raise ValueError for an answer that would fill the memory as soon as it is read as JSON.

    Each part of it takes a hundred times as much there as the two characters it may be written in.
    """
    limit = bounds.BOUNDS.json_parts if limit is None else limit
    parts = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if parts > limit:
        raise ValueError(f"it has {parts} parts, and more than {limit} are not read")


def parsed_json(body: bytes, limit: int | None = None) -> Any:
    """Return the content of an answer's JSON. Raises ValueError or RecursionError where there is none."""
    refuse_bomb(body, limit)
    return json.loads(body)


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """For how many seconds an answer asks to be left alone, by its Retry-After (RFC 9110); else 0.

    Never more than the bound for it, so that now and the pause still make a date.
    """
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return min(float(asked), bounds.BOUNDS.longest_rest_seconds)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return min(
            max(0.0, (parsedate_to_datetime(asked) - now).total_seconds()), bounds.BOUNDS.longest_rest_seconds
        )
    return 0.0
