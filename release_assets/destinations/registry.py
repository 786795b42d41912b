"""The image registry: reads and puts manifests through the API of the OCI distribution spec.

Manifest lists and floating tags are put here and not by `imagetools create`: one PUT of the very bytes for
each tag, so that 1.2.3, 1.2, 1 and latest have one digest, and each moves at once or not at all.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from release_assets.destinations.http import AGAIN, MEBIBYTE, Answer, exchange, one_line
from release_assets.errors import PermanentError, TransientError, error_for_status
from release_assets.project import is_loopback

SECONDS = 60.0
MANIFEST_LIMIT = 4 * MEBIBYTE  # the distribution spec's recommendation for registries
TAG_PAGES = 1000

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = ", ".join([OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST])


@dataclass(frozen=True)
class Repository:
    """An image repository: the registry's host (with its port), and the name in it."""

    host: str
    name: str

    def reference(self, tag_or_digest: str) -> str:
        """The reference as docker's commands take it."""
        return f"{self.host}/{self.name}{'@' if ':' in tag_or_digest else ':'}{tag_or_digest}"

    @property
    def api_url(self) -> str:
        """Where the registry's API is: Docker Hub's has a host of its own; http on this machine only."""
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        return f"{'http' if is_loopback(f'//{host}') else 'https'}://{host}"

    @property
    def credential_host(self) -> str:
        """The name under which docker looks up credentials."""
        return "https://index.docker.io/v1/" if self.host == "docker.io" else self.host


def parse_repository(reference: str) -> Repository:
    """An image repository by docker's rules: docker.io and library/ are the defaults.

    Raises PermanentError for a reference with a tag or digest, or with characters that names do not have.
    """
    first, slash, rest = reference.partition("/")
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    host, name = (first, rest) if has_host else ("docker.io", reference)
    if host in {"index.docker.io", "registry-1.docker.io"}:
        host = "docker.io"
    if host == "docker.io" and "/" not in name:
        name = f"library/{name}"
    component = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    if not re.fullmatch(rf"{component}(?:/{component})*", name) or not re.fullmatch(
        r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?", host
    ):
        raise PermanentError(
            f"{reference!r} is not an image repository",
            "Write it in lower case without a tag or digest, such as docker.io/owner/name.",
        )
    return Repository(host, name)


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index as the registry keeps it: its very bytes, whose sha256 is the digest."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """`sha256:` and the hexadecimal digest of the bytes."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def parsed(self) -> dict[str, Any]:
        """The JSON inside. Raises PermanentError when it is none."""
        try:
            content = json.loads(self.body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise PermanentError(f"manifest {self.digest} is not a JSON object", "Push the image again.")
        return content

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in {OCI_INDEX, DOCKER_LIST}


def platform_images(manifest: Manifest) -> dict[str, str]:
    """The images of an index, as platform → digest; attestations are no images."""
    return {
        platform_name(child["platform"]): child["digest"]
        for child in manifest.parsed().get("manifests", [])
        if not _is_attestation(child) and "platform" in child
    }


def _is_attestation(child: Mapping[str, Any]) -> bool:
    return (child.get("annotations") or {}).get("vnd.docker.reference.type") == "attestation-manifest"


def platform_name(platform: Mapping[str, str]) -> str:
    """`linux/arm/v7` and so on; linux/arm64 is always v8, which nobody writes."""
    variant = platform.get("variant", "")
    if (platform.get("architecture"), variant) == ("arm64", "v8"):
        variant = ""
    return "/".join(filter(None, [platform.get("os", ""), platform.get("architecture", ""), variant]))


def platforms_differ(manifest: Manifest, declared: Iterable[str]) -> str | None:
    """What is missing or too much in an index, in words; None when it is exactly the declared platforms."""
    present, wanted = set(platform_images(manifest)), {normal_platform(platform) for platform in declared}
    words = [
        f"{what}: {', '.join(sorted(platforms))}"
        for what, platforms in (("missing", wanted - present), ("not declared", present - wanted))
        if platforms
    ]
    return "; ".join(words) or None


def normal_platform(platform: str) -> str:
    """A declared platform as an index names it."""
    system, architecture, *variant = platform.split("/")
    return platform_name({"os": system, "architecture": architecture, "variant": "".join(variant)})


def index_of(children: Mapping[str, Manifest]) -> Manifest:
    """The OCI image index that joins one image per platform, in the order given.

    A child that is an index itself (an image with its attestations) is flattened. The same children give
    the same bytes, and so the same digest.
    """
    entries: list[dict[str, Any]] = []
    for platform, child in children.items():
        if child.is_index:
            entries += child.parsed().get("manifests", [])
            continue
        system, architecture, *variant = platform.split("/")
        described = {"architecture": architecture, "os": system}
        if variant:
            described["variant"] = variant[0]
        entries.append(
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": len(child.body),
                "platform": described,
            }
        )
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Manifest(json.dumps(content, indent=2).encode(), OCI_INDEX)


