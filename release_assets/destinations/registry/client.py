"""The image registry: reads and puts manifests through the API of the OCI distribution spec.

Manifest lists and floating tags are put here and not by `imagetools create`: one PUT of the very bytes for
each tag, so that 1.2.3, 1.2, 1 and latest have one digest, and each moves at once or not at all. An answer
that makes no sense is a TransientError like no answer at all; what is read is compared with its digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from typing import BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.bounds import seconds_for
from release_assets.destinations.http import AGAIN, MEBIBYTE
from release_assets.destinations.registry.connection import REJECTED, Connection
from release_assets.destinations.registry.manifest import MANIFESTS, Manifest, formats, json_object
from release_assets.destinations.registry.urls import joined, origin, shown
from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line, without

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Registry(Connection):
    """One image repository in its registry."""

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
                f"{shown(answer.url)} answered something that is not a manifest: {said}",
                AGAIN,
            )
        manifest = Manifest(answer.body, media_type)
        promised = answer.headers.get("docker-content-digest", manifest.digest)
        if manifest.digest != promised or (":" in reference and manifest.digest != reference):
            raise TransientError(
                f"{shown(answer.url)} answered bytes with digest {manifest.digest} for {one_line(promised)}",
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
                f"{shown(answer.url)} answered bytes with digest {found} for {digest}", AGAIN
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
            raise TransientError(f"{shown(answer.url)} answered 404: the blob is gone", AGAIN)
        file.seek(0)
        sha256 = hashlib.sha256()
        while piece := file.read(MEBIBYTE):
            sha256.update(piece)
        found = f"sha256:{sha256.hexdigest()}"
        if found != digest:
            raise TransientError(
                f"{shown(answer.url)} answered bytes with digest {found} for {digest}", AGAIN
            )

    def put_blob(self, digest: str, size: int, file: BinaryIO) -> None:
        """Upload a blob of `size` bytes in one request."""
        answer = self._ask("POST", "/blobs/uploads/")
        upload = joined(answer.url, answer.headers.get("location", ""))
        if not self._may_send_us_to(upload):
            raise PermanentError(
                f"{self.repository.api_url} names {shown(upload) or 'nothing'} for an upload, not https",
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
                    f"{shown(answer.url)} answered something that is not a list of tags", AGAIN
                )
            found |= set(tags)
            if len(found) > bounds.BOUNDS.registry_tags or time.monotonic() > deadline:
                break
            following = re.match(r'<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("link", ""))
            if following is None:
                return found
            # Its query alone: whatever the link says, the next page is asked of the same registry.
            path = f"/tags/list?{urlsplit(joined(answer.url, following[1])).query}"
        raise PermanentError(f"{self.repository.api_url} lists tags without an end", "Ask its operators.")

    def check_access(self) -> None:
        """Ask whether we may push, by beginning an upload and taking it back: it changes nothing.

        Raises PermanentError when the registry refuses, TransientError when it fails.
        """
        answer = self._ask("POST", "/blobs/uploads/")
        if answer.status != 202:
            raise TransientError(
                f"POST {shown(answer.url)} answered {answer.status}, which is not a registry's answer", AGAIN
            )
        upload = joined(answer.url, answer.headers.get("location", ""))
        # An upload that is not taken back is forgotten by the registry after a while.
        if origin(upload) == origin(self.repository.api_url):
            with contextlib.suppress(PermanentError, TransientError):
                self._exchange("DELETE", upload, headers={})


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
