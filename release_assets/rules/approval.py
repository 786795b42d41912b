"""Decide what a person's approval of a release covers. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHA256 = "_sha256"  # the end of the names of the files' digests in the metadata
CODE_LENGTH = 12  # hexadecimal digits of an approval code

# Tags of the run that a person launches to approve a release.
APPROVE = "release_assets/approve"  # the approval code
APPROVED_BY = "release_assets/approved_by"


@dataclass(frozen=True)
class Subject:
    """The subject of an approval: a tag at a commit, the files built from it, the commit of the images."""

    tag: str
    commit: str
    images_from: str  # a rebuild tag's commit, or the release's own
    # By the node that makes it: sha256 of the built file, or of the list of files; None where none is kept.
    files: Mapping[str, str | None]

    @property
    def code(self) -> str:
        """Return the approval code: it changes with everything that is approved."""
        text = json.dumps([self.tag, self.commit, self.images_from, *self.files.values()])
        return hashlib.sha256(text.encode()).hexdigest()[:CODE_LENGTH]


@dataclass(frozen=True)
class Approval:
    """A recorded approval: of what, by whom, and why."""

    subject: Subject
    approved_by: str
    reason: str
    at: float  # seconds since 1970

    @property
    def metadata(self) -> Mapping[str, str | float]:
        """Return the approval as `recorded` reads it."""
        subject = self.subject
        return {
            "approved_by": self.approved_by,
            "reason": self.reason,
            "code": subject.code,
            "commit": subject.commit,
            "images_from": subject.images_from,
            # A release may wait for its files, and a project may get other ones.
            "files": ", ".join(subject.files),
            **{f"{node}{SHA256}": digest for node, digest in subject.files.items() if digest},
            "approved_at": self.at,
        }


def recorded(tag: str, metadata: Mapping[str, Any]) -> Approval | None:
    """Return the approval that a node's metadata records, or None where it records none.

    A materialization that somebody reports by hand in the UI has no such metadata.
    """
    # Before there were platform wheels, nothing named the files.
    nodes = str(metadata.get("files") or "sdist, wheel").split(", ")
    try:
        subject = Subject(
            tag,
            str(metadata["commit"]),
            str(metadata["images_from"]),
            {name: metadata.get(f"{name}{SHA256}") for name in nodes},
        )
        approval = Approval(
            subject, str(metadata["approved_by"]), str(metadata["reason"]), float(metadata["approved_at"])
        )
    except (KeyError, TypeError, ValueError):
        return None
    return approval if metadata.get("code") == subject.code else None


def files_not_covered(approved: Subject | None, now: Subject) -> str | None:
    """Return why an approval does not cover the release's files, or None where it does.

    A file that is not kept anymore cannot be uploaded, so it needs no approval.
    """
    if approved is None:
        return "nobody has approved it"
    if approved.commit != now.commit:
        return f"commit {approved.commit} was approved, and the tag points to {now.commit} now"
    for node, after in now.files.items():
        before = approved.files.get(node)
        if after is not None and after != before:
            return f"the {node} with sha256 {before or 'unknown'} was approved, and {after} is built now"
    return None


def images_not_covered(approved: Subject | None, now: Subject) -> str | None:
    """Return why an approval does not cover the source of the release's images, or None where it does."""
    if approved is None:
        return "nobody has approved it"
    if approved.commit != now.commit:
        return f"commit {approved.commit} was approved, and the tag points to {now.commit} now"
    if now.images_from not in {approved.images_from, approved.commit}:
        return (
            f"images from commit {approved.images_from} were approved, and a rebuild tag names "
            f"{now.images_from} now"
        )
    return None


def not_covered(approved: Subject | None, now: Subject) -> str | None:
    """Return why an approval does not cover everything that a release would publish, or None."""
    return files_not_covered(approved, now) or images_not_covered(approved, now)
