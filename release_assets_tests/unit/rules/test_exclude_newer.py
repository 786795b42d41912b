"""The time after which build requirements are too new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_assets.rules.exclude_newer import check_exclude_newer, newest

COMMIT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7 days", datetime(2026, 11, 13, 12, tzinfo=UTC)),
        ("1 week", datetime(2026, 11, 13, 12, tzinfo=UTC)),
        ("36hours", datetime(2026, 11, 19, tzinfo=UTC)),
        ("0 days", COMMIT),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T06:00:00+02:00", datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("2026-11-01 06:00:00Z", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_duration_counts_from_the_commit(written: str, expected: datetime) -> None:
    assert newest(written, commit=COMMIT, now=NOW) == expected


def test_a_commit_of_the_future_does_not_shorten_it() -> None:
    future = NOW + timedelta(days=365)
    assert newest("7 days", commit=future, now=NOW) == NOW - timedelta(days=7)


@pytest.mark.parametrize(
    "written", ["", "a week", "7", "-7 days", "7 years", "2026-13-01", "20261101", "99999 days"]
)
def test_what_is_neither_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as '7 days', a date"):
        check_exclude_newer(written)
