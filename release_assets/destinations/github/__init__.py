"""GitHub releases: what is there for a tag, what is missing from it, and which ones were published lately."""

from release_assets.destinations.github.access import check_access
from release_assets.destinations.github.connection import connect
from release_assets.destinations.github.downloading import download_asset
from release_assets.destinations.github.failures import MissingError, TakenError
from release_assets.destinations.github.generated_notes import generated_notes
from release_assets.destinations.github.host import GitHubReleases
from release_assets.destinations.github.plan import (
    BODY_LIMIT,
    ReleasePlan,
    fitting_body,
    release_plan,
    same_name,
)
from release_assets.destinations.github.published import is_published, published_releases
from release_assets.destinations.github.publishing import lacking_words, publish_release
from release_assets.destinations.github.reading import find_release
from release_assets.destinations.releases import (
    Page,
    PublishedRelease,
    ReleaseAsset,
    ReleasesAnswer,
    WantedAsset,
    WantedRelease,
)

__all__ = [
    "BODY_LIMIT",
    "GitHubReleases",
    "MissingError",
    "Page",
    "PublishedRelease",
    "ReleaseAsset",
    "ReleasePlan",
    "ReleasesAnswer",
    "TakenError",
    "WantedAsset",
    "WantedRelease",
    "check_access",
    "connect",
    "download_asset",
    "find_release",
    "fitting_body",
    "generated_notes",
    "is_published",
    "lacking_words",
    "publish_release",
    "published_releases",
    "release_plan",
    "same_name",
]
