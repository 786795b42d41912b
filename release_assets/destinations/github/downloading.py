"""Downloading the file of a release's asset, of a draft too."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from urllib.parse import urljoin

from release_assets.destinations import bounds
from release_assets.destinations.github.reading import api_path
from release_assets.destinations.http import AGAIN, exchange, get, seconds_for
from release_assets.destinations.releases import ReleaseAsset
from release_assets.errors import PermanentError, TransientError, error_for_status
from release_assets.text import one_line

REDIRECTS = (301, 302, 303, 307, 308)


def download_asset(
    api_url: str, repository: str, asset: ReleaseAsset, to: Path, *, token: str, token_env: str
) -> Path:
    """Download an asset into the folder `to` under the name that GitHub shows; return its path.

    It appears there only whole, with the size and, where GitHub has one, the digest that GitHub shows.
    Raises TransientError or PermanentError.
    """
    url = f"{api_url.rstrip('/')}{api_path(repository)}/releases/assets/{asset.id}"
    headers = {"Accept": "application/octet-stream", "User-Agent": "release-assets"}
    seconds, limit = seconds_for(asset.size), max(asset.size, bounds.MEBIBYTE)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=to) as folder:
        part = Path(folder) / "part"
        with part.open("wb") as sink:
            login = {**headers, "Authorization": f"Bearer {token}"}
            answer = exchange("GET", url, seconds=seconds, limit=limit, headers=login, sink=sink)
            if answer.status in REDIRECTS and "location" in answer.headers:
                # To the storage, whose address holds its own signature: our token is not for it.
                there = urljoin(url, answer.headers["location"])
                answer = get(there, headers=headers, seconds=seconds, limit=limit, sink=sink)
        if answer.status != 200:
            raise error_for_status(
                answer.status,
                f"{url}: GitHub answered {answer.status}: {one_line(answer.reason)}.",
                f"Check the token in {token_env}: may it write contents of {repository}? Only then it sees "
                "drafts.",
            )
        size = part.stat().st_size
        if size != asset.size:
            raise TransientError(
                f"{one_line(asset.name)} has {asset.size} bytes on GitHub, and {size} bytes came.", AGAIN
            )
        with part.open("rb") as written:
            digest = f"sha256:{hashlib.file_digest(written, 'sha256').hexdigest()}"
        if asset.digest is not None and asset.digest != digest:
            raise PermanentError(
                f"{one_line(asset.name)} is {digest}, but GitHub shows {asset.digest}.",
                "Delete the asset on GitHub and upload it again.",
            )
        return part.replace(to / asset.name)
