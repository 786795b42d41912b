"""Node: one asset of the graph, declared next to the function that does its work on a release."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from release_assets.nodes.failures import RETRY_POLICY, clear_failures
from release_assets.nodes.metadata import clean_metadata, definition_metadata, shown, timings
from release_assets.nodes.release_check import Declared, Found, check_specs, refuse_blocked
from release_assets.nodes.run_tags import tag_run
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.text import printable, redact

Half = Literal["package", "images"]


@dataclass(frozen=True)
class Recorded:
    """The record of a node in the event log: the content's digest, and what a maintainer looks at.

    `checks` is what each of the node's checks found, by its name.
    """

    data_version: str
    metadata: Mapping[str, Any]
    checks: Mapping[str, Found] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node of a project's graph: the function that does its work on one release, and how Dagster shows it.

    `half` decides the asset's group, None is the project's own. `source` is the file in the project's
    repository that the node works on. `may_wait` is True where `work` may return None: the step succeeds
    without an output, and Dagster skips everything downstream.
    """

    name: str
    work: Callable[[Step], Recorded | None]
    description: str
    half: Half | None = "package"
    kinds: Set[str] = frozenset()
    source: str | None = None
    deps: Sequence[str] = ()
    pool: str | None = None
    checks: Sequence[Declared] = ()
    may_wait: bool = False


def asset_of(node: Node, project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset of a project's node.

    A ReleaseError becomes Dagster's Failure, without a traceback, and with retries only where doing it
    again can help: those observe the destination first, as every run of a node does.
    The node's checks are part of its step. Where a blocking one fails, what was made stays recorded with what
    the checks found, the step fails in the check's words, and nothing downstream starts.
    """
    key = dg.AssetKey([project.project, node.name])

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([project.project, dep]) for dep in node.deps],
        group_name=f"{project.project}_{node.half}" if node.half is not None else project.project,
        partitions_def=partitions,
        description=node.description,
        metadata=definition_metadata(project, node.source, node.work),
        kinds=set(node.kinds),
        owners=project.owners,
        pool=node.pool,
        retry_policy=RETRY_POLICY,
        check_specs=check_specs(key, node.checks, partitions),
        output_required=not node.may_wait,
    )
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        step = Step(project, context)
        with clear_failures(step):
            tag_run(step, makes_images=node.half == "images")
            recorded = node.work(step)
        if recorded is None:
            return
        # Metadata of the result would be in two events of the log.
        context.add_asset_metadata({
            **shown(clean_metadata(recorded.metadata, step.secrets)),
            **timings(step.seconds, time.monotonic() - step.started),
        })  # fmt: skip
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(recorded.data_version),
            check_results=[
                dg.AssetCheckResult(
                    check_name=name,
                    passed=found.state == "ok",
                    severity=found.severity,
                    description=printable(redact(found.description, step.secrets)),
                    metadata=clean_metadata(found.metadata, step.secrets),
                )
                for name, found in recorded.checks.items()
            ],
        )
        with clear_failures(step):
            refuse_blocked(node.checks, recorded.checks)

    return materialize
