"""The declaration of a check of the graph, and its result. The node that made the thing reports both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from release_assets.errors import PermanentError


@dataclass(frozen=True)
class Declared:
    """A check by its name; `blocks` keeps everything downstream from going on where it fails."""

    name: str
    description: str
    blocks: bool


@dataclass(frozen=True)
class Found:
    """The result of a check: `ok`, or how bad it is; what and where in words, and what to do about it."""

    state: Literal["ok", "warning", "error"]
    words: str
    remedy: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Return the words that Dagster shows next to the check."""
        return f"{self.words}\n{self.remedy}".rstrip()

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """Return Dagster's severity: only an error of a blocking check stops what is downstream."""
        return dg.AssetCheckSeverity.ERROR if self.state == "error" else dg.AssetCheckSeverity.WARN


def check_specs(
    key: dg.AssetKey, declared: Sequence[Declared], partitions: dg.DynamicPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """Return Dagster's declarations of an asset's checks."""
    with warnings.catch_warnings():
        # Without its partitions a check shows one state for all releases.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=key,
                description=check.description,
                blocking=check.blocks,
                partitions_def=partitions,
            )
            for check in declared
        ]


def refuse_blocked(declared: Sequence[Declared], found: Mapping[str, Found]) -> None:
    """Raise PermanentError in the words of the blocking checks that failed; return where none did.

    Dagster itself would fail the step with a stack trace and the checks' names only.
    """
    failed = [
        (check.name, found[check.name])
        for check in declared
        if check.blocks and check.name in found and found[check.name].state == "error"
    ]
    if failed:
        raise PermanentError(
            "\n".join(f"check {name}: {one.words}" for name, one in failed),
            " ".join(dict.fromkeys(one.remedy for _, one in failed if one.remedy)),
        )
