"""The name of an image repository: which registry, and what in it, by docker's rules."""

from __future__ import annotations

from dataclasses import dataclass

from release_assets.errors import PermanentError
from release_assets.project import is_loopback
from release_assets.rules.image_name import EXAMPLE, split_name
from release_assets.text import one_line


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
    try:
        return Repository(*split_name(reference))
    except ValueError as error:
        raise PermanentError(f"{one_line(repr(reference))} {error}", EXAMPLE) from None
