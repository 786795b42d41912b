"""The name of an image repository: which registry, and what in it, by docker's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from release_assets.errors import PermanentError
from release_assets.project import is_loopback
from release_assets.text import one_line

# The grammar of github.com/distribution/reference.
_HOST = re.compile(r"(?:[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")


@dataclass(frozen=True)
class Repository:
    """An image repository: the registry's host (with its port), and the name in it."""

    host: str
    name: str
    allow_http: bool = False  # the YAML's word that it has no TLS

    def reference(self, tag_or_digest: str) -> str:
        """Return the reference as docker's commands take it."""
        return f"{self.host}/{self.name}{'@' if ':' in tag_or_digest else ':'}{tag_or_digest}"

    @property
    def api_url(self) -> str:
        """Return the URL of the registry's API: Docker Hub's has its own host. http where it is allowed."""
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        return f"{'http' if self.allow_http or is_loopback(f'//{host}') else 'https'}://{host}"

    @property
    def credential_host(self) -> str:
        """The name under which docker looks up credentials."""
        return "https://index.docker.io/v1/" if self.host == "docker.io" else self.host


def parse_repository(reference: str) -> Repository:
    """Return an image repository by docker's rules: docker.io and library/ are the defaults.

    Raises PermanentError for a reference with a tag or digest, or with characters that names do not have.
    """
    first, slash, rest = reference.partition("/")
    # Docker's rule for what is a host: it has a dot, a port or upper case, or it is localhost.
    has_host = slash and (re.search(r"[.:A-Z]", first) or first == "localhost")
    host, name = (first, rest) if has_host else ("docker.io", reference)
    if host in {"index.docker.io", "registry-1.docker.io"}:
        host = "docker.io"
    bare = re.split("[@:]", name)[0]
    if host == "docker.io" and "/" not in name:
        name = f"library/{name}"
    # 255 characters for host and name together is the distribution spec's limit.
    if _NAME.fullmatch(name) and _HOST.fullmatch(host) and len(f"{host}/{name}") <= 255:
        return Repository(host, name)
    why = ""
    if bare and bare not in (name, name.removeprefix("library/")):
        why = ": it names a digest" if "@" in name else ": it names a tag"
    elif name != name.lower():
        why = ": it has upper case in its name"
    raise PermanentError(
        f"{one_line(repr(reference))} is not an image repository{why}",
        "Write it in lower case without a tag or digest, such as docker.io/owner/name.",
    )
