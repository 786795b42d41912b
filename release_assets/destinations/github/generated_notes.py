"""The release notes that GitHub generates from merged pull requests."""

from __future__ import annotations

from github.Requester import Requester

from release_assets.destinations.github.failures import in_our_words
from release_assets.destinations.github.reading import api_path


def generated_notes(
    github: Requester, repository: str, tag: str, previous: str | None, *, token_env: str
) -> str:
    """Return GitHub's notes for a tag since the `previous` one, in Markdown. GitHub keeps nothing of them.

    Without a previous tag GitHub chooses one by date. Raises TransientError or PermanentError.
    """
    wanted = {"tag_name": tag} | ({"previous_tag_name": previous} if previous is not None else {})
    with in_our_words(github, f"generating the notes of {tag}", token_env):
        url = f"{api_path(repository)}/releases/generate-notes"
        _, answer = github.requestJsonAndCheck("POST", url, input=wanted)
        return str(answer["body"] or "").strip()
