"""The meaning of a registry's refusal: by its status, then by the code and the words of its own error.

Registries give one code to several things: Harbor and Quay respond DENIED to a full quota, Docker Hub 403 to
an immutable tag. Only there the registry's words decide, without the names in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN
from release_assets.destinations.registry.repository import Repository
from release_assets.errors import (
    ConflictError,
    PermanentError,
    ReleaseError,
    TransientError,
    error_for_status,
)

# Distribution spec and RFC 6750. BuildKit and docker write TAG_INVALID as "tag invalid".
CREDENTIAL_CODES = frozenset({"denied", "insufficient scope", "invalid token", "unauthorized"})
NOT_FOUND_CODES = frozenset({"blob unknown", "manifest unknown", "name unknown", "not found"})
CODES = frozenset({
    *CREDENTIAL_CODES, *NOT_FOUND_CODES,
    "blob upload invalid", "blob upload unknown", "conflict", "digest invalid", "manifest blob unknown",
    "manifest invalid", "manifest unverified", "name invalid", "precondition", "quota exceeded",
    "size invalid", "tag invalid", "toomanyrequests", "unavailable", "unknown", "unsupported",
})  # fmt: skip

_IMMUTABLE = re.compile(
    r"\bimmutab|cannot be (?:overwritten|updated)|not allow (?:updat|overwrit|redeploy)"
    r"|not permitted to overwrite|\balready exists\b",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"\bquota\b|\bstorage (?:resource|limit|space)|\bupper limit\b|disk usage is too high"
    r"|insufficient storage|no space left",
    re.IGNORECASE,
)
# An apostrophe within a word opens no quotation.
_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`")


@dataclass(frozen=True)
class Refusal:
    """A registry's response other than success.

    `code` is one of the distribution spec's in lower case, with blanks ("" for none); `words` are those of
    the registry's error. `wait` is the pause in seconds that it asks for, 0 where it does not say.
    """

    status: int | None
    code: str = ""
    words: str = ""
    wait: float = 0.0


def code_of(text: str) -> str:
    """Return an error code as `Refusal` has it."""
    return text.lower().replace("_", " ")


def refusal_error(
    refusal: Refusal,
    problem: str,
    repository: Repository,
    *,
    login: str,
    rejected: str,
    missing: str,
    again: str = AGAIN,
) -> ReleaseError:
    """Return the error for a refusal of something in the repository.

    The remedies are the caller's: `login` for refused credentials, `missing` for what the registry does not
    have, `rejected` for what it does not accept, `again` for a registry that failed.
    """
    where = f"{repository.host}/{repository.name}"
    words = _without_names(refusal.words[: bounds.BOUNDS.refusal_characters], repository)
    status = refusal.status or 0
    if status == 429 or refusal.code == "toomanyrequests":
        return TransientError(
            problem,
            "The registry limits how often it is asked. Materialize again later; a login raises the limit.",
            wait=refusal.wait,
        )
    if status < 500 and _IMMUTABLE.search(words):
        return ConflictError(
            problem,
            f"The registry does not let an existing tag of {where} move. Delete the tag there or exempt it "
            "from immutability, then materialize again.",
        )
    if status == 507 or refusal.code == "quota exceeded" or _QUOTA.search(words):
        return PermanentError(
            problem,
            f"The storage of {where} is full: delete what is not needed there, or raise its quota, then "
            "materialize again.",
        )
    if status == 413:
        return PermanentError(
            problem,
            "The registry, or a proxy in front of it, limits the size of an upload: raise that limit (nginx: "
            "client_max_body_size), or make the layer smaller.",
        )
    if status in {401, 403} or refusal.code in CREDENTIAL_CODES:
        return PermanentError(problem, login)
    if refusal.code == "unavailable":
        return TransientError(problem, again, wait=refusal.wait)
    if status == 404 or refusal.code in NOT_FOUND_CODES:
        return PermanentError(problem, missing)
    error = error_for_status(max(status, 400), problem, rejected)
    return TransientError(problem, again, wait=refusal.wait) if isinstance(error, TransientError) else error


def _without_names(words: str, repository: Repository) -> str:
    """Return the words without what is quoted in them, URLs, paths, references, and the repository's name."""
    kept = (word for word in _QUOTED.sub(" ", words).split() if "/" not in word)
    return " ".join(word for word in kept if word.strip(".,:;()") != repository.name)
