"""Judge failed builds, by the sentences of BuildKit and registries as they were reported in public."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from release_assets.destinations.buildx import INSTALL_QEMU, Failure, Progress, build_failure
from release_assets.destinations.buildx.push_refusal import judged_again, look_after
from release_assets.destinations.docker_credential import HOST, TOKEN, USERNAME
from release_assets.destinations.registry import Repository
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.unit.destinations.buildx_records import request

BUILD = "failed to build: failed to solve: "
LOADING = "[internal] load metadata for docker.io/library/python:3.12"
HUB = "https://registry-1.docker.io/v2/library/python/manifests/3.12"
PUSHING = "exporting to image"
DOCKER_PUSHES = "pushing registry.example/owner/name:1.2.3 with docker"
PUSH = f"{BUILD}failed to push registry.example/owner/name:1.2.3: "
URL = "https://registry.example/v2/owner/name/manifests/1.2.3"
BLOB = "https://registry.example/v2/owner/name/blobs/sha256:47289e83a07a72d51da5a8aa17e424eaf900f89d6df10d6a4"

DOCKERFILE = "Correct the Dockerfile"
LOGIN = "Check IMAGE_USER and IMAGE_TOKEN"
UNREACHABLE = "failed or is unreachable"


def error_of(step: str, said: str, *output: str, **changes: Any) -> ReleaseError:
    """Return the error for a build that failed so."""
    return build_failure(Failure(step, said, output), request(**changes))


def source(reference: str) -> str:
    """Return how BuildKit begins where it cannot pull what a Dockerfile names."""
    return f"{BUILD}{reference}: failed to resolve source metadata for docker.io/library/{reference}:latest: "


@pytest.mark.parametrize(
    "said",
    [
        "dockerfile parse error on line 3: unknown instruction: EOF",
        "dockerfile parse error on line 3: unknown instruction: TIMEOUT (did you mean ONBUILD?)",
        "dockerfile parse error on line 7: unknown instruction: 503",
        "dockerfile parse error on line 2: unknown flag: --denied",
        "dockerfile parse error on line 9: unterminated heredoc",
        "failed to read dockerfile: open connection-refused.Dockerfile: no such file or directory",
        "failed to create LLB definition: dockerfile parse error on line 3: unknown instruction: EOF",
        'failed to parse stage name "429 Too Many Requests": invalid reference format',
        'target stage "toomanyrequests: x" could not be found',
        "circular dependency detected on stage: unauthorized",
        "base name (${DENIED}) should not be blank",
        "rpc error: code = Unknown desc = dockerfile parse error on line 1: unknown instruction: EOF",
        "invalid user index: EOF",
    ],
)
def test_a_dockerfile_that_cannot_be_read_is_a_persons(said: str) -> None:
    for step in ("", "[internal] load build definition from Dockerfile"):
        error = error_of(step, BUILD + said)
        assert type(error) is PermanentError
        assert error.remedy.startswith(DOCKERFILE)


MISSING = "failed to compute cache key: failed to calculate checksum of ref pzhz5w::uydm9w: "


@pytest.mark.parametrize(
    "name",
    [
        "docker-timeout.conf",
        "certificate.pem",
        "x509: certificate.pem",
        "429",
        "503 Service Unavailable",
        "unexpected status from GET request to x: 503 Service Unavailable",
        "denied: requested access",
        "toomanyrequests: x",
        "connection reset by peer",
        "no space left on device",
        "EOF",
        "unexpected EOF",
        'say \\"EOF',
        "exec format error",
    ],
)
def test_the_name_of_a_missing_file_decides_nothing(name: str) -> None:
    for said in (
        f'{BUILD}{MISSING}"/{name}": not found',
        f'{MISSING}"/{name}": not found',
        f"{BUILD}failed to compute cache key: failed to walk /mnt/buildkit-mount1/{name}: lstat "
        f"/mnt/buildkit-mount1/{name}: no such file or directory",
    ):
        for step in (f"[build 3/4] COPY {name} .", ""):
            error = error_of(step, said)
            assert type(error) is PermanentError
            assert error.remedy.startswith(DOCKERFILE)


@pytest.mark.parametrize(
    "printed",
    [
        "curl: (56) Recv failure: Connection reset by peer",
        "error: connection reset",
        "503 Service Unavailable",
        "429 Too Many Requests - Server message: toomanyrequests: retry after 5 seconds",
        "denied: requested access to the resource is denied",
        "x509: certificate signed by unknown authority",
        "no space left on device",
        "/bin/sh: 1: ./tool: Exec format error",
        "OSError: [Errno 8] Exec format error: './tool'",
        "panic: fork/exec ./tool: exec format error",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
        "did not complete successfully: exit code: 137",
        "unexpected EOF",
    ],
)
@pytest.mark.parametrize("version", ["new", "old"])
def test_what_a_run_printed_or_ran_decides_nothing(printed: str, version: str) -> None:
    command = f"/bin/sh -c echo {json.dumps(json.dumps(printed))[1:-1]}; exit 1"
    said = {
        "new": f'{BUILD}process "{command}" did not complete successfully: exit code: 1',
        "old": f"{BUILD}executor failed running [/bin/sh -c echo '{printed}'; exit 1]: exit code: 1",
    }[version]
    for step in (f"[2/3] RUN echo '{printed}'; exit 1", ""):
        error = error_of(step, said, "first line", printed)
        assert type(error) is PermanentError
        assert error.remedy.startswith(DOCKERFILE)


def test_a_run_that_is_killed_is_told_by_its_own_status() -> None:
    said = f'{BUILD}process "/bin/sh -c make" did not complete successfully: exit code: 137'
    assert "takes too much memory" in error_of("[2/3] RUN make", said, "cc1plus").remedy


def test_a_run_in_which_qemu_crashes_needs_another_machine() -> None:
    said = f'{BUILD}process "/bin/sh -c make" did not complete successfully: exit code: 139'
    printed = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped"
    assert error_of("[2/3] RUN make", said, "cc", printed).remedy.startswith("QEMU crashed")


def test_a_login_that_is_refused_names_its_registry() -> None:
    said = f"{BUILD}failed to authorize: failed to fetch oauth token: denied: denied"
    step = "[auth] owner/name:pull,push token for ghcr.io"
    assert error_of(step, said, repository=Repository("ghcr.io", "owner/name")).remedy.startswith(LOGIN)
    assert "docker login ghcr.io" in error_of(step, said).remedy


@pytest.mark.parametrize(
    "printed",
    [
        "exec /bin/sh: exec format error",
        "standard_init_linux.go:228: exec user process caused: exec format error",
    ],
)
def test_a_run_that_the_kernel_cannot_start_needs_qemu(printed: str) -> None:
    said = f'{BUILD}process "/bin/sh -c uname" did not complete successfully: exit code: 255'
    assert error_of("[2/3] RUN uname", said, printed, "").remedy == INSTALL_QEMU
    # A program of the user's was started, and it was the one that failed.
    assert error_of("[2/3] RUN uname", said, "building", printed).remedy.startswith(DOCKERFILE)


@pytest.mark.parametrize(
    ("answer", "kind", "remedy"),
    [
        # ECR, Harbor, Artifact Registry, Docker Hub
        (
            f"unexpected status from PUT request to {URL}: 400 Bad Request\ntag invalid: The image tag "
            "'1.2.3' already exists in the 'owner/name' repository and cannot be overwritten because the "
            "repository is immutable.",
            ConflictError,
            "exempt it from immutability",
        ),
        (
            "tag invalid: The image tag '1.2.3' already exists in the 'owner/name' repository and cannot be "
            "overwritten because the repository is immutable.",
            ConflictError,
            "exempt it from immutability",
        ),
        (
            f"unexpected status from PUT request to {URL}: 412 Precondition Failed\nunknown: Failed to "
            "process request due to 'name:1.2.3' configured as immutable.",
            ConflictError,
            "exempt it from immutability",
        ),
        (
            "manifest invalid: cannot update tag 1.2.3. The repository has enabled tag immutability",
            ConflictError,
            "exempt it from immutability",
        ),
        ("denied: this tag is immutable", ConflictError, "exempt it from immutability"),
        # Harbor, Quay, Artifactory
        (
            "denied: adding 151.7 MiB of storage resource, which when updated to current usage of 100.0 GiB "
            "will exceed the configured upper limit of 100.0 GiB.",
            PermanentError,
            "is full",
        ),
        (
            f"unexpected status from PUT request to {BLOB}: 403 Forbidden\ndenied: Quota has been exceeded "
            "on namespace",
            PermanentError,
            "is full",
        ),
        (
            f"unexpected status from POST request to {BLOB}: 507 Insufficient Storage",
            PermanentError,
            "is full",
        ),
        ("denied: over the storage limit: 500 MB", PermanentError, "is full"),
        # nginx and Cloudflare before a registry
        (
            f"unexpected status from PATCH request to {BLOB}?_state=REDACTED: 413 Request Entity Too Large",
            PermanentError,
            "client_max_body_size",
        ),
        (
            "failed to copy: unexpected status: 413 Request Entity Too Large",
            PermanentError,
            "client_max_body",
        ),
        (
            "unknown: <html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>nginx",
            PermanentError,
            "client_max_body_size",
        ),
        (
            "error parsing HTTP 413 response body: invalid character '<' looking for beginning of value: "
            '"<html>\\r\\n<head><title>413 Request Entity Too Large</title></head>\\r\\n"',
            PermanentError,
            "client_max_body_size",
        ),
        # GHCR, Docker Hub, GitLab, any
        (f"unexpected status from HEAD request to {BLOB}: 403 Forbidden", PermanentError, LOGIN),
        (f"unexpected status from POST request to {BLOB}: 401 Unauthorized", PermanentError, LOGIN),
        ("denied: permission_denied: write_package", PermanentError, LOGIN),
        ("denied: installation not allowed to Create organization package", PermanentError, LOGIN),
        ("denied: requested access to the resource is denied", PermanentError, LOGIN),
        ("unauthorized: authentication required", PermanentError, LOGIN),
        ("server message: insufficient_scope: authorization failed", PermanentError, LOGIN),
        ("failed to authorize: no basic auth credentials", PermanentError, LOGIN),
        (
            "failed to authorize: failed to fetch oauth token: unexpected status from POST request to "
            "https://registry.example/token: 401 Unauthorized",
            PermanentError,
            LOGIN,
        ),
        # ECR makes no repository by itself
        (
            f"unexpected status from POST request to {BLOB}: 404 Not Found\nname unknown: The repository "
            "with name 'owner/name' does not exist in the registry with id '1'",
            PermanentError,
            "Create owner/name in registry.example first",
        ),
        # What passes
        (
            f"unexpected status from PUT request to {URL}: 503 Service Unavailable",
            TransientError,
            UNREACHABLE,
        ),
        ("received unexpected HTTP status: 502 Bad Gateway", TransientError, UNREACHABLE),
        (
            f"unexpected status from PUT request to {URL}: 500 Internal Server Error\nunknown: unknown error",
            TransientError,
            UNREACHABLE,
        ),
        ("failed to copy: unexpected EOF", TransientError, UNREACHABLE),
        (f'failed to copy: failed to do request: Put "{BLOB}": EOF', TransientError, UNREACHABLE),
        (
            f'failed to do request: Put "{BLOB}": write tcp 1->2: write: broken pipe',
            TransientError,
            UNREACHABLE,
        ),
        (
            f'failed to do request: Head "{BLOB}": read tcp 1->2: read: connection reset by peer',
            TransientError,
            UNREACHABLE,
        ),
        (
            f'failed to do request: Head "{BLOB}": net/http: TLS handshake timeout',
            TransientError,
            UNREACHABLE,
        ),
        (
            f'Get "{URL}": net/http: request canceled while waiting for connection (Client.Timeout exceeded '
            "while awaiting headers)",
            TransientError,
            UNREACHABLE,
        ),
        (
            f"unexpected status from PUT request to {URL}: 429 Too Many Requests\ntoomanyrequests: Rate "
            "exceeded for quota metric 'requests'",
            TransientError,
            "limits how often",
        ),
        ("toomanyrequests: Rate exceeded", TransientError, "limits how often"),
        # The engine
        (
            f'failed to do request: Head "{BLOB}": tls: failed to verify certificate: x509: certificate '
            "signed by unknown authority",
            PermanentError,
            "does not trust",
        ),
        (
            f'failed to do request: Head "{BLOB}": http: server gave HTTP response to HTTPS client',
            PermanentError,
            "does not trust",
        ),
        (
            "failed to copy: write /var/lib/buildkit/content/ingest/1/data: no space left on device",
            PermanentError,
            "docker buildx prune",
        ),
        (
            f"unknown: unexpected status from PUT request to {URL}: 500 Internal Server Error",
            TransientError,
            UNREACHABLE,
        ),
        ("failed to copy: io: read/write on closed pipe", TransientError, UNREACHABLE),
        (f'Put "{URL}": remote error: tls: internal error', TransientError, UNREACHABLE),
        ("content digest sha256:4728: not found", TransientError, UNREACHABLE),
        # Nothing that is known
        ("manifest invalid: manifest invalid", PermanentError, "say what it rejects"),
        (f"unexpected status from PUT request to {URL}: 409 Conflict", PermanentError, "say what it rejects"),
    ],
)
def test_a_push_is_judged_by_what_the_registry_answered(
    answer: str, kind: type[ReleaseError], remedy: str
) -> None:
    ours = Repository("registry.example", "owner/name")
    for step, said in ((PUSHING, PUSH + answer), (DOCKER_PUSHES, answer), ("", PUSH + answer)):
        error = error_of(step, said, repository=ours)
        assert (type(error), said in error.problem) == (kind, True)
        assert remedy in error.remedy


@pytest.mark.parametrize("name", ["owner/timeout", "denied/429", "503/eof", "quota/immutable", "o/x509"])
def test_a_repositorys_name_decides_nothing(name: str) -> None:
    host = "unauthorized.example:503"
    url = f"https://{host}/v2/{name}/manifests/toomanyrequests"
    for status, kind in (("403 Forbidden", PermanentError), ("500 Internal Server Error", TransientError)):
        said = (
            f"{BUILD}failed to push {host}/{name}:toomanyrequests: unexpected status from PUT request to "
            f"{url}: {status}"
        )
        error = error_of(PUSHING, said, repository=Repository(host, name))
        assert type(error) is kind
        assert kind is TransientError or error.remedy.startswith(LOGIN)


LIMIT = "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"


@pytest.mark.parametrize(
    ("answer", "kind", "remedy"),
    [
        ("docker.io/library/python:3.12: not found", PermanentError, "The base image is not there"),
        ("no match for platform in manifest: not found", PermanentError, "not made for this platform"),
        (
            "no match for platform in manifest sha256:47289e83a07a: not found",
            PermanentError,
            "not made for this platform",
        ),
        (
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed",
            PermanentError,
            "`docker login docker.io`",
        ),
        (
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
            "https://auth.docker.io/token?scope=x: 401 Unauthorized",
            PermanentError,
            "`docker login docker.io`",
        ),
        (
            f"failed to copy: httpReadSeeker: failed open: unexpected status from GET request to {HUB}: 429 "
            f"Too Many Requests\ntoomanyrequests: {LIMIT}",
            TransientError,
            "limits how often",
        ),
        (
            f"failed to copy: httpReadSeeker: failed open: unexpected status code {HUB}: 429 Too Many "
            f"Requests - Server message: toomanyrequests: {LIMIT}",
            TransientError,
            "limits how often",
        ),
        (
            f"unexpected status from HEAD request to {HUB}: 503 Service Unavailable",
            TransientError,
            UNREACHABLE,
        ),
        (
            f'failed to do request: Head "{HUB}": dial tcp: lookup registry-1.docker.io on 1.1.1.1:53: no '
            "such host",
            TransientError,
            UNREACHABLE,
        ),
        (
            f'failed to do request: Head "{HUB}": dial tcp 1.2.3.4:443: i/o timeout',
            TransientError,
            UNREACHABLE,
        ),
        ("failed to copy: httpReadSeeker: failed open: unexpected EOF", TransientError, UNREACHABLE),
        (
            f'failed to do request: Head "{HUB}": tls: failed to verify certificate: x509: certificate is '
            "valid for a.example, not b.example",
            PermanentError,
            "does not trust",
        ),
    ],
)
def test_a_pull_is_judged_by_what_the_registry_answered(
    answer: str, kind: type[ReleaseError], remedy: str
) -> None:
    said = (
        f"{BUILD}python:3.12: failed to resolve source metadata for docker.io/library/python:3.12: {answer}"
    )
    for step in (LOADING, "[build 1/4] FROM docker.io/library/python:3.12@sha256:4728", ""):
        error = error_of(step, said, repository=Repository("ghcr.io", "owner/name"))
        assert type(error) is kind
        assert remedy in error.remedy


@pytest.mark.parametrize("name", ["denied", "unauthorized", "toomanyrequests", "unknown", "timeout", "eof"])
def test_a_base_images_name_decides_nothing(name: str) -> None:
    missing = f"docker.io/library/{name}:latest: not found"
    for step in (f"[internal] load metadata for docker.io/library/{name}:latest", ""):
        error = error_of(step, source(name) + missing)
        assert type(error) is PermanentError
        assert error.remedy.startswith("The base image is not there")


def test_a_base_image_of_our_registry_is_pulled_with_our_login() -> None:
    answer = "pull access denied, repository does not exist or may require authorization"
    error = error_of(LOADING, source("python") + answer)  # the request pushes to docker.io
    assert error.remedy.startswith(LOGIN)
    assert "with the same login" in error.remedy


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        # The layers of a base image are pulled when a step needs them.
        (
            f"{BUILD}failed to compute cache key: failed to copy: httpReadSeeker: failed open: unexpected "
            f"status code {HUB}: 429 Too Many Requests - Server message: toomanyrequests: {LIMIT}",
            TransientError,
            "limits how often",
        ),
        (
            f"{BUILD}failed to compute cache key: failed to copy: read tcp 1->2: connection reset by peer",
            TransientError,
            UNREACHABLE,
        ),
        (f"{BUILD}failed to load cache key: invalid response status 404", PermanentError, DOCKERFILE),
        (f"{BUILD}failed to load cache key: invalid response status 503", TransientError, UNREACHABLE),
        (
            f'{BUILD}failed to load cache key: Get "https://example.org/certificate-denied": dial tcp: '
            "lookup example.org: no such host",
            TransientError,
            UNREACHABLE,
        ),
        (
            f"{BUILD}failed to copy files: copy file range failed: no space left on device",
            PermanentError,
            "docker buildx prune",
        ),
        (
            f"{BUILD}unable to find user denied: no matching entries in passwd file",
            PermanentError,
            DOCKERFILE,
        ),
        (f"{BUILD}can't find uid for user EOF: no such user: EOF", PermanentError, DOCKERFILE),
    ],
)
def test_a_step_is_judged_by_how_its_error_ends(said: str, kind: type[ReleaseError], remedy: str) -> None:
    error = error_of("[build 3/4] ADD https://example.org/toomanyrequests x", said)
    assert type(error) is kind
    assert remedy in error.remedy


@pytest.mark.parametrize(
    "said",
    [
        "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?",
        "failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
        "failed to solve: Unavailable: error reading from server: EOF",
        "failed to solve: Canceled: context canceled",
        "failed to solve: rpc error: code = Unavailable desc = transport is closing",
        "failed to build: failed to list workers: Unavailable: connection error: desc = error",
        "failed to dial gRPC: cannot connect to the Docker daemon",
        "http2: client connection lost",
    ],
)
def test_an_engine_that_is_lost_may_come_back(said: str) -> None:
    error = error_of("", said)
    assert type(error) is TransientError
    assert UNREACHABLE in error.remedy


def test_a_registrys_words_on_lines_of_their_own_are_read() -> None:
    """buildx writes `ERROR:` before the first line only; the registry's words are on the next."""
    answer = f"failed to push x/y:1: unexpected status from PUT request to {BLOB}: 403 Forbidden\n"
    answer += "denied: adding 1 MiB of storage resource will exceed the configured upper limit of 1 GiB."
    progress = Progress(lambda _: None)
    vertex = {"digest": "sha256:1", "name": PUSHING, "started": "2026-01-01T00:00:00Z"}
    done = {"completed": "2026-01-01T00:00:01Z", "error": answer}
    progress.line(json.dumps({"vertexes": [vertex | done]}))
    for line in f"ERROR: failed to build: failed to solve: {answer}".splitlines():
        progress.line(line)
    failure = progress.failure()
    assert failure is not None
    assert (failure.step, failure.said) == (PUSHING, f"failed to build: failed to solve: {answer}")
    assert "is full" in build_failure(failure, request()).remedy


