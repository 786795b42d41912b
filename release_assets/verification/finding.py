"""Results of a verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of looking at one thing."""

    OK = "ok"
    NOTED = "noted"  # not the same bytes, and the difference is explained and harmless
    UNCHECKED = "not checked"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: where it is, the result in words, and each difference."""

    section: str
    what: str
    verdict: Verdict
    words: str
    details: tuple[str, ...] = ()


def has_failed(findings: Iterable[Finding]) -> bool:
    """Return True where something is not as it should be."""
    return any(finding.verdict is Verdict.FAILED for finding in findings)
