"""The exchange of an identity for a token, against an index that answers what it is told."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from release_assets.destinations.package_index.trusted_publishing import (
    Identity,
    MintedTokens,
    audience_url,
    check_identity,
    claims_of,
    mint,
    mint_failure,
)
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.warehouse import id_token

AUDIENCE = Told(200, b'{"audience": "pypi"}')
LEGACY = "https://upload.pypi.org/legacy/"
TEST_LEGACY = "https://test.pypi.org/legacy/"


def identity(**claims: Any) -> Identity:
    token = id_token("pypi", repository="me/sample", **claims)
    return Identity(token, claims_of(token))


def minted(token: str, **more: Any) -> Told:
    return Told(200, json.dumps({"success": True, "token": token, **more}).encode())


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> str:
    """The ID token of a GitLab job for PyPI."""
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "ACTIONS_", "BUILDKITE", "CIRCLECI")):
            monkeypatch.delenv(name)
    token = id_token("pypi", repository="", iss="https://gitlab.com", project_path="me/sample")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("PYPI_ID_TOKEN", token)
    return token


def test_the_exchange_is_at_the_host_of_the_upload() -> None:
    assert audience_url(LEGACY) == "https://upload.pypi.org/_/oidc/audience"
    assert audience_url("http://localhost:3141/root/pypi/") == "http://localhost:3141/_/oidc/audience"


@pytest.mark.usefixtures("gitlab")
def test_a_look_asks_and_never_mints(server: ScriptedServer) -> None:
    server.answers(AUDIENCE)
    words = check_identity(f"{server.url}/legacy/")
    assert "exchanges the identity of https://gitlab.com (" in words
    assert "project_path me/sample" in words
    assert [(seen.method, seen.path) for seen in server.seen] == [("GET", "/_/oidc/audience")]


def test_a_token_is_kept_and_renewed_before_its_end(server: ScriptedServer, gitlab: str) -> None:
    hidden: list[str] = []
    tokens = MintedTokens(f"{server.url}/legacy/", "sample", hidden.append)
    first = minted("pypi-first", expires=int(time.time()) + 300)
    server.answers(AUDIENCE, first, AUDIENCE, minted("pypi-second"))
    assert [tokens.token(60.0), tokens.token(200.0)] == ["pypi-first", "pypi-first"]
    # The next upload may take longer than the rest of its life.
    assert [tokens.token(400.0), tokens.token(60.0)] == ["pypi-second", "pypi-second"]
    assert hidden == [gitlab, "pypi-first", gitlab, "pypi-second"]
    assert [json.loads(seen.body) for seen in server.seen if seen.method == "POST"] == [{"token": gitlab}] * 2


@pytest.mark.usefixtures("gitlab")
def test_an_upload_of_hours_gets_one_token(server: ScriptedServer) -> None:
    """No token lives that long, and one of GitLab's identities mints once."""
    tokens = MintedTokens(f"{server.url}/legacy/", "sample", lambda _: None)
    server.answers(AUDIENCE, minted("pypi-minted", expires=int(time.time()) + 900), Told(500))
    assert [tokens.token(10_000.0), tokens.token(10_000.0)] == ["pypi-minted", "pypi-minted"]


def test_no_index_makes_a_token_live_longer(server: ScriptedServer) -> None:
    server.answers(minted("pypi-minted", expires=int(time.time()) + 10**9))
    assert mint(f"{server.url}/legacy/", identity(), "sample").expires <= time.time() + 900


@pytest.mark.parametrize(
    ("upload_url", "page"),
    [
        (LEGACY, "https://pypi.org/manage/project/sample/settings/publishing/"),
        (TEST_LEGACY, "https://test.pypi.org/manage/project/sample/settings/publishing/"),
    ],
)
def test_an_unknown_publisher_is_shown_with_the_page(upload_url: str, page: str) -> None:
    errors = [{"code": "invalid-publisher", "description": "no corresponding publisher"}]
    failure = mint_failure(422, "POST answered 422.", {"errors": errors}, identity(), upload_url, "sample")
    assert isinstance(failure, PermanentError)
    assert "invalid-publisher: no corresponding publisher" in failure.problem
    assert "repository me/sample" in failure.problem
    assert "environment pypi" in failure.problem
    assert page in failure.remedy
    assert page.split("/manage")[0] + "/manage/account/publishing/" in failure.remedy


@pytest.mark.usefixtures("gitlab")
def test_a_second_exchange_says_that_the_job_must_run_again(server: ScriptedServer) -> None:
    used = {"errors": [{"code": "invalid-reuse-token", "description": "invalid token: already used"}]}
    server.answers(AUDIENCE, Told(422, json.dumps(used).encode()))
    tokens = MintedTokens(f"{server.url}/legacy/", "sample", lambda _: None)
    with pytest.raises(PermanentError, match="already used") as raised:
        tokens.token(60.0)
    assert (
        raised.value.remedy == "An ID token of this job mints once: run the job again, which gets a new one."
    )


