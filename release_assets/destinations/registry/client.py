"""The image registry: reads and puts manifests through the API of the OCI distribution spec.

Manifest lists and floating tags are put here and not by `imagetools create`: one PUT of the very bytes for
each tag, so that 1.2.3, 1.2, 1 and latest have one digest, and each moves at once or not at all. An answer
that makes no sense is a TransientError like no answer at all; what is read is compared with its digest.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO
from urllib.parse import quote, urlencode, urljoin, urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.bounds import seconds_for
from release_assets.destinations.http import AGAIN, MEBIBYTE, Answer, exchange, retry_after
from release_assets.destinations.registry.challenges import parse_challenges
from release_assets.destinations.registry.manifest import MANIFESTS, Manifest, formats, json_object
from release_assets.destinations.registry.refusals import Refusal, code_of, refusal_error
from release_assets.destinations.registry.repository import Repository
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.project import is_loopback
from release_assets.text import one_line, without

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


REJECTED = "The registry's words say what it rejects. Check the image's repository in the YAML."


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

    @property
    def _secrets(self) -> list[str]:
        """Return what an answer must not bring into a log: our token, and the one that was issued for it."""
        issued = (self._authorization or "").partition(" ")[2]
        return [secret for secret in (self._token, issued) if secret]

    def manifest(self, reference: str) -> Manifest | None:
        """Return the manifest under a tag or digest, None where there is none."""
        answer = self._ask(
            "GET", f"/manifests/{quote(reference, safe=':')}", headers={"Accept": ", ".join(MANIFESTS)}
        )
        if answer.status == 404:
            return None
        # OCI manifests need not say their type themselves; where they do, that is what counts.
        content = json_object(answer.body)
        inside = "no JSON" if content is None else content.get("mediaType")
        media_type = inside or answer.headers.get("content-type", "").partition(";")[0].strip()
        if media_type not in MANIFESTS:
            said = one_line(without(self._secrets, str(media_type)))
            raise TransientError(
                f"{_shown(answer.url)} answered something that is not a manifest: {said}",
                AGAIN,
            )
        manifest = Manifest(answer.body, media_type)
        promised = answer.headers.get("docker-content-digest", manifest.digest)
        if manifest.digest != promised or (":" in reference and manifest.digest != reference):
            raise TransientError(
                f"{_shown(answer.url)} answered bytes with digest {manifest.digest} for {one_line(promised)}",
                AGAIN,
            )
        return manifest

    def blob(self, digest: str) -> bytes | None:
        """Return a small blob, such as an image's config of labels and platform; None where it is gone."""
        answer = self._ask("GET", f"/blobs/{digest}")
        if answer.status == 404:
            return None
        found = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if found != digest:
            raise TransientError(
                f"{_shown(answer.url)} answered bytes with digest {found} for {digest}", AGAIN
            )
        return answer.body

    def has_blob(self, digest: str) -> bool:
        """Return whether the repository has a blob."""
        return self._ask("HEAD", f"/blobs/{digest}").status != 404

    def fetch_blob(self, digest: str, size: int, file: BinaryIO) -> None:
        """Write a blob of `size` bytes, such as a layer, to an empty file.

        Raises TransientError where it is gone, or is not what its digest says.
        """
        answer = self._ask("GET", f"/blobs/{digest}", seconds=seconds_for(size), limit=size, file=file)
        if answer.status == 404:
            raise TransientError(f"{_shown(answer.url)} answered 404: the blob is gone", AGAIN)
        file.seek(0)
        sha256 = hashlib.sha256()
        while piece := file.read(MEBIBYTE):
            sha256.update(piece)
        found = f"sha256:{sha256.hexdigest()}"
        if found != digest:
            raise TransientError(
                f"{_shown(answer.url)} answered bytes with digest {found} for {digest}", AGAIN
            )

    def put_blob(self, digest: str, size: int, file: BinaryIO) -> None:
        """Upload a blob of `size` bytes in one request."""
        answer = self._ask("POST", "/blobs/uploads/")
        upload = _joined(answer.url, answer.headers.get("location", ""))
        if not self._may_send_us_to(upload):
            raise PermanentError(
                f"{self.repository.api_url} names {_shown(upload) or 'nothing'} for an upload, not https",
                "Check the image's repository in the YAML, and ask the registry's operators.",
            )
        self._ask_url(
            "PUT",
            f"{upload}{'&' if '?' in upload else '?'}{urlencode({'digest': digest})}",
            headers={"Content-Type": "application/octet-stream"},
            data=file,
            seconds=seconds_for(size),
        )

    def put_manifest(self, tag: str, manifest: Manifest) -> None:
        """Point a tag to a manifest, whose children are in the repository already.

        With the manifest's own digest for a tag it is there, and no tag points to it.
        """
        self._ask(
            "PUT",
            f"/manifests/{quote(tag, safe=':')}",
            headers={"Content-Type": manifest.media_type},
            data=manifest.body,
            rejected=_why_rejected(manifest),
        )

    def tags(self) -> set[str]:
        """All tags of the repository; none where it does not exist yet."""
        found: set[str] = set()
        deadline = time.monotonic() + bounds.BOUNDS.registry_list_seconds
        path = "/tags/list?n=1000"
        for _ in range(bounds.BOUNDS.registry_tag_pages):
            answer = self._ask("GET", path)
            if answer.status == 404:
                return found
            # null is what a repository has whose last tag was removed.
            content = json_object(answer.body)
            tags = None if content is None or "tags" not in content else content["tags"] or []
            if not isinstance(tags, list) or not all(
                isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags
            ):
                raise TransientError(
                    f"{_shown(answer.url)} answered something that is not a list of tags", AGAIN
                )
            found |= set(tags)
            if len(found) > bounds.BOUNDS.registry_tags or time.monotonic() > deadline:
                break
            following = re.match(r'<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("link", ""))
            if following is None:
                return found
            # Its query alone: whatever the link says, the next page is asked of the same registry.
            path = f"/tags/list?{urlsplit(_joined(answer.url, following[1])).query}"
        raise PermanentError(f"{self.repository.api_url} lists tags without an end", "Ask its operators.")

    def check_access(self) -> None:
        """Ask whether we may push, by beginning an upload and taking it back: it changes nothing.

        Raises PermanentError when the registry refuses, TransientError when it fails.
        """
        answer = self._ask("POST", "/blobs/uploads/")
        if answer.status != 202:
            raise TransientError(
                f"POST {_shown(answer.url)} answered {answer.status}, which is not a registry's answer", AGAIN
            )
        upload = _joined(answer.url, answer.headers.get("location", ""))
        # An upload that is not taken back is forgotten by the registry after a while.
        if _origin(upload) == _origin(self.repository.api_url):
            with contextlib.suppress(PermanentError, TransientError):
                self._exchange("DELETE", upload, headers={})

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        rejected: str = REJECTED,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """Send a request to a path of the repository; the answer's body goes into `file` if given."""
        url = f"{self.repository.api_url}/v2/{self.repository.name}{path}"
        return self._ask_url(
            method,
            url,
            headers=headers or {},
            data=data,
            rejected=rejected,
            seconds=seconds,
            limit=limit,
            file=file,
        )

    def _ask_url(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | BinaryIO | None = None,
        rejected: str = REJECTED,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """Send a request, again with a token when the registry requires one. A 404 of a GET is an answer.

        A HEAD is not redirected: where its answer would come from, there is something.
        """
        ask = partial(
            self._exchange, method, headers=headers, data=data, seconds=seconds, limit=limit, file=file
        )
        answer = ask(url)
        if answer.status == 401 and "www-authenticate" in answer.headers:
            # Also when there was a token: they live for minutes only.
            self._authorization = self._met_challenge(answer)
            if self._authorization is not None:
                answer = ask(url)
        for _ in range(bounds.BOUNDS.redirects):
            target = answer.headers.get("location")
            if method != "GET" or answer.status not in (301, 302, 303, 307, 308) or target is None:
                break
            there = _joined(answer.url, target)
            if not self._may_send_us_to(there):
                raise PermanentError(
                    f"{_shown(url)} redirects to {_shown(there)}, which is not https and not followed",
                    "Check the image's repository in the YAML, and ask the registry's operators.",
                )
            answer = ask(there)
        is_read = method in {"GET", "HEAD"}
        if 200 <= answer.status < 300 or (answer.status == 404 and is_read):
            return answer
        if method == "HEAD" and 300 <= answer.status < 400:
            return answer
        raise self._error(method, answer, rejected)

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | BinaryIO | None = None,
        seconds: float | None = None,
        limit: int | None = None,
        file: BinaryIO | None = None,
    ) -> Answer:
        """One bounded exchange; only the registry itself sees the credentials, not the storage behind it."""
        if data is not None and not isinstance(data, bytes):
            data.seek(0)  # it was sent once before, without a login
        ours = self._authorization and _origin(url) == _origin(self.repository.api_url)
        authorization = {"Authorization": self._authorization} if ours and self._authorization else {}
        try:
            return exchange(
                method,
                url,
                seconds=bounds.BOUNDS.registry_seconds if seconds is None else seconds,
                limit=bounds.BOUNDS.registry_bytes if limit is None else limit,
                headers={**headers, **authorization},
                data=data,
                sink=file,
            )
        except ReleaseError as error:
            # The query of a redirect is a signature that opens the storage.
            raise type(error)(error.problem.replace(url, _shown(url)), error.remedy) from None

    def _may_send_us_to(self, url: str) -> bool:
        """Allow https anywhere; http between servers of this machine, or within a registry without TLS."""
        here = self.repository.api_url
        return urlsplit(url).scheme == "https" or (
            urlsplit(url).scheme == "http"
            and ((is_loopback(url) and is_loopback(here)) or _origin(url) == _origin(here))
        )

    def _met_challenge(self, refusal: Answer) -> str | None:
        """Return the Authorization header that one of a 401's challenges is met with; None without a login.

        Bearer is met with a token as in the distribution project's token authentication (Docker Hub, GHCR),
        and goes before Basic, as in docker and containerd.
        Raises PermanentError where every challenge is of another scheme or leads where no login is sent.
        """
        challenges = parse_challenges(refusal.headers["www-authenticate"])
        schemes = [challenge.scheme for challenge in challenges]
        if challenges and not {"bearer", "basic"} & set(schemes):
            raise PermanentError(
                f"{self.repository.api_url} offers only {one_line(', '.join(schemes))} to authenticate",
                "release-assets uses Basic and Bearer: ask the registry's operators to offer one of them.",
            )
        basic = None
        if self._username is not None and self._token is not None:
            basic = "Basic " + base64.b64encode(f"{self._username}:{self._token}".encode()).decode()
        unusable = None
        for challenge in challenges:
            if challenge.scheme != "bearer":
                continue
            # Relative to the request, as every reference in an answer.
            named = challenge.parameters.get("realm", "")
            realm = _joined(refusal.url, named) if named else ""
            if self._may_send_us_to(realm):
                return self._issued_token(realm, challenge.parameters.get("service"), basic)
            unusable = named
        if "basic" in schemes and basic is not None:
            return basic
        if unusable is not None:
            raise PermanentError(
                f"{self.repository.api_url} names {one_line(repr(unusable))} as the place for a token, which "
                "is not https",
                "Credentials are not sent there. Check the image's repository in the YAML, and ask the "
                "registry's operators.",
            )
        return None

    def _issued_token(self, realm: str, service: str | None, login: str | None) -> str:
        """Return the header with a token that the realm issued, for a login or for anybody."""
        # For anybody, a scope that includes push is refused altogether by some.
        scope = f"repository:{self.repository.name}:{'pull,push' if login else 'pull'}"
        query = {"service": service, "scope": scope} if service else {"scope": scope}
        answer = exchange(
            "GET",
            f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}",
            seconds=bounds.BOUNDS.registry_seconds,
            limit=MEBIBYTE,
            headers={"Authorization": login} if login else {},
        )
        if answer.status != 200:
            raise self._error("GET", answer)
        content = json_object(answer.body) or {}
        token = content.get("token") or content.get("access_token")
        if not isinstance(token, str):
            raise TransientError(f"{_shown(realm)} answered no token", AGAIN)
        return f"Bearer {token}"

    def _error(self, method: str, answer: Answer, rejected: str = REJECTED) -> ReleaseError:
        """Return the error for an answer of 300 and more, with the registry's own words."""
        code, words = _code_and_words(answer.body)
        said = one_line(
            without(self._secrets, f"{code}: {words}" if code else words)
        )  # JSON hid it in escapes
        problem = f"{method} {_shown(answer.url)} answered {answer.status} {one_line(answer.reason)}".rstrip()
        problem += f": {said}" if said else ""
        wait = retry_after(answer.headers, datetime.now(UTC))
        if self._username is None or self._token is None:
            login = f"Set {self._variables}: the registry requires authentication."
        else:
            login = f"Check {self._variables}: they must be allowed to pull and push in this repository."
        return refusal_error(
            Refusal(answer.status, code_of(code), words, wait),
            problem,
            self.repository,
            login=login,
            rejected=rejected,
            missing=f"Create {self.repository.name} in the registry first, or check the image's repository "
            "in the YAML.",
        )