def test_a_run_that_prints_a_registrys_error_is_the_runs() -> None:
    progress = Progress(lambda _: None)
    name = "[2/2] RUN docker push x"
    error = 'process "/bin/sh -c docker push x" did not complete successfully: exit code: 1'
    printed = base64.b64encode(b"denied: requested access to the resource is denied\n").decode()
    vertex = {"digest": "sha256:1", "name": name, "started": "2026-01-01T00:00:00Z"}
    progress.line(json.dumps({"vertexes": [vertex]}))
    progress.line(json.dumps({"logs": [{"vertex": "sha256:1", "stream": 2, "data": printed}]}))
    progress.line(json.dumps({"vertexes": [vertex | {"completed": "2026-01-01T00:00:01Z", "error": error}]}))
    progress.line(f"ERROR: failed to solve: {error}")
    failure = progress.failure()
    assert failure is not None
    assert failure.output == ["denied: requested access to the resource is denied"]
    assert build_failure(failure, request()).remedy.startswith(DOCKERFILE)


# A push that was refused without words


def asking(server: ScriptedServer, said: str, *answers: Told, step: str = PUSHING) -> ReleaseError | None:
    """Return how a failure is judged after the registry was asked; None where it was not."""
    server.answers(*answers)
    ours = Repository(server.url.removeprefix("http://"), "owner/name")
    wanted = request(repository=ours, tag="1.2.3")
    failure = Failure(step, said, [])
    env = {HOST: ours.credential_host, USERNAME: "maintainer", TOKEN: "s3cret"}
    look = look_after(failure, wanted, env)
    return judged_again(build_failure(failure, wanted), look, wanted) if look else None


