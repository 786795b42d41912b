"""The registry's client: the pure parts, a real registry, and a server that misbehaves in each way."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from release_assets.destinations.bounds import BOUNDS
from release_assets.destinations.registry import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
    Repository,
    index_of,
    normal_platform,
    parse_repository,
    platform_images,
    platforms_differ,
)
from release_assets.errors import PermanentError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told

LIMIT = BOUNDS.registry_bytes
USERNAME_ENV, TOKEN_ENV = "IMAGE_USER", "IMAGE_TOKEN"


def client(host: str, name: str, username: str | None = None, token: str | None = None) -> Registry:
    """A client of a repository."""
    return Registry(
        Repository(host, name),
        username=username,
        token=token,
        username_env=USERNAME_ENV,
        token_env=TOKEN_ENV,
    )


def digest_of(content: bytes) -> str:
    """The digest that registries use."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def as_json(content: Any) -> bytes:
    """Some JSON, always the same for the same content."""
    return json.dumps(content).encode()


# Names


@pytest.mark.parametrize(
    ("text", "host", "name", "api"),
    [
        ("crawl4ai", "docker.io", "library/crawl4ai", "https://registry-1.docker.io"),
        ("unclecode/crawl4ai", "docker.io", "unclecode/crawl4ai", "https://registry-1.docker.io"),
        ("docker.io/python", "docker.io", "library/python", "https://registry-1.docker.io"),
        ("index.docker.io/owner/name", "docker.io", "owner/name", "https://registry-1.docker.io"),
        ("ghcr.io/owner/name", "ghcr.io", "owner/name", "https://ghcr.io"),
        ("ghcr.io/owner/deep/er__name", "ghcr.io", "owner/deep/er__name", "https://ghcr.io"),
        ("localhost/name", "localhost", "name", "http://localhost"),
        ("localhost:5000/name", "localhost:5000", "name", "http://localhost:5000"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "http://127.0.0.1:5000"),
        ("127.9.9.9/b", "127.9.9.9", "b", "http://127.9.9.9"),
        ("[::1]:5000/b", "[::1]:5000", "b", "http://[::1]:5000"),
        ("registry:5000/b", "registry:5000", "b", "https://registry:5000"),
        ("10.0.0.1:5000/b", "10.0.0.1:5000", "b", "https://10.0.0.1:5000"),
        ("localhost.example.com/b", "localhost.example.com", "b", "https://localhost.example.com"),
    ],
)
def test_a_repository_is_named_by_dockers_rules(text: str, host: str, name: str, api: str) -> None:
    repository = parse_repository(text)
    assert (repository.host, repository.name, repository.api_url) == (host, name, api)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("docker.io/owner/name:1.2", "it names a tag"),
        ("name:1.2", "it names a tag"),
        ("localhost:5000/name:1.2", "it names a tag"),
        (f"ghcr.io/owner/name@sha256:{'0' * 64}", "it names a digest"),
        (f"ghcr.io/owner/name:1@sha256:{'0' * 64}", "it names a digest"),
        ("ghcr.io/Owner/name", "it has upper case in its name"),
        ("owner/Name", "it has upper case in its name"),
        ("https://ghcr.io/owner/name", "is not an image repository"),
        ("ghcr.io/owner//name", "is not an image repository"),
        ("ghcr.io/../name", "is not an image repository"),
        ("ghcr.io/", "is not an image repository"),
        ("ghcr.io/-name", "is not an image repository"),
        ("gh cr.io/name", "is not an image repository"),
        ("owner/name,mode=max", "is not an image repository"),
        ("owner/name\n", "is not an image repository"),
        ("", "is not an image repository"),
        (f"ghcr.io/{'a' * 256}", "is not an image repository"),
    ],
)
def test_what_is_no_repository_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(PermanentError) as raised:
        parse_repository(text)
    assert why in raised.value.problem
    assert "such as docker.io/owner/name" in raised.value.remedy


def test_references_are_written_as_docker_takes_them() -> None:
    repository = parse_repository("owner/name")
    assert repository.reference("1.2.3") == "docker.io/owner/name:1.2.3"
    assert repository.reference("sha256:00") == "docker.io/owner/name@sha256:00"


