"""Watch the registry for the last image tag to move, in the same way for both sides."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from release_assets.errors import ReleaseError
from tools.sandbox.servers import loopback_session

LOOK_SECONDS = 0.2  # between two looks, which take some milliseconds of the registry
INDEXES = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True)
class Watch:
    """An image repository, and who may look."""

    url: str  # such as http://localhost:5000/v2/bench/small_ours
    username: str
    token: str

    def digests(self, tags: tuple[str, ...]) -> Mapping[str, str | None]:
        """Return what each of the tags points to now, None where it does not exist."""
        with loopback_session() as session:
            session.auth = (self.username, self.token)
            found = {}
            for tag in tags:
                answer = session.head(f"{self.url}/manifests/{tag}", headers={"Accept": INDEXES}, timeout=10)
                found[tag] = answer.headers.get("Docker-Content-Digest") if answer.ok else None
            return found

    def has_moved(self, tags: tuple[str, ...], *, unlike: str | None) -> bool:
        """Return whether all tags point to one image that is not `unlike`."""
        # The last of the tags alone, until it has moved: a look must not cost what is measured.
        if self.digests(tags[-1:])[tags[-1]] in {None, unlike}:
            return False
        found = set(self.digests(tags).values())
        return len(found) == 1 and None not in found

    def wait(self, tags: tuple[str, ...], *, unlike: str | None, ended: threading.Event) -> float:
        """Return when the tags moved, in seconds since 1970.

        Raises ReleaseError where they have not although what was to move them has `ended`.
        """
        while True:
            is_last_look = ended.is_set()
            if self.has_moved(tags, unlike=unlike):
                return time.time()
            if is_last_look:
                raise ReleaseError(
                    f"{self.url} has no new image under {', '.join(tags)} although the script has ended",
                    "Run it by hand with the variables of benchmarks/script.py.",
                )
            ended.wait(LOOK_SECONDS)


def four_tags(version: str) -> tuple[str, ...]:
    """Return the tags that a stable release moves, `latest` last."""
    major, minor, _ = version.split(".")
    return version, f"{major}.{minor}", major, "latest"
