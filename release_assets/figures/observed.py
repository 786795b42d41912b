"""Values that hold what Dagster recorded of a run that publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Half = Literal["release", "docker"]
State = Literal["success", "failure", "canceled", "unfinished"]


@dataclass(frozen=True)
class Made:
    """A node that was materialized: when, in seconds since 1970, and its metadata as plain values."""

    at: float
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """The result of a check of a node."""

    node: str
    check: str
    passed: bool
    is_warning: bool  # where it did not pass: it stopped nothing
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """The reason why a node failed, and what to do next."""

    problem: str
    remedy: str = ""
    stages: frozenset[str] = frozenset()  # that were begun, as far as the failure tells


@dataclass(frozen=True)
class ObservedRun:
    """A run of a project's release job or docker job. Times are seconds since 1970."""

    run_id: str
    half: Half
    tag: str
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    is_retried: bool = False  # its worker died, and Dagster launches it again
    made: Mapping[str, Made] = field(default_factory=dict)
    checks: Sequence[Checked] = ()
    retries: Mapping[str, int] = field(default_factory=dict)  # by node
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by node

    @property
    def has_published(self) -> bool:
        """Return whether the run made what its half is for; one that waits for an approval did not."""
        return ("pypi_publication" if self.half == "release" else "manifest_list") in self.made

    @property
    def seconds(self) -> float | None:
        """Return for how long it worked; None for a run that has not ended or never started."""
        return self.ended - self.started if self.ended is not None and self.started is not None else None