def test_only_the_yaml_allows_a_registry_without_tls() -> None:
    assert Repository("registry.example:5000", "o/n").api_url == "https://registry.example:5000"
    assert Repository("registry.example:5000", "o/n", True).api_url == "http://registry.example:5000"


def test_docker_hubs_credentials_have_a_name_of_their_own() -> None:
    assert parse_repository("owner/name").credential_host == "https://index.docker.io/v1/"
    assert parse_repository("localhost:5000/name").credential_host == "localhost:5000"


# Platforms and indexes


def image(platform: str, media_type: str = OCI_MANIFEST) -> Manifest:
    """An image's manifest, another for each platform."""
    return Manifest(as_json({"mediaType": media_type, "config": {"for": platform}, "layers": []}), media_type)


def entry(digest: str, platform: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> Any:
    """Return the entry of an index for one manifest."""
    described = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 7, "platform": platform}
    return described | ({"annotations": annotations} if annotations else {})


def attested(platform: str) -> Manifest:
    """An image as BuildKit pushes it: an index of the image and its provenance."""
    system, architecture = platform.split("/")
    own = digest_of(platform.encode())
    marks = {"vnd.docker.reference.digest": own, "vnd.docker.reference.type": "attestation-manifest"}
    children = [
        entry(own, {"os": system, "architecture": architecture}),
        entry(
            digest_of(b"provenance" + platform.encode()), {"os": "unknown", "architecture": "unknown"}, marks
        ),
    ]
    return Manifest(as_json({"mediaType": OCI_INDEX, "manifests": children}), OCI_INDEX)


@pytest.mark.parametrize(
    ("platform", "same"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
    ],
)
def test_a_platform_has_one_name(platform: str, same: str) -> None:
    assert normal_platform(platform) == same


def test_the_images_of_an_index_are_those_that_run() -> None:
    assert platform_images(attested("linux/amd64")) == {"linux/amd64": digest_of(b"linux/amd64")}


def test_an_index_of_bare_images_declares_their_platforms() -> None:
    amd64, arm = image("linux/amd64"), image("linux/arm/v7", DOCKER_MANIFEST)
    joined = index_of({"linux/amd64": amd64, "linux/arm/v7": arm})
    assert joined.media_type == OCI_INDEX
    assert joined.parsed()["manifests"] == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": amd64.digest,
            "size": len(amd64.body),
            "platform": {"os": "linux", "architecture": "amd64"},
        },
        {
            "mediaType": DOCKER_MANIFEST,
            "digest": arm.digest,
            "size": len(arm.body),
            "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
        },
    ]


def test_attestations_of_flattened_images_follow_them() -> None:
    joined = index_of({platform: attested(platform) for platform in ("linux/arm64", "linux/amd64")})
    assert list(platform_images(joined)) == ["linux/arm64", "linux/amd64"]
    assert [child["platform"]["os"] for child in joined.parsed()["manifests"]] == [
        "linux",
        "linux",
        "unknown",
        "unknown",
    ]
    assert platforms_differ(joined, ["linux/amd64", "linux/arm64/v8"]) is None


def test_the_same_images_make_the_same_index() -> None:
    children = {"linux/amd64": attested("linux/amd64"), "linux/arm64": image("linux/arm64")}
    assert index_of(children).digest == index_of(dict(children)).digest


def test_an_image_of_another_platform_is_never_joined() -> None:
    with pytest.raises(PermanentError) as raised:
        index_of({"linux/amd64": attested("linux/amd64"), "linux/arm64": attested("linux/amd64")})
    assert "should be for linux/arm64 alone (missing: linux/arm64; not declared: linux/amd64)" in str(
        raised.value
    )
    assert raised.value.remedy == "Materialize the image of linux/arm64 again."


def test_a_platform_that_is_missing_or_too_much_is_named() -> None:
    joined = index_of({platform: attested(platform) for platform in ("linux/amd64", "linux/s390x")})
    assert (
        platforms_differ(joined, ["linux/amd64", "linux/arm64"])
        == "missing: linux/arm64; not declared: linux/s390x"
    )


def test_an_image_for_no_known_platform_counts_as_too_much() -> None:
    joined = Manifest(as_json({"manifests": [entry(digest_of(b"?"), {})]}), OCI_INDEX)
    assert platforms_differ(joined, ["linux/amd64"]) == "missing: linux/amd64; not declared: unknown/unknown"


