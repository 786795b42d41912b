"""GitHub's deliveries: the signature, the events that matter, and those that came before. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

REMEMBERED = 10_000  # deliveries


@dataclass(frozen=True)
class Event:
    """An event that may make something due: a tag that was pushed, or a release that was published."""

    kind: Literal["tag", "release"]
    repository: str  # owner/name
    tag: str


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Return whether the header X-Hub-Signature-256 is the body's, in a time that tells nothing of it."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))


def event_of(name: str, body: bytes) -> Event | None:
    """Return what a delivery tells, or None where nothing can be due. Raises ValueError for a malformed body.

    `name` is the header X-GitHub-Event.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise ValueError("the body is not a JSON object")
    tag: object = None
    kind: Literal["tag", "release"] = "tag"
    match name:
        case "push" if payload.get("deleted") is not True:
            ref = str(payload.get("ref", ""))
            tag = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else None
        case "create" if payload.get("ref_type") == "tag":
            tag = payload.get("ref")
        case "release" if payload.get("action") == "published":
            kind, release = "release", payload.get("release")
            tag = release.get("tag_name") if isinstance(release, dict) else ""
        case _:
            return None
    if tag is None:
        return None
    repository = payload.get("repository")
    full_name = repository.get("full_name") if isinstance(repository, dict) else None
    if not (isinstance(tag, str) and tag and isinstance(full_name, str)):
        raise ValueError(f"the {name} event has no tag or no repository.full_name")
    return Event(kind, full_name, tag)


class Replays:
    """Remembers the last deliveries, by their id and by their body: the id is not part of the signature."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_replay(self, delivery: str, body: bytes) -> bool:
        """Return whether the delivery came before, and remember it."""
        marks = [f"id {delivery}", f"body {hashlib.sha256(body).hexdigest()}"]
        came_before = any(mark in self._seen for mark in marks)
        for mark in marks:
            self._seen[mark] = None
            self._seen.move_to_end(mark)
        while len(self._seen) > 2 * self._remembered:
            self._seen.popitem(last=False)
        return came_before
