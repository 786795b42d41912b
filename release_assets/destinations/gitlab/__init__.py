"""GitLab releases: their files in the generic package registry, and links to them on the release's page."""

from release_assets.destinations.gitlab.host import GitLabReleases
from release_assets.destinations.gitlab.plan import GitLabPlan, PackageFile, release_plan

__all__ = ["GitLabPlan", "GitLabReleases", "PackageFile", "release_plan"]