def test_two_images_for_one_platform_are_refused() -> None:
    platform = {"os": "linux", "architecture": "arm64"}
    twice = [entry(digest_of(b"1"), platform), entry(digest_of(b"2"), {**platform, "variant": "v8"})]
    with pytest.raises(PermanentError, match="two images for linux/arm64"):
        platform_images(Manifest(as_json({"manifests": twice}), OCI_INDEX))


@pytest.mark.parametrize(
    "content",
    [
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        as_json({"manifests": 5}),
        as_json({"manifests": [5]}),
        as_json({"manifests": [{"platform": {}}]}),
        as_json({"manifests": [{"digest": "../../etc/passwd"}]}),
        as_json({"manifests": [{"digest": digest_of(b""), "platform": "linux"}]}),
    ],
    ids=["text", "list", "deep", "number", "numbers", "no digest", "no such digest", "no such platform"],
)
def test_an_index_that_makes_no_sense_is_no_answer(content: bytes) -> None:
    with pytest.raises(TransientError):
        platform_images(Manifest(content, OCI_INDEX))


# A real registry


# A server that misbehaves


def scripted(server: ScriptedServer) -> Registry:
    """A client of a repository on the scripted server."""
    return client(server.url.removeprefix("http://"), "owner/name", "maintainer", "s3cret")


def challenge(server: ScriptedServer, realm: str = "") -> Told:
    """401, as Docker Hub asks for a token."""
    asks = f'Bearer realm="{realm or server.url + "/token"}",service="registry.example",scope="x"'
    return Told(401, headers={"WWW-Authenticate": asks})


INDEX = index_of({"linux/amd64": image("linux/amd64")})
GOOD = Told(200, INDEX.body, {"Content-Type": OCI_INDEX, "Docker-Content-Digest": INDEX.digest})


def test_a_token_is_fetched_with_the_credentials_and_kept(server: ScriptedServer) -> None:
    server.answers(challenge(server), Told(200, as_json({"token": "short-lived"})), GOOD)
    ours = scripted(server)
    for _ in range(2):
        read = ours.manifest("1.2.3")
        assert read is not None
        assert read.digest == INDEX.digest
    first, token, second, third = server.seen
    assert "authorization" not in first.headers
    assert token.path == "/token?service=registry.example&scope=repository%3Aowner%2Fname%3Apull%2Cpush"
    assert token.headers["authorization"] == "Basic " + base64.b64encode(b"maintainer:s3cret").decode()
    assert second.headers["authorization"] == third.headers["authorization"] == "Bearer short-lived"


def test_a_token_that_has_expired_is_fetched_again(server: ScriptedServer) -> None:
    first, second = (Told(200, as_json({"access_token": name})) for name in ("first", "second"))
    server.answers(challenge(server), first, GOOD, challenge(server), second, GOOD)
    ours = scripted(server)
    assert ours.manifest("1") is not None
    assert ours.manifest("2") is not None
    assert server.seen[-1].headers["authorization"] == "Bearer second"


def test_nobody_asks_to_pull_only(server: ScriptedServer) -> None:
    server.answers(challenge(server), Told(200, as_json({"token": "anybody's"})), GOOD)
    assert client(server.url.removeprefix("http://"), "owner/name").manifest("1.2.3") is not None
    assert server.seen[1].path.endswith("%3Apull")
    assert "authorization" not in server.seen[1].headers


def test_a_token_server_that_refuses_names_the_variables(server: ScriptedServer) -> None:
    server.answers(challenge(server), Told(401, b'{"details": "incorrect username or password"}'))
    with pytest.raises(PermanentError) as raised:
        scripted(server).manifest("1.2.3")
    assert "/token answered 401" in raised.value.problem
    assert "incorrect username or password" in raised.value.problem
    assert "IMAGE_USER and IMAGE_TOKEN" in raised.value.remedy