class Registry:
    """One image repository in its registry."""

    def __init__(
        self,
        repository: Repository,
        *,
        username: str | None,
        token: str | None,
        username_env: str,
        token_env: str,
    ) -> None:
        """Without user and token it is asked as anybody; the variables' names are for the errors."""
        self.repository = repository
        self._username, self._token = username, token
        self._variables = f"{username_env} and {token_env}"
        self._authorization: str | None = None

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, None where there is none."""
        answer = self._ask("GET", f"/manifests/{quote(reference, safe=':')}", headers={"Accept": ACCEPT})
        if answer.status == 404:
            return None
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        manifest = Manifest(answer.body, media_type)
        promised = answer.headers.get("docker-content-digest", manifest.digest)
        if manifest.digest != promised or (":" in reference and manifest.digest != reference):
            raise TransientError(
                f"{answer.url} answered bytes with digest {manifest.digest} for {one_line(promised)}", AGAIN
            )
        return manifest

    def put_manifest(self, tag: str, manifest: Manifest) -> None:
        """Point a tag to a manifest, whose children are in the repository already."""
        self._ask(
            "PUT",
            f"/manifests/{quote(tag, safe='')}",
            headers={"Content-Type": manifest.media_type},
            data=manifest.body,
        )

    def tags(self) -> set[str]:
        """All tags of the repository; none where it does not exist yet."""
        found: set[str] = set()
        path = "/tags/list?n=1000"
        for _ in range(TAG_PAGES):
            answer = self._ask("GET", path)
            if answer.status == 404:
                return found
            try:
                content = json.loads(answer.body)
            except ValueError as error:
                raise TransientError(f"{answer.url} did not answer JSON: {error}", AGAIN) from error
            found |= {str(tag) for tag in content.get("tags") or []}
            following = re.match(r'<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("link", ""))
            if following is None:
                return found
            there = urlsplit(urljoin(answer.url, following[1]))
            path = f"/tags/list?{there.query}"
        raise PermanentError(f"{self.repository.api_url} lists tags without an end", "Ask its operators.")

    def check_access(self) -> None:
        """Ask whether we may push, by beginning an upload and taking it back: it changes nothing.

        Raises PermanentError when the registry refuses, TransientError when it is unwell.
        """
        answer = self._ask("POST", "/blobs/uploads/")
        location = urljoin(answer.url, answer.headers.get("location", ""))
        # An upload that is not taken back is forgotten by the registry after a while.
        if urlsplit(location).netloc == urlsplit(answer.url).netloc:
            with contextlib.suppress(PermanentError, TransientError):
                self._exchange("DELETE", location, {}, None)

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> Answer:
        """One request, again with a token when the registry asks for one. A 404 of a GET is an answer."""
        url = f"{self.repository.api_url}/v2/{self.repository.name}{path}"
        answer = self._exchange(method, url, headers or {}, data)
        if answer.status == 401 and (challenge := answer.headers.get("www-authenticate")):
            self._authorization = self._answer_challenge(challenge)
            answer = self._exchange(method, url, headers or {}, data)
        if answer.status < 300 or (answer.status == 404 and method == "GET"):
            return answer
        raise self._error(method, answer)

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        authorization = {"Authorization": self._authorization} if self._authorization else {}
        return exchange(
            method,
            url,
            seconds=SECONDS,
            limit=MANIFEST_LIMIT,
            headers={**headers, **authorization},
            data=data,
        )

    def _answer_challenge(self, challenge: str) -> str | None:
        scheme, _, rest = challenge.partition(" ")
        basic = None
        if self._username is not None and self._token is not None:
            basic = "Basic " + base64.b64encode(f"{self._username}:{self._token}".encode()).decode()
        if scheme.lower() != "bearer":
            return basic
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = fields.get("realm", "")
        if urlsplit(realm).scheme != "https" and not (
            is_loopback(realm) and is_loopback(self.repository.api_url)
        ):
            raise PermanentError(
                f"{self.repository.api_url} sends us to {one_line(realm)!r} for a token, which is not https",
                "Credentials are not sent there; check the image's repository in the YAML.",
            )
        query = {
            "service": fields.get("service", ""),
            "scope": f"repository:{self.repository.name}:pull,push",
        }
        answer = exchange(
            "GET",
            f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}",
            seconds=SECONDS,
            limit=MEBIBYTE,
            headers={"Authorization": basic} if basic else {},
        )
        if answer.status != 200:
            raise self._error("GET", answer)
        try:
            content = json.loads(answer.body)
            return f"Bearer {content.get('token') or content['access_token']}"
        except (ValueError, KeyError, AttributeError) as error:
            raise TransientError(f"{urlsplit(realm).netloc} answered no token", AGAIN) from error

    def _error(self, method: str, answer: Answer) -> Exception:
        problem = f"{method} {answer.url} answered {answer.status} {one_line(answer.reason)}: " + one_line(
            answer.body.decode(errors="replace")
        )
        wait = answer.headers.get("retry-after")
        if answer.status in {401, 403}:
            return PermanentError(
                problem, f"Check {self._variables}: they must be allowed to pull and push in this repository."
            )
        if answer.status == 429 and wait:
            problem += f" (it asks to wait {one_line(wait)} s)"
        error = error_for_status(
            max(answer.status, 400), problem, "Check the image's repository in the YAML."
        )
        return TransientError(problem, AGAIN) if isinstance(error, TransientError) else error
