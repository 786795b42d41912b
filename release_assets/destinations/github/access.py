"""Check that a token may publish releases, by requests that change nothing."""

from __future__ import annotations

from github.Requester import Requester

from release_assets.destinations.github.failures import error_body, in_our_words
from release_assets.destinations.github.reading import api_path
from release_assets.errors import PermanentError

NO_TAG = "release-assets-asks-whether-it-may-write"


def check_access(github: Requester, repository: str, *, token_env: str) -> None:
    """Ask whether the token may publish releases, with two requests that change nothing.

    The repository shows the role of the token's owner. What the token itself may shows in release notes:
    generating them needs `Contents: write`, as a release does, and GitHub saves them nowhere.
    Raises PermanentError where it may not, or the repository is archived; else as find_release does.
    """
    where = f"{github.base_url}: reading {repository}"
    with in_our_words(github, f"reading {repository}", token_env):
        _, answer = github.requestJsonAndCheck("GET", api_path(repository))
        role, archived = answer.get("permissions") or {}, bool(answer.get("archived"))
        scopes = {"repo"} if answer.get("private", True) else {"repo", "public_repo"}
        # An app's token has no role: all of it is false, also what it may.
        is_reader = bool(role.get("pull", True)) and not role.get("push", True)
    if archived:
        raise PermanentError(f"{where}: it is archived.", "Unarchive the repository in its settings.")
    remedy = f"Put a token with `Contents: write` for this repository into {token_env}."
    if is_reader:
        raise PermanentError(f"{where}: the token's owner may not write to it.", remedy)
    doing = f"asking whether the token may write releases of {repository}"
    with in_our_words(github, doing, token_env):
        # Of a tag that is not there, since itself: a token that may ask gets a 422, and nothing is computed.
        nothing = {"tag_name": NO_TAG, "previous_tag_name": NO_TAG}
        url = f"{api_path(repository)}/releases/generate-notes"
        status, headers, text = github.requestJson("POST", url, input=nothing)
        if status in (401, 403, 429) or status >= 500:
            raise Requester.createException(status, headers, error_body(text))
    # GitHub Enterprise before 3.4 has no such notes. A classic token without the scope gets the same answer.
    granted = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",")}
    if status == 404 and "x-oauth-scopes" in headers and not granted & scopes:
        raise PermanentError(
            f"{github.base_url}: {doing}: GitHub answered 404, and the token has none of the scopes "
            f"{', '.join(sorted(scopes))}.",
            remedy,
        )