def _code_and_words(body: bytes) -> tuple[str, str]:
    """Return the first code of the distribution spec in an error's body, or "", and what the body says."""
    errors = (json_object(body) or {}).get("errors")
    if isinstance(errors, list) and errors and all(isinstance(error, dict) for error in errors):
        others = [f"{error.get('code')}: {error.get('message', '')}" for error in errors[1:]]
        return str(errors[0].get("code")), "; ".join([str(errors[0].get("message", "")), *others])
    return "", body.decode(errors="replace")


def _why_rejected(manifest: Manifest) -> str:
    """Return what to do where a manifest is rejected for what is in it."""
    images = formats(manifest) if manifest.is_index else {}
    if len(set(images.values())) < 2:
        return REJECTED
    named = ", ".join(f"{platform} {form}" for platform, form in images.items())
    return (
        f"The images are in two formats ({named}), and some registries reject a list of both. Build all "
        "platforms with engines that use containerd's image store, or set provenance: false. Then "
        "materialize the images again."
    )


def _joined(base: str, link: str) -> str:
    """Return a link in an answer as a whole URL; "" where it is none."""
    try:
        return urljoin(base, link) if urlsplit(urljoin(base, link)).hostname else ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url).scheme, urlsplit(url).netloc


def _shown(url: str) -> str:
    """Return a URL for people: without its query."""
    return one_line(url.partition("?")[0])
