"""A token that may not write a release is refused before anything is built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from github import Auth, GithubIntegration

from release_assets.destinations.github import check_access, connect
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.destinations.github_hub import REPOSITORY, TOKEN
from tools.sandbox.github import OWNER, github_server


def shown(*, private: bool = False, archived: bool = False, push: bool = True, pull: bool = True) -> Told:
    """The repository, with the role of the token's owner."""
    there = {"private": private, "archived": archived, "permissions": {"push": push, "pull": pull}}
    return Told(body=json.dumps(there).encode())


def ask(server: ScriptedServer) -> None:
    check_access(connect(server.url, TOKEN), REPOSITORY, token_env="GITHUB_TOKEN")


NO_NOTES = Told(422, body=b'{"message": "Invalid previous_tag_name parameter"}')


def test_a_token_is_tried_with_notes_that_change_nothing(
    server: ScriptedServer,
) -> None:
    server.answers(shown(), NO_NOTES)
    ask(server)
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", f"/repos/{REPOSITORY}"),
        ("POST", f"/repos/{REPOSITORY}/releases/generate-notes"),
    ]
    notes = json.loads(server.seen[1].body)
    assert notes["tag_name"] == notes["previous_tag_name"]


@pytest.mark.parametrize("words", ["personal access token", "integration"])
def test_a_token_without_contents_write_is_refused(server: ScriptedServer, words: str) -> None:
    refusal = {"message": f"Resource not accessible by {words}"}
    server.answers(shown(), Told(403, json.dumps(refusal).encode()))
    with pytest.raises(PermanentError) as raised:
        ask(server)
    assert raised.value.problem == (
        f"{server.url}: asking whether the token may write releases of {REPOSITORY}: "
        f"GitHub answered 403: Resource not accessible by {words}."
    )
    assert "Check the token in GITHUB_TOKEN" in raised.value.remedy


def test_an_owner_who_may_only_read_is_refused_by_the_role(server: ScriptedServer) -> None:
    server.answers(shown(push=False))
    with pytest.raises(PermanentError, match="the token's owner may not write to it") as raised:
        ask(server)
    assert "`Contents: write`" in raised.value.remedy


def test_the_token_of_an_app_is_judged_by_its_permissions(server: ScriptedServer) -> None:
    server.answers(shown(push=False, pull=False), NO_NOTES)
    ask(server)
    server.answers(shown(push=False, pull=False), Told(403, b"{}"))
    with pytest.raises(PermanentError, match="403"):
        ask(server)


def test_an_archived_repository_takes_no_release(server: ScriptedServer) -> None:
    server.answers(shown(archived=True))
    with pytest.raises(PermanentError, match="it is archived"):
        ask(server)


@pytest.mark.parametrize(
    ("private", "scopes"),
    [(True, None), (True, "gist, repo"), (False, "repo"), (False, "public_repo, gist")],
)
def test_a_server_that_knows_no_release_notes_refuses_no_release(
    server: ScriptedServer, private: bool, scopes: str | None
) -> None:
    headers = {} if scopes is None else {"X-OAuth-Scopes": scopes}
    server.answers(shown(private=private), Told(404, b'{"message": "Not Found"}', headers))
    ask(server)
    assert server.seen[-1].method == "POST"


@pytest.mark.parametrize(
    ("private", "scopes"), [(True, "public_repo"), (False, "gist, read:org"), (False, "")]
)
def test_a_classic_token_without_the_scope_is_refused_by_a_404(
    server: ScriptedServer, private: bool, scopes: str
) -> None:
    server.answers(shown(private=private), Told(404, b"{}", {"X-OAuth-Scopes": scopes}))
    with pytest.raises(PermanentError) as raised:
        ask(server)
    wanted_scopes = "repo" if private else "public_repo, repo"
    assert f"404, and the token has none of the scopes {wanted_scopes}." in raised.value.problem
    assert "GITHUB_TOKEN" in raised.value.remedy


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        (Told(502), 0),
        (Told(429, headers={"Retry-After": "7"}), 7),
        (Told(403, b'{"message": "You have exceeded a secondary rate limit"}', {"Retry-After": "9"}), 9),
    ],
)
def test_a_github_that_is_unwell_has_refused_nothing(server: ScriptedServer, told: Told, wait: float) -> None:
    server.answers(shown(), told)
    with pytest.raises(TransientError, match=str(told.status)) as raised:
        ask(server)
    assert raised.value.wait == wait


def test_a_real_api_tells_a_writing_token_from_a_reading_one(tmp_path: Path, state: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    app = {
        "app_id": 1, "slug": "app", "name": "app", "private_key": pem, "permissions": {"contents": "write"},
        "installations": [{"installation_id": 7, "account": OWNER}],
    }  # fmt: skip
    with github_server(tmp_path, state=state, apps=[app]) as running:
        installed = GithubIntegration(auth=Auth.AppAuth(1, pem), base_url=running.api_url)
        reader = installed.get_access_token(7, permissions={"contents": "read"}).token
        writer = installed.get_access_token(7, permissions={"contents": "write"}).token
        with pytest.raises(PermanentError, match=r"may write releases of .*: GitHub answered 403: Forbidden"):
            check_access(connect(running.api_url, reader), running.repository, token_env="GITHUB_TOKEN")
        for token in (writer, running.token):
            api = connect(running.api_url, token)
            check_access(api, running.repository, token_env="GITHUB_TOKEN")
            _, releases = api.requestJsonAndCheck("GET", f"/repos/{running.repository}/releases")
            assert releases == []
