"""Stands in for Warehouse in front of devpi: mints tokens, and keeps and serves attestations.

And for the identity of a GitHub job: the address from which a job gets its ID tokens.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.sandbox.package_index import PackageIndexes

JSON = {"Content-Type": "application/json"}
Answer = tuple[int, dict[str, str], bytes]


def id_token(audience: str, *, repository: str, lifetime: float = 300, **claims: Any) -> str:
    """A GitHub job's ID token; its signature is none, and nobody here looks at it."""
    now = int(time.time())
    workflow = f"{repository}/.github/workflows/release.yml@refs/tags/v1.2.3"
    content = {
        "iss": "https://token.actions.githubusercontent.com", "aud": audience, "jti": secrets.token_hex(8),
        "iat": now, "nbf": now - 5, "exp": int(now + lifetime), "sub": f"repo:{repository}:environment:pypi",
        "repository": repository, "ref": "refs/tags/v1.2.3", "sha": "a" * 40, "environment": "pypi",
        "workflow_ref": workflow, "job_workflow_ref": workflow, **claims,
    }  # fmt: skip
    parts = [{"alg": "RS256", "typ": "JWT"}, content]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(32)])


@dataclass
class Warehouse:
    """The stand-in. A test registers a publisher, and may let attestations get lost."""

    indexes: PackageIndexes
    url: str = ""
    repository: str = "maintainer/sample"  # of the job whose identity it is
    publishers: set[str] = field(default_factory=set)  # repositories
    loses_attestations: bool = False
    job_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    identities: list[str] = field(default_factory=list)  # all that a job got
    minted: dict[str, float] = field(default_factory=dict)  # tokens and their ends
    used: set[str] = field(default_factory=set)  # the `jti` of the identities that have minted
    attestations: dict[str, list[Any]] = field(default_factory=dict)  # by file name
    said: list[str] = field(default_factory=list)  # the requests

    @property
    def index(self) -> dict[str, str]:
        """The index as defs.yaml has it."""
        return {name: self._here(url) for name, url in vars(self.indexes.index).items()}

    @property
    def github_job(self) -> dict[str, str]:
        """The variables of a GitHub job with `id-token: write`."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/job/identity?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.job_token,
        }

    @property
    def secrets(self) -> list[str]:
        """Return the values that nobody may see."""
        return [self.job_token, *self.identities, *self.minted]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.said.append(f"{method} {urlsplit(path).path}")
        if path == "/_/oidc/audience":
            return 200, JSON, b'{"audience": "pypi"}'
        if path == "/_/oidc/mint-token":
            return self._mint(json.loads(body)["token"])
        if path.startswith("/job/identity"):
            if headers.get("authorization") != f"bearer {self.job_token}":
                return 401, JSON, b"{}"
            audience = parse_qs(urlsplit(path).query)["audience"][0]
            self.identities.append(id_token(audience, repository=self.repository))
            return 200, JSON, json.dumps({"value": self.identities[-1]}).encode()
        if match := re.fullmatch(r"/integrity/[^/]+/[^/]+/([^/]+)/provenance", path):
            return self._provenance(match[1])
        return self._forwarded(method, path, headers, body)

    def _mint(self, token: str) -> Answer:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        refused = None
        if claims["jti"] in self.used:
            refused = "invalid-reuse-token", "invalid token: already used"
        elif claims["repository"] not in self.publishers:
            refused = "invalid-publisher", "valid token, but no corresponding publisher"
        if refused:
            errors = [dict(zip(("code", "description"), refused, strict=True))]
            return 422, JSON, json.dumps({"message": "Token request failed", "errors": errors}).encode()
        self.used.add(claims["jti"])
        minted = f"pypi-{secrets.token_urlsafe(32)}"
        self.minted[minted] = time.time() + 900
        return (
            200,
            JSON,
            json.dumps({"success": True, "token": minted, "expires": int(time.time() + 900)}).encode(),
        )

    def _provenance(self, filename: str) -> Answer:
        if filename not in self.attestations:
            return 404, JSON, b'{"message": "Not Found"}'
        publisher = {
            "kind": "GitHub", "repository": self.repository, "workflow": "release.yml", "environment": "pypi",
        }  # fmt: skip
        bundle = {"publisher": publisher, "attestations": self.attestations[filename]}
        return 200, JSON, json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()

    def _forwarded(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return devpi's answer; a minted token is changed into the one that it accepts."""
        passed: dict[str, str] = {
            name: headers[name] for name in ("content-type", "accept", "host") if name in headers
        }
        if "authorization" in headers:
            user, _, token = base64.b64decode(headers["authorization"].split()[1]).decode().partition(":")
            if self.minted.get(token, 0) < time.time():
                return 403, {}, b"Invalid or non-existent authentication information."
            login = base64.b64encode(f"{user}:{self.indexes.token}".encode()).decode()
            passed["authorization"] = f"Basic {login}"
        here = urlsplit(self.indexes.index.upload_url)
        request = urllib.request.Request(  # noqa: S310  (http, on this machine)
            f"{here.scheme}://{here.netloc}{path}", data=body or None, headers=passed, method=method
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=30) as response:
                content, status, given = response.read(), response.status, response.headers
        except urllib.error.HTTPError as error:
            content, status, given = error.read(), error.code, error.headers
        found = re.search(rb'name="attestations"\r\n\r\n(.*?)\r\n--', body, re.DOTALL)
        file = re.search(rb'name="content"; filename="([^"]+)"', body)
        if status == 200 and found and file and not self.loses_attestations:
            self.attestations[file[1].decode()] = json.loads(found[1])
        return status, {"Content-Type": given.get("Content-Type", "text/plain")}, content

    def _here(self, url: str) -> str:
        return f"{self.url}{urlsplit(url).path}"


@contextlib.contextmanager
def warehouse_server(indexes: PackageIndexes) -> Iterator[Warehouse]:
    """A running stand-in."""
    warehouse = Warehouse(indexes)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, given, content = warehouse.answer(self.command, self.path, headers, body)
            self.send_response(status, None if status < 400 or given else content.decode()[:100])
            for name, value in given.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  (http.server's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the tests look at what was said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        warehouse.url = f"http://localhost:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield warehouse
        finally:
            http.shutdown()
            thread.join()
