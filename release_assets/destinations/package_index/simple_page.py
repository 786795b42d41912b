"""The simple page: the truth here, since it is what pip reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import canonicalize_name
from pydantic import ValidationError
from pypi_simple import ACCEPT_JSON_PREFERRED, ProjectPage

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, Answer, Login, get, parsed_json
from release_assets.destinations.package_index.answers import raise_for_status
from release_assets.destinations.package_index.login import login_of
from release_assets.errors import TransientError
from release_assets.project import PackageIndex
from release_assets.text import one_line


@dataclass(frozen=True)
class IndexFile:
    """One file of a project, as its simple page shows it. `sha256` is lower-case hex, None if not served."""

    filename: str
    sha256: str | None
    url: str
    yanked: bool
    uploaded: datetime | None = None  # PEP 700's upload-time, None where the index does not say it
    provenance_url: str | None = None  # PEP 740's attestations, None where there are none


def observe(
    simple_url: str, project: str, *, seconds: float | None = None, login: Login | None = None
) -> dict[str, IndexFile]:
    """Return the files that the index serves for `project`, by file name; {} where it does not know it.

    Asks as pip does (PEP 691 JSON or PEP 503 HTML), past the caches that obey. `seconds` bounds all of it.
    `login` is for a private index.
    Raises TransientError where the answer is missing or makes no sense, PermanentError on other 4xx.
    """
    url = f"{simple_url.rstrip('/')}/{canonicalize_name(project)}/"
    headers = {"Accept": ACCEPT_JSON_PREFERRED, "Cache-Control": "no-cache"}
    answer = get(
        url,
        headers=headers,
        seconds=bounds.BOUNDS.page_seconds if seconds is None else seconds,
        limit=bounds.BOUNDS.page_bytes,
        login=login,
    )
    if answer.status == 404:
        return {}
    raise_for_status(answer, _remedy(answer.status, login))
    try:
        page = _parsed(answer, project)
    # The parsers fail on garbage in many ways (ValueError, RecursionError, their own), none of them ours.
    except Exception as error:
        # Some repeat the whole page, and pydantic has a paragraph for each mistake in it.
        said = f"{error.error_count()} mistakes" if isinstance(error, ValidationError) else str(error)
        raise TransientError(
            f"{one_line(url)} answered {answer.status} with something that is not a simple page: "
            f"{one_line(said)}",
            f"{AGAIN} If it lasts, check the index's simple_url in the project's YAML.",
        ) from None
    return {
        package.filename: IndexFile(
            filename=package.filename,
            sha256=_sha256(package.digests.get("sha256")),
            url=without_login(package.url),
            yanked=package.is_yanked,
            uploaded=package.upload_time,
            provenance_url=package.provenance_url,
        )
        for package in page.packages
    }


def observe_index(index: PackageIndex, project: str, *, seconds: float | None = None) -> dict[str, IndexFile]:
    """Return what `observe` does of a declared index, with its login where it has one."""
    return observe(index.simple_url, project, seconds=seconds, login=login_of(index))


def _remedy(status: int, login: Login | None) -> str:
    """Return what to do about a refusal."""
    if status not in {401, 403}:
        return "Check the index's simple_url in the project's YAML."
    if login is None or not login.password_env:
        return "A private index requires a login: name its variable in read_token_env of this index."
    if not login.password:
        return f"Set {login.password_env} where Dagster's code server and runs can see it."
    return (
        f"Check the password in {login.password_env} and the user {login.username!r}: may it read this index?"
    )


def without_login(url: str) -> str:
    """Return a URL without a user and a password: some indexes put those of the reader into every link."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def _parsed(answer: Answer, project: str) -> ProjectPage:
    """Return the simple page in the answer. Raises whatever its parsers do."""
    content_type, _, _ = answer.headers.get("content-type", "not said").partition(";")
    match content_type.strip().lower():
        case "application/vnd.pypi.simple.v1+json":
            return ProjectPage.from_json_data(parsed_json(answer.body, bounds.BOUNDS.page_parts), answer.url)
        case "application/vnd.pypi.simple.v1+html" | "text/html":
            # The parser takes a kilobyte of memory for each, however short it is.
            if (tags := answer.body.count(b"<")) > bounds.BOUNDS.page_tags:
                raise ValueError(f"it has {tags} tags, and more than {bounds.BOUNDS.page_tags} are not read")
            return ProjectPage.from_html(project, answer.body, answer.url)
    raise ValueError(f"its content type is {content_type}")


def _sha256(served: str | None) -> str | None:
    """Return a hash in the page as lower-case hex; None where it is none."""
    return served.lower() if served is not None and re.fullmatch(r"[0-9a-fA-F]{64}", served) else None
