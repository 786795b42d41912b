"""A push that was refused without the registry's words: ask the registry itself what it lets us do.

Docker 26 and others of its time pass on the status alone: a bad token, a full quota and an immutable tag are
all `403 Forbidden` or `400 Bad Request`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from release_assets.destinations import docker_credential
from release_assets.destinations.buildx.error_origin import Failure, Origin, origin_and_cause, refusal_in
from release_assets.destinations.buildx.request import BuildRequest
from release_assets.destinations.registry import Registry
from release_assets.errors import ConflictError, PermanentError, ReleaseError


@dataclass(frozen=True)
class PushLook:
    """A registry's response to us: the error where we may not push, and whether the tag exists."""

    error: PermanentError | None
    tag_exists: bool


def look_after(failure: Failure, request: BuildRequest, env: Mapping[str, str]) -> PushLook | None:
    """Ask the registry after a refusal without words; None after any other failure, or without an answer.

    `env` is the environment of docker's commands, in which the login is.
    """
    origin, cause = origin_and_cause(failure)
    refusal = refusal_in(origin, cause)
    if origin is not Origin.PUSH or refusal is None or refusal.status not in {400, 403, 409, 412}:
        return None
    if refusal.code or refusal.words.strip():
        return None
    username, token = docker_credential.given(env).get(request.repository.credential_host, (None, None))
    registry = Registry(
        request.repository,
        username=username,
        token=token,
        username_env=request.username_env,
        token_env=request.token_env,
    )
    try:
        try:
            registry.check_access()
        except PermanentError as error:
            return PushLook(error, tag_exists=False)
        return PushLook(None, tag_exists=registry.manifest(request.tag) is not None)
    except ReleaseError:
        return None


def judged_again(error: ReleaseError, look: PushLook, request: BuildRequest) -> ReleaseError:
    """Return the error for a push that was refused without words, by what the registry lets us do."""
    if look.error is not None:
        return type(look.error)(f"{error.problem}\n{look.error.problem}", look.error.remedy)
    where = f"{request.repository.host}/{request.repository.name}"
    login = f"{request.username_env} and {request.token_env}"
    if look.tag_exists:
        return ConflictError(
            f"{error.problem}\n{login} may push to {where}, and its tag {request.tag} exists.",
            "The tag is immutable, or the storage is full; the engine does not show the registry's words. "
            "Delete the tag there or exempt it from immutability, or make room, then materialize again.",
        )
    return PermanentError(
        f"{error.problem}\n{login} may push to {where}, and it has no tag {request.tag} yet.",
        "The storage is full, or a rule of the registry rejects the image; the engine does not show the "
        "registry's words. Look there, then materialize again.",
    )
