"""Check that the token may upload, by an upload that lacks its file."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, MEBIBYTE, exchange, retry_after
from release_assets.destinations.package_index.answers import CLOSED, CLOSED_REMEDY
from release_assets.destinations.package_index.login import USER
from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line, without


def check_access(
    upload_url: str,
    token: str,
    *,
    token_env: str,
    username: str = USER,
    certificate: str | None = None,
) -> None:
    """Ask whether the token may upload, by an upload that lacks its file: it changes nothing.

    Indexes look at the token before they look at the form, and answer 400 for the form. Raises
    PermanentError for a refused token or an address without an upload API, TransientError as observe does.
    """
    credentials = base64.b64encode(f"{username}:{token}".encode()).decode()
    answer = exchange(
        "POST",
        upload_url,
        seconds=bounds.BOUNDS.page_seconds,
        limit=MEBIBYTE,
        headers={
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        certificate=certificate,
        data=b"%3Aaction=file_upload&protocol_version=1",
    )
    said = f"POST {upload_url}: {answer.status} {one_line(without([token], answer.reason))}"
    if answer.status in {401, 403} and CLOSED.search(answer.reason):
        raise TransientError(f"{said}.", CLOSED_REMEDY)
    if answer.status in {401, 403}:
        raise PermanentError(
            f"{said}.", f"Check the token in {token_env}: is it valid for this index and project?"
        )
    if answer.status >= 500 or answer.status == 429:
        raise TransientError(f"{said}.", AGAIN, wait=retry_after(answer.headers, datetime.now(UTC)))
    if answer.status in {404, 405} or answer.status < 400:
        raise PermanentError(
            f"{said}: that is not an upload API.", "Check the index's upload_url in the YAML."
        )
