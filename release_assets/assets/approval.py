"""approval: a person, or the signature of a tag, lets the release be published. Without one, it waits."""

from __future__ import annotations

import time

import dagster as dg

from release_assets.errors import PermanentError
from release_assets.nodes.approval import (
    approval_by_run,
    approval_by_signature,
    how_to_approve,
    recorded_approval,
    subject_of,
)
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.rules.approval import Approval, Subject, not_covered
from release_assets.text import printable, redact


def approval_node(project: Project) -> Node:
    """Declare `<project>/approval`."""
    return Node(
        work=approval,
        name="approval",
        deps=project.package.last_distributions,
        half=None,
        description="A person's approval of what was built. Nothing irreversible happens without it.",
        may_wait=True,
    )


def approval(step: Step) -> Recorded | None:
    """Record who approved the release, or return None and show how to approve it.

    A release that waits for an approval has not failed: the node ends without an output, and Dagster skips
    everything after it.
    """
    now = subject_of(step)
    found = _approval(step, now)
    if isinstance(found, Approval):
        step.say(f"{now.tag} is approved by {found.approved_by}: {found.reason}")
        return Recorded(
            data_version=found.subject.code,
            metadata={**found.metadata, "approved_at": dg.MetadataValue.timestamp(found.at)},
        )
    remedy = how_to_approve(step, now)
    why = printable(redact(found, step.secrets))
    step.context.log.warning(f"{now.tag} waits for an approval: {why}. {remedy}")
    step.context.log_event(
        dg.AssetObservation(
            step.context.asset_key,
            partition=now.tag,
            description=f"{now.tag} waits for an approval",
            metadata={"waits": why, "what_to_do": remedy, **_shown(now)},
        )
    )
    return None


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
        **{f"{node}_sha256": digest or "not built" for node, digest in now.files.items()},
    }
