"""Read whether a release is approved, and refuse everything irreversible where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import dagster as dg

from release_assets.destinations.git import signature
from release_assets.errors import PermanentError, ReleaseError
from release_assets.nodes.image_step import REASON, image_source
from release_assets.nodes.step import Step
from release_assets.rules.approval import (
    APPROVE,
    APPROVED_BY,
    Approval,
    Subject,
    files_not_covered,
    images_not_covered,
    recorded,
)
from release_assets.rules.tags import rebuild_tags

Covers = Callable[[Subject | None, Subject], str | None]


def subject_of(step: Step) -> Subject:
    """Return what an approval of the release is for now. Raises a ReleaseError where the tag is gone."""
    release = step.release
    digests = {node: _built(step, node) for node in step.project.package.distributions}
    source = image_source(step).commit.sha if step.project.image is not None else release.commit
    return Subject(release.tag, release.commit, source, digests)


def _built(step: Step, node: str) -> str | None:
    """Return the sha256 of what a node built, of the list of several files; None where none is kept."""
    kept = step.store.files(node)
    if not kept or kept[0].commit != step.release.commit:
        return None
    if len(kept) == 1:
        return kept[0].built
    return hashlib.sha256("".join(f"{one.built}  {one.filename}\n" for one in kept).encode()).hexdigest()


def recorded_approval(step: Step) -> Approval | None:
    """Return the newest approval of the release that Dagster has recorded, or None."""
    tag = step.context.partition_key
    records = step.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([step.project.project, "approval"]), asset_partitions=[tag]
        ),
        limit=1,
    ).records
    for record in records:
        if (materialization := record.asset_materialization) is not None:
            return recorded(tag, {name: value.value for name, value in materialization.metadata.items()})
    return None


def require_approval_of_files(step: Step) -> None:
    """Raise PermanentError where the project requires an approval and the release's files have none."""
    _require(step, files_not_covered)


def require_approval_of_images(step: Step) -> None:
    """Raise PermanentError where the project requires an approval and the images' source has none."""
    _require(step, images_not_covered)


def _require(step: Step, covers: Covers) -> None:
    if not step.project.needs_approval:
        return
    now, approval = subject_of(step), recorded_approval(step)
    why = covers(approval.subject if approval is not None else None, now)
    if why is not None:
        raise PermanentError(f"{now.tag} is not approved: {why}", how_to_approve(step, now))


def how_to_approve(step: Step, now: Subject) -> str:
    """Return what a person does to approve this."""
    job = step.context.run.job_name
    if job not in {f"{step.project.project}_{half}" for half in ("release", "docker")}:
        job = step.project.approving_job(published=step.is_materialized("github_release"))
    return (
        f"Check what was built, then run `release-assets approve {now.tag} "
        f"--project {step.project.project}`, or launch the job {job} for the partition {now.tag} with the "
        f"tags {APPROVE}={now.code}, {APPROVED_BY}=YOUR NAME and {REASON}=WHY."
    )


def approval_by_run(step: Step, now: Subject, at: float) -> Approval | None:
    """Return the approval that the tags of the run hold, or None where it has no such tags.

    Raises PermanentError where they approve something else: a run that is executed again keeps its tags.
    """
    tags = step.context.run.tags
    code, person = tags.get(APPROVE, "").strip(), tags.get(APPROVED_BY, "").strip()
    if not code:
        return None
    if code != now.code:
        raise PermanentError(
            f"the run approves {code}, and {now.code} is the code of {now.tag} now (commit {now.commit}, "
            + ", ".join(f"{node} {digest or 'not built'}" for node, digest in now.files.items())
            + f", images from {now.images_from})",
            how_to_approve(step, now),
        )
    if not person:
        raise PermanentError(
            f"the run approves {now.tag}, and its tag {APPROVED_BY} names nobody", how_to_approve(step, now)
        )
    return Approval(now, person, tags.get(REASON, "").strip() or "none given", at)


def approval_by_signature(step: Step, approved: Subject | None, now: Subject, at: float) -> Approval:
    """Return the approval that the signatures of the tags are, for what `approved` does not cover.

    Raises ReleaseError that says which tag has no signature of a key that the YAML names.
    """
    signers = step.project.publish.signers
    names = []
    if files_not_covered(approved, now) is not None:
        names.append([now.tag])
    if images_not_covered(approved, now) is not None and now.images_from != now.commit:
        found = rebuild_tags(step.tag, step.remote_tags, step.project.tags.patterns)
        names.append([name for name in found if step.remote_tags[name] == now.images_from])
    signed: list[str] = []
    people: list[str] = []
    for alternatives in names:
        for number, name in enumerate(alternatives, start=1):
            try:
                people.append(
                    signature.signer_of(
                        step.mirror, name, step.remote_tags[name], ssh=signers.ssh, gpg=signers.gpg
                    )
                )
            except ReleaseError:
                if number == len(alternatives):
                    raise
                continue
            signed.append(name)
            break
    who = ", ".join(dict.fromkeys(people))
    return Approval(now, who, f"signed tag {', '.join(signed)}", at)