def test_an_exchange_that_is_closed_for_now_is_retried() -> None:
    errors = [{"code": "not-enabled", "description": "GitHub trusted publishing functionality not enabled"}]
    failure = mint_failure(422, "POST answered 422.", {"errors": errors}, identity(), LEGACY, "sample")
    assert isinstance(failure, TransientError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_index_that_fails_is_asked_again(server: ScriptedServer, status: int) -> None:
    server.answers(Told(status, b"<html>busy</html>"))
    with pytest.raises(TransientError, match=f"answered {status}"):
        mint(f"{server.url}/legacy/", identity(), "sample")


@pytest.mark.parametrize(
    "answer",
    [
        Told(200, b"<html>"),
        Told(200, b"[1]"),
        Told(200, b'{"success": true}'),
        Told(200, b'{"token": 7}'),
        Told(200, b'{"token": ""}'),
        Told(200, json.dumps({"token": "pypi\r\nX-Header: 1"}).encode()),
        Told(200, json.dumps({"token": "x" * 70_000}).encode()),
        Told(200, b"[" * 100_000),
    ],
)  # fmt: skip
def test_an_answer_without_a_token_is_none(server: ScriptedServer, answer: Told) -> None:
    server.answers(answer)
    with pytest.raises(TransientError):
        mint(f"{server.url}/legacy/", identity(), "sample")


@pytest.mark.parametrize(
    "errors",
    [None, 7, "words", [7], [{}], [{"code": ["x"], "description": {"a": 1}}], [{"code": "x" * 10**6}]],
)
def test_hostile_errors_are_shown_short(errors: object) -> None:
    failure = mint_failure(422, "POST answered 422.", {"errors": errors}, identity(), LEGACY, "sample")
    assert isinstance(failure, ReleaseError)
    assert len(failure.problem) < 2000


def test_an_index_that_echoes_the_identity_shows_none(server: ScriptedServer) -> None:
    mine = identity()
    echoed = {
        "message": mine.token,
        "errors": [{"code": "invalid-token", "description": f"bad {mine.token}"}],
    }
    server.answers(Told(422, json.dumps(echoed).encode(), reason=f"No {mine.token}"))
    with pytest.raises(PermanentError) as raised:
        mint(f"{server.url}/legacy/", mine, "sample")
    assert mine.token not in str(raised.value)
    assert "invalid-token: bad ***" in raised.value.problem
    assert mine.token not in repr(mine)


def test_an_index_without_trusted_publishing_is_told(server: ScriptedServer) -> None:
    server.answers(Told(404))
    with pytest.raises(
        PermanentError, match=r"answered 404 .* The index has no trusted publishing"
    ) as raised:
        check_identity(f"{server.url}/legacy/")
    assert "use an API token" in raised.value.remedy


@pytest.mark.usefixtures("gitlab")
def test_a_gitlab_job_without_its_token_is_told_which(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYPI_ID_TOKEN")
    server.answers(AUDIENCE)
    with pytest.raises(PermanentError, match="PYPI_ID_TOKEN not found") as raised:
        check_identity(f"{server.url}/legacy/")
    assert "id_tokens: {PYPI_ID_TOKEN: {aud: pypi}}" in raised.value.remedy


@pytest.mark.usefixtures("gitlab")
def test_an_expired_identity_is_told_before_the_build(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYPI_ID_TOKEN", id_token("pypi", repository="", lifetime=-5))
    server.answers(AUDIENCE)
    with pytest.raises(PermanentError, match="has expired"):
        check_identity(f"{server.url}/legacy/")


@pytest.mark.usefixtures("gitlab")
def test_a_machine_without_an_identity_is_told_where_there_is_one(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITLAB_CI")
    monkeypatch.setattr("id._internal.oidc.ambient._GCP_PRODUCT_NAME_FILE", "/nowhere")
    server.answers(AUDIENCE)
    with pytest.raises(PermanentError, match="this machine has none") as raised:
        check_identity(f"{server.url}/legacy/")
    assert "permissions: {id-token: write}" in raised.value.remedy


@pytest.mark.parametrize("token", ["", "a.b", "a.!!!.c", "a." + "W1tb" * 50_000 + ".c", "a.WzFd.c"])
def test_a_token_that_cannot_be_read_claims_nothing(token: str) -> None:
    assert claims_of(token) == {}
    assert "no claims" in Identity(token, {}).words