@pytest.mark.parametrize("realm", ["http://auth.example/token", "ftp://localhost/token", "http://["])
def test_credentials_do_not_follow_the_registry_elsewhere(server: ScriptedServer, realm: str) -> None:
    server.answers(challenge(server, realm))
    with pytest.raises(PermanentError, match="as the place for a token, which is not https"):
        scripted(server).manifest("1.2.3")
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"token": 5}', b'{"token": null}'])
def test_a_token_server_that_answers_no_token(server: ScriptedServer, body: bytes) -> None:
    server.answers(challenge(server), Told(200, body))
    with pytest.raises(TransientError, match="answered no token"):
        scripted(server).manifest("1.2.3")


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (Told(503, b"<html>maintenance</html>"), TransientError, "answered 503 Service Unavailable"),
        (Told(500), TransientError, "answered 500"),
        (
            Told(429, headers={"Retry-After": "17"}),
            TransientError,
            "answered 429 Too Many Requests",
        ),
        (Told(403, as_json({"errors": [{"code": "DENIED"}]})), PermanentError, "403 Forbidden: DENIED"),
        (Told(400), PermanentError, "answered 400"),
        (Told(200, b"<html>a proxy says hello</html>"), TransientError, "that is not a manifest: no JSON"),
        (
            Told(200, b"{}", {"Content-Type": "text/html"}),
            TransientError,
            "not a manifest: text/html",
        ),
        (Told(200, as_json({"mediaType": 5})), TransientError, "that is not a manifest: 5"),
        (
            Told(200, b"x" * (LIMIT + 1)),
            TransientError,
            f"more than {LIMIT} bytes",
        ),
        (Told(200, INDEX.body, length=len(INDEX.body) + 5), TransientError, "failed"),
    ],
    ids=[
        "failing",
        "broken",
        "busy",
        "forbidden",
        "refused",
        "HTML",
        "type-of-HTML",
        "no-type",
        "huge",
        "cut-short",
    ],
)
def test_an_answer_that_is_no_manifest(
    server: ScriptedServer, told: Told, kind: type[Exception], words: str
) -> None:
    server.answers(told)
    with pytest.raises(kind) as raised:
        scripted(server).manifest("1.2.3")
    assert words in str(raised.value)
    assert f"{server.url}/v2/owner/name/manifests/1.2.3" in str(raised.value)


def test_other_bytes_than_were_promised_are_not_taken(server: ScriptedServer) -> None:
    server.answers(Told(200, INDEX.body + b" ", GOOD.headers))
    with pytest.raises(TransientError, match="answered bytes with digest"):
        scripted(server).manifest("1.2.3")
    server.answers(Told(200, INDEX.body, {"Content-Type": OCI_INDEX}))
    with pytest.raises(TransientError, match="answered bytes with digest"):
        scripted(server).manifest(digest_of(b"asked for"))
    with pytest.raises(TransientError, match="answered bytes with digest"):
        scripted(server).blob(digest_of(b"asked for"))


def test_a_server_that_is_gone_is_named() -> None:
    with pytest.raises(TransientError) as raised:
        client("127.0.0.1:9", "owner/name").manifest("1.2.3")
    assert "http://127.0.0.1:9/v2/owner/name/manifests/1.2.3" in raised.value.problem


