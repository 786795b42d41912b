"""The package index: what its simple page holds, uploading to it, and waiting until pip would find our files.

The simple page is the truth here, since it is what pip reads; an upload's own answer proves nothing. Every
exchange with a server is bounded in bytes and in seconds, and nothing but twine ever sees the token.
"""

from release_assets.destinations.package_index.access import check_access
from release_assets.destinations.package_index.difference import (
    files_of,
    missing_files,
    refuse_closed_release,
)
from release_assets.destinations.package_index.downloading import download
from release_assets.destinations.package_index.login import login_of, username
from release_assets.destinations.package_index.simple_page import IndexFile, observe, observe_index
from release_assets.destinations.package_index.trusted_publishing import (
    MintedTokens,
    audience_url,
    check_identity,
)
from release_assets.destinations.package_index.uploading import upload, upload_failure
from release_assets.destinations.package_index.waiting import wait_until_served

__all__ = [
    "IndexFile",
    "MintedTokens",
    "audience_url",
    "check_access",
    "check_identity",
    "download",
    "files_of",
    "login_of",
    "missing_files",
    "observe",
    "observe_index",
    "refuse_closed_release",
    "upload",
    "upload_failure",
    "username",
    "wait_until_served",
]
