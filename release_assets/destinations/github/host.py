"""GitHub as a host of releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from release_assets.destinations.github.access import check_access
from release_assets.destinations.github.connection import connect
from release_assets.destinations.github.generated_notes import generated_notes
from release_assets.destinations.github.plan import BODY_LIMIT, release_plan
from release_assets.destinations.github.published import is_published, published_releases
from release_assets.destinations.github.publishing import publish_release
from release_assets.destinations.github.reading import find_release
from release_assets.destinations.http.kept import KeptConnection
from release_assets.destinations.releases import Page, PublishedRelease, ReleasesAnswer, WantedRelease


@dataclass(frozen=True)
class GitHubReleases:
    """The releases of one repository; without a token, what anybody may see of them."""

    api_url: str
    repository: str
    token: str | None = field(repr=False)
    token_env: str

    body_limit = BODY_LIMIT

    def check_access(self) -> None:
        """See ReleaseHost."""
        check_access(connect(self.api_url, self.token), self.repository, token_env=self.token_env)

    def find_release(self, tag: str) -> PublishedRelease | None:
        """See ReleaseHost."""
        github = connect(self.api_url, self.token)
        return find_release(github, self.repository, tag, token_env=self.token_env)[0]

    def is_complete(self, wanted: WantedRelease) -> bool:
        """See ReleaseHost."""
        return release_plan(self.find_release(wanted.tag), wanted).is_done

    def publish_release(
        self, wanted: WantedRelease, log: Callable[[str], None]
    ) -> tuple[PublishedRelease, dict[str, float], tuple[str, ...]]:
        """See ReleaseHost."""
        github = connect(self.api_url, self.token)
        published, seconds = publish_release(
            github, self.repository, wanted, token_env=self.token_env, log=log
        )
        return published, seconds, release_plan(published, wanted).lacking

    def generated_notes(self, tag: str, previous: str | None) -> str:
        """See ReleaseHost."""
        github = connect(self.api_url, self.token)
        return generated_notes(github, self.repository, tag, previous, token_env=self.token_env)

    def published_releases(
        self, pages: Sequence[Page], connection: KeptConnection | None = None, turn: int | None = None
    ) -> ReleasesAnswer:
        """See ReleaseHost."""
        return published_releases(
            self.api_url,
            self.repository,
            self.token,
            pages,
            token_env=self.token_env,
            connection=connection,
            turn=turn,
        )

    def is_published(self, tag: str) -> bool:
        """See ReleaseHost."""
        return is_published(self.api_url, self.repository, self.token, tag, token_env=self.token_env)
