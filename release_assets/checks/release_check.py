"""What every check of the graph shares: for which release it looks, and how it fails."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from release_assets.assets.step import RETRY_POLICY, Step, clean_metadata, clear_failures
from release_assets.process import printable, redact
from release_assets.project import Project


@dataclass(frozen=True)
class Declared:
    """A check by its name; `blocks` keeps everything downstream from going on where it fails."""

    name: str
    description: str
    blocks: bool


@dataclass(frozen=True)
class Found:
    """What a check found: `ok`, or how bad it is, and in words what, where, and what to do."""

    state: Literal["ok", "warning", "error"]
    words: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def release_checks(
    project: Project, partitions: dg.DynamicPartitionsDefinition, asset: str, declared: Sequence[Declared]
) -> Callable[[Callable[[Step], Mapping[str, Found]]], dg.AssetChecksDefinition]:
    """Makes the checks of one asset, in one step, from a function that looks at one release.

    It returns what each check found, by the check's name. A destination that is unwell is asked again, as by
    the assets: that it cannot be asked is no finding.
    """
    key = dg.AssetKey([project.project, asset])
    with warnings.catch_warnings():
        # Without its partitions a check shows one state for all releases.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        specs = [
            dg.AssetCheckSpec(
                check.name,
                asset=key,
                description=check.description,
                blocking=check.blocks,
                partitions_def=partitions,
            )
            for check in declared
        ]

    def decorate(look: Callable[[Step], Mapping[str, Found]]) -> dg.AssetChecksDefinition:
        @dg.multi_asset_check(
            name=f"{project.project}__{asset}__checks",
            specs=specs,
            retry_policy=RETRY_POLICY,
        )
        def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
            step = Step(project, context)
            with clear_failures(step):
                found = look(step)
            for name, one in found.items():
                yield dg.AssetCheckResult(
                    check_name=name,
                    asset_key=key,
                    passed=one.state == "ok",
                    severity=dg.AssetCheckSeverity.ERROR
                    if one.state == "error"
                    else dg.AssetCheckSeverity.WARN,
                    description=printable(redact(one.words, step.secrets)),
                    metadata=clean_metadata(one.metadata, step.secrets),
                )

        return checks

    return decorate
