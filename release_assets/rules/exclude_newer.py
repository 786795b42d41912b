"""When build requirements are too new: a duration before the commit, a date or a timestamp. Pure.

A duration is counted from the commit and not from now. The same commit is then built with the same packages
whenever that happens: today, in a retry, or when somebody compares the published files with their source. A
commit is rarely newer than the build, and one that claims to be counts as now, so that nobody shortens the
duration with a date of their own.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

UNITS = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
DURATION = re.compile(rf"(\d{{1,4}}) ?({'|'.join(UNITS)})s?")


def check_exclude_newer(text: str) -> str:
    """Return the text. Raises ValueError where it is not a duration, a date or a timestamp."""
    newest(text, commit=datetime.now(UTC), now=datetime.now(UTC))
    return text


def newest(text: str, *, commit: datetime, now: datetime) -> datetime:
    """Return the time after which an uploaded package is ignored, in UTC. Raises ValueError as above.

    A date excludes what was uploaded on that day or later.
    """
    if match := DURATION.fullmatch(text.strip()):
        return min(commit, now).astimezone(UTC) - timedelta(seconds=int(match[1]) * UNITS[match[2]])
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or "T" not in text.replace(" ", "T"):
        raise ValueError(
            f"{text!r} is not a duration such as '7 days', a date such as 2026-11-01, or a timestamp such as "
            "2026-11-01T00:00:00Z"
        )
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
