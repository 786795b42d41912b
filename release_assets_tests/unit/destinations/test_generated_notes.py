"""Notes that GitHub generates: what is asked for, and what comes back."""

from __future__ import annotations

import json

import pytest

from release_assets.destinations.github import connect, generated_notes
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told


def ask(server: ScriptedServer, previous: str | None = "v1.2.2") -> str:
    return generated_notes(
        connect(server.url, "the-token"), "me/sample", "v1.2.3", previous, token_env="GITHUB_TOKEN"
    )


def test_they_start_from_the_release_before(server: ScriptedServer) -> None:
    server.answers(Told(200, b'{"name": "v1.2.3", "body": "## What\'s Changed\\n* one\\n"}'))
    assert ask(server) == "## What's Changed\n* one"
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/repos/me/sample/releases/generate-notes")
    assert json.loads(seen.body) == {"tag_name": "v1.2.3", "previous_tag_name": "v1.2.2"}


def test_of_a_first_release_github_chooses_where_they_start(server: ScriptedServer) -> None:
    server.answers(Told(200, b'{"name": "v1.2.3", "body": null}'))
    assert ask(server, None) == ""
    assert json.loads(server.seen[0].body) == {"tag_name": "v1.2.3"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Told(403, b'{"message": "Resource not accessible by personal access token"}'), PermanentError),
        (Told(404, b'{"message": "Not Found"}'), PermanentError),
        (Told(502, b""), TransientError),
        (Told(200, b"[]"), TransientError),
        (Told(200, b"{}"), TransientError),
    ],
)
def test_what_goes_wrong_names_the_tag(server: ScriptedServer, answer: Told, error: type[Exception]) -> None:
    server.answers(answer)
    with pytest.raises(error, match=r"generating the notes of v1\.2\.3"):
        ask(server)
