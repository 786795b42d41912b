"""approval: a person, or the signature of a tag, lets the release be published. Without one, it waits."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import time
from collections.abc import Iterator

import dagster as dg

from release_assets.errors import PermanentError
from release_assets.nodes.approval import (
    approval_by_run,
    approval_by_signature,
    how_to_approve,
    recorded_approval,
    subject_of,
)
from release_assets.nodes.failures import RETRY_POLICY, clear_failures
from release_assets.nodes.metadata import clean_metadata, timings
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.rules.approval import Approval, Subject, not_covered
from release_assets.text import printable, redact


def approval(project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset `<project>/approval`.

    A release that waits for an approval has not failed: the node ends without an output, and Dagster skips
    everything after it.
    """
    key = dg.AssetKey([project.project, "approval"])

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([project.project, "wheel"])],
        group_name=project.project,
        partitions_def=partitions,
        description="A person's approval of what was built. Nothing irreversible happens without it.",
        owners=project.owners,
        retry_policy=RETRY_POLICY,
        output_required=False,
    )
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        step = Step(project, context)
        with clear_failures(step):
            now = subject_of(step)
            found = _approval(step, now)
        if isinstance(found, Approval):
            step.say(f"{now.tag} is approved by {found.approved_by}: {found.reason}")
            yield dg.MaterializeResult(
                metadata={
                    **clean_metadata(found.metadata, step.secrets),
                    "approved_at": dg.MetadataValue.timestamp(found.at),
                    **timings(step.seconds, time.monotonic() - step.started),
                },
                data_version=dg.DataVersion(found.subject.code),
            )
            return
        remedy = how_to_approve(step, now)
        why = printable(redact(found, step.secrets))
        context.log.warning(f"{now.tag} waits for an approval: {why}. {remedy}")
        context.log_event(
            dg.AssetObservation(
                key,
                partition=now.tag,
                description=f"{now.tag} waits for an approval",
                metadata={"waits": why, "what_to_do": remedy, **_shown(now)},
            )
        )

    return materialize


def _approval(step: Step, now: Subject) -> Approval | str:
    """Return the approval of the release, or why it has none. Raises a ReleaseError."""
    before = recorded_approval(step)
    why = not_covered(before.subject if before is not None else None, now)
    if why is None and before is not None:
        return before
    given = approval_by_run(step, now, time.time())
    if given is not None:
        return given
    signers = step.project.publish.signers
    if signers.ssh or signers.gpg:
        try:
            return approval_by_signature(
                step, before.subject if before is not None else None, now, time.time()
            )
        except PermanentError as error:
            return f"{why}; {error.problem}"
    return str(why)


def _shown(now: Subject) -> dict[str, str]:
    return {
        "code": now.code,
        "commit": now.commit,
        "images_from": now.images_from,
        "sdist_sha256": now.sdist or "not built",
        "wheel_sha256": now.wheel or "not built",
    }