ACCEPTED = Told(202, headers={"Location": "https://elsewhere.example/upload"})
MANIFEST = Told(200, b'{"mediaType": "application/vnd.oci.image.manifest.v1+json"}')
WORDLESS = f"{PUSH}unexpected status from PUT request to {URL}: 403 Forbidden"


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "409 Conflict", "412 Precondition"])
def test_a_tag_that_exists_is_named_where_we_may_push(server: ScriptedServer, status: str) -> None:
    error = asking(server, WORDLESS.replace("403 Forbidden", status), ACCEPTED, MANIFEST)
    assert type(error) is ConflictError
    assert "may push to" in error.problem
    assert error.problem.endswith("its tag 1.2.3 exists.")
    assert "immutability" in error.remedy


def test_a_full_storage_is_supposed_where_we_may_push(server: ScriptedServer) -> None:
    error = asking(server, WORDLESS, ACCEPTED, Told(404))
    assert type(error) is PermanentError
    assert error.problem.endswith("it has no tag 1.2.3 yet.")
    assert error.remedy.startswith("The storage is full")


def test_the_registrys_words_are_fetched_where_we_may_not_push(server: ScriptedServer) -> None:
    denied = b'{"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}'
    error = asking(server, WORDLESS, Told(403, denied))
    assert type(error) is PermanentError
    assert error.problem.startswith("building ")
    assert error.problem.endswith("403 Forbidden: DENIED: permission_denied: write_package")
    assert error.remedy.startswith(LOGIN)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (PUSHING, f"{WORDLESS}\ndenied: no"),
        (PUSHING, WORDLESS.replace("403 Forbidden", "401 Unauthorized")),
        (PUSHING, WORDLESS.replace("403 Forbidden", "503 Service Unavailable")),
        (LOADING, f"{BUILD}unexpected status from HEAD request to {HUB}: 403 Forbidden"),
        ("[2/3] RUN x", f'{BUILD}process "x: 403 Forbidden" did not complete successfully: exit code: 1'),
    ],
)
def test_no_registry_is_asked_after_other_failures(server: ScriptedServer, step: str, said: str) -> None:
    assert asking(server, said, ACCEPTED, step=step) is None
    assert server.seen == []


def test_a_registry_that_does_not_answer_changes_nothing(server: ScriptedServer) -> None:
    assert asking(server, WORDLESS, Told(503)) is None
