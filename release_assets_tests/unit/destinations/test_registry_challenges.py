"""WWW-Authenticate as registries write it: parsed, and answered with the credentials that fit."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler

import pytest

from release_assets.destinations.registry import OCI_INDEX, Manifest, Registry, Repository
from release_assets.destinations.registry.challenges import Challenge, parse_challenges
from release_assets.errors import PermanentError
from release_assets_tests.scripted_server import ScriptedServer, Told

BASIC = Challenge("basic", {"realm": "Gitea"})
BEARER = Challenge("bearer", {"realm": "https://g/v2/token", "service": "reg", "scope": "*"})
AS_BEARER = 'Bearer realm="https://g/v2/token",service="reg",scope="*"'


@pytest.mark.parametrize(
    ("field", "challenges"),
    [
        (AS_BEARER, [BEARER]),
        (f'{AS_BEARER}, Basic realm="Gitea"', [BEARER, BASIC]),
        (f'Basic realm="Gitea",{AS_BEARER}', [BASIC, BEARER]),
        (f'bAsIc REALM="Gitea" ,, , {AS_BEARER.replace("Bearer", "BEARER")},', [BASIC, BEARER]),
        ('Bearer  realm = "https://g/v2/token" , service\t=\treg, scope="*"', [BEARER]),
        ("Bearer realm=https://g/v2/token,service=reg,scope=*", [BEARER]),
        (
            r'Bearer realm="https://g/?a=1,2",service="a \"b\", \\c",scope="repository:o/n:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://g/?a=1,2",
                        "service": r'a "b", \c',
                        "scope": "repository:o/n:pull,push",
                    },
                )
            ],
        ),
        ('Negotiate, Basic realm="Gitea"', [Challenge("negotiate", {}), BASIC]),
        ('Negotiate YIIB/w+t-._~==, Basic realm="Gitea"', [Challenge("negotiate", {}), BASIC]),
        ('NTLM TlRM=, Basic realm="Gitea"', [Challenge("ntlm", {}), BASIC]),
        (
            'Digest realm="a, Bearer b", nonce="x=", qop="auth,auth-int", Basic realm="Gitea"',
            [Challenge("digest", {"realm": "a, Bearer b", "nonce": "x=", "qop": "auth,auth-int"}), BASIC],
        ),
        ('Basic realm="Gitea", realm="second"', [BASIC]),
        ("Basic", [Challenge("basic", {})]),
        ('Bearer realm="", service=""', [Challenge("bearer", {"realm": "", "service": ""})]),
        ('Bearer realm="without an end', [Challenge("bearer", {})]),
        ('realm="of nobody"', []),
        ('"quoted", Basic realm="Gitea"', [BASIC]),
        ("=, ;, Basic", [Challenge("basic", {})]),
        ("", []),
    ],
)
def test_challenges_are_told_from_their_parameters(field: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(field) == challenges


INDEX = Manifest(json.dumps({"mediaType": OCI_INDEX, "manifests": []}).encode(), OCI_INDEX)
GOOD = Told(200, INDEX.body, {"Content-Type": OCI_INDEX})
TOKEN = Told(200, b'{"token": "issued"}')
LOGIN = "Basic " + base64.b64encode(b"maintainer:s3cret").decode()


def client(server: ScriptedServer, *, login: bool = True) -> Registry:
    """Return a client of a repository on the scripted server."""
    return Registry(
        Repository(server.url.removeprefix("http://"), "owner/name"),
        username="maintainer" if login else None,
        token="s3cret" if login else None,
        username_env="IMAGE_USER",
        token_env="IMAGE_TOKEN",
    )


def challenged(*fields: str) -> Told:
    """Return a 401 with all challenges in one field."""
    return Told(401, headers={"WWW-Authenticate": ", ".join(fields)})


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("as_fields", [1, 2])
def test_bearer_is_preferred_in_any_order(server: ScriptedServer, order: int, as_fields: int) -> None:
    """Gitea offers both, in one field or in two."""
    offered = [f'Bearer realm="{server.url}/token",service="reg"', 'Basic realm="Gitea"'][::order]

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(401)
        for field in offered if as_fields == 2 else [", ".join(offered)]:
            handler.send_header("WWW-Authenticate", field)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answers(refuse, TOKEN, GOOD)
    assert client(server).manifest("1") == INDEX
    assert [seen.headers.get("authorization") for seen in server.seen] == [None, LOGIN, "Bearer issued"]
    assert server.seen[1].path == "/token?service=reg&scope=repository%3Aowner%2Fname%3Apull%2Cpush"


@pytest.mark.parametrize(
    ("realm", "path"),
    [("/v2/token", "/v2/token"), ("/token?a=b", "/token"), ("token", "/v2/owner/name/manifests/token")],
)
def test_a_relative_realm_is_on_the_registry(server: ScriptedServer, realm: str, path: str) -> None:
    server.answers(challenged(f'Bearer realm="{realm}"'), TOKEN, GOOD)
    assert client(server).manifest("1") == INDEX
    asked, _, query = server.seen[1].path.partition("?")
    assert asked == path
    assert query.endswith("scope=repository%3Aowner%2Fname%3Apull%2Cpush")
    assert "service" not in query
    assert query.startswith("a=b&") == ("?" in realm)


def test_unknown_schemes_are_passed_over(server: ScriptedServer) -> None:
    server.answers(challenged("Negotiate", "NTLM TlRM=", 'basic realm="x"'), GOOD)
    assert client(server).manifest("1") == INDEX
    assert server.seen[1].headers["authorization"] == LOGIN


def test_basic_serves_where_a_realm_cannot_be_used(server: ScriptedServer) -> None:
    """A registry behind a proxy names itself without TLS; the credentials go to the registry itself."""
    server.answers(challenged('Bearer realm="http://g.example/token"', 'Basic realm="x"'), GOOD)
    assert client(server).manifest("1") == INDEX
    assert server.seen[1].headers["authorization"] == LOGIN


def test_nobody_uses_bearer_where_basic_is_offered_too(server: ScriptedServer) -> None:
    server.answers(challenged('Basic realm="x"', f'Bearer realm="{server.url}/token"'), TOKEN, GOOD)
    assert client(server, login=False).manifest("1") == INDEX
    assert "authorization" not in server.seen[1].headers


@pytest.mark.parametrize(
    ("offered", "problem"),
    [
        ("Negotiate, NTLM", "offers only negotiate, ntlm to authenticate"),
        ('Bearer service="x"', "names '' as the place for a token"),
        ('Bearer realm="http://g.example/token"', "names 'http://g.example/token' as the place for a token"),
        ('"?"', "answered 401"),
    ],
)
def test_a_challenge_nobody_can_meet_is_named(server: ScriptedServer, offered: str, problem: str) -> None:
    server.answers(challenged(offered))
    with pytest.raises(PermanentError) as raised:
        client(server).manifest("1")
    assert problem in raised.value.problem
    assert all("authorization" not in seen.headers for seen in server.seen)