def test_a_redirect_to_the_storage_takes_no_credentials_along(server: ScriptedServer) -> None:
    storage = server.url.replace("127.0.0.1", "localhost")
    content = b"config"
    server.answers(
        Told(401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
        Told(307, headers={"Location": f"{storage}/bucket/key?signature=abc"}),
        Told(200, content),
    )
    assert scripted(server).blob(digest_of(content)) == content
    assert "authorization" in server.seen[1].headers
    assert server.seen[2].path == "/bucket/key?signature=abc"
    assert "authorization" not in server.seen[2].headers


def test_a_storage_that_fails_does_not_show_the_signature(server: ScriptedServer) -> None:
    storage = server.url.replace("127.0.0.1", "localhost")
    server.answers(
        Told(307, headers={"Location": f"{storage}/bucket/key?signature=abc"}),
        Told(200, b"x" * (LIMIT + 1)),
    )
    with pytest.raises(TransientError) as raised:
        scripted(server).blob(digest_of(b""))
    assert f"{storage}/bucket/key answered with more than" in raised.value.problem
    assert "signature" not in str(raised.value)


@pytest.mark.parametrize("location", ["http://storage.example/key", "file:///etc/passwd"])
def test_a_redirect_that_is_not_https_is_not_followed(server: ScriptedServer, location: str) -> None:
    server.answers(Told(307, headers={"Location": location}))
    with pytest.raises(PermanentError, match="which is not https and not followed"):
        scripted(server).blob(digest_of(b""))
    assert len(server.seen) == 1


def test_redirects_come_to_an_end(server: ScriptedServer) -> None:
    server.answers(Told(307, headers={"Location": f"{server.url}/again"}))
    with pytest.raises(PermanentError, match="answered 307"):
        scripted(server).blob(digest_of(b""))
    assert len(server.seen) == 6


def test_tags_are_read_page_by_page_from_the_same_registry(server: ScriptedServer) -> None:
    server.answers(
        Told(
            200, as_json({"tags": ["1.0.0"]}), {"Link": '<https://else.example/x?n=1&last=1.0.0>; rel="next"'}
        ),
        Told(200, as_json({"tags": ["1.1.0"]}), {"Link": "</v2/owner/name/tags/list?last=1.1.0>; rel=next"}),
        Told(200, as_json({"tags": None})),
    )
    assert scripted(server).tags() == {"1.0.0", "1.1.0"}
    assert [seen.path for seen in server.seen] == [
        "/v2/owner/name/tags/list?n=1000",
        "/v2/owner/name/tags/list?n=1&last=1.0.0",
        "/v2/owner/name/tags/list?last=1.1.0",
    ]


def test_tags_without_an_end_are_given_up(server: ScriptedServer) -> None:
    server.answers(Told(200, as_json({"tags": ["1"]}), {"Link": '<?last=1>; rel="next"'}))
    with pytest.raises(PermanentError, match="lists tags without an end"):
        scripted(server).tags()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags": "latest"}', b'{"tags": {"latest": 1}}'])
def test_tags_that_are_no_list_are_no_empty_list(server: ScriptedServer, body: bytes) -> None:
    server.answers(Told(200, body))
    with pytest.raises(TransientError, match="not a list of tags"):
        scripted(server).tags()


def test_an_upload_on_another_server_is_not_cancelled(server: ScriptedServer) -> None:
    server.answers(Told(202, headers={"Location": "https://else.example/upload"}))
    scripted(server).check_access()
    assert [seen.method for seen in server.seen] == ["POST"]


def test_an_upload_that_cannot_be_cancelled_is_left_alone(server: ScriptedServer) -> None:
    server.answers(Told(202, headers={"Location": "/v2/owner/name/blobs/uploads/1"}), Told(405))
    scripted(server).check_access()
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("POST", "/v2/owner/name/blobs/uploads/"),
        ("DELETE", "/v2/owner/name/blobs/uploads/1"),
    ]


def test_a_reader_may_not_push(server: ScriptedServer) -> None:
    refusal = as_json({"errors": [{"code": "DENIED", "message": "requested access is denied"}]})
    server.answers(Told(403, refusal))
    with pytest.raises(PermanentError) as raised:
        scripted(server).check_access()
    assert "answered 403 Forbidden: DENIED: requested access is denied" in raised.value.problem
    assert "IMAGE_USER and IMAGE_TOKEN" in raised.value.remedy


def test_a_token_that_may_pull_and_not_push_is_refused(server: ScriptedServer) -> None:
    """A token server grants what it likes of the scope, and says 200; the registry refuses the rest."""
    asks = f'Bearer realm="{server.url}/token",service="registry.example",scope="repository:owner/name:pull"'
    denied = as_json(
        {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}
    )
    server.answers(
        challenge(server),
        Told(200, as_json({"token": "for-pulling-only"})),
        Told(401, denied, {"WWW-Authenticate": f'{asks},error="insufficient_scope"'}),
    )
    with pytest.raises(PermanentError) as raised:
        scripted(server).check_access()
    post, token, again = server.seen
    assert (post.method, token.method, again.method) == ("POST", "GET", "POST")
    assert "scope=repository%3Aowner%2Fname%3Apull%2Cpush" in token.path
    assert again.headers["authorization"] == "Bearer for-pulling-only"
    assert "answered 401 Unauthorized: DENIED: requested access" in raised.value.problem
    assert "must be allowed to pull and push" in raised.value.remedy
    assert "for-pulling-only" not in str(raised.value)
