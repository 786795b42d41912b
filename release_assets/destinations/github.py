"""GitHub releases: what is there for a tag, what is missing from it, and which ones were published lately.

PyGithub makes the requests, over connections of ours: its own have no bound on an answer's size, repeat a
POST on 5xx, and wait for ever on uploads.github.com.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from github import Auth, GithubException, RateLimitExceededException, UnknownObjectException
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)

from release_assets.destinations.http import (
    AGAIN,
    MEBIBYTE,
    Answer,
    exchange,
    one_line,
    refuse_bomb,
    retry_after,
    seconds_for,
    without,
)
from release_assets.errors import (
    ConflictError,
    PermanentError,
    ReleaseError,
    TransientError,
    error_for_status,
)

BODY_LIMIT = 125_000  # characters of a release's text, GitHub's limit
ANSWER_LIMIT = 64 * MEBIBYTE  # 100 releases whose texts are as long as they may be take 13 to 50
PAGE = 100  # entries, the most that GitHub gives
LIST_SECONDS = 300.0  # for all pages of a list
PAGES = 100  # GitHub lists no more than 10,000 releases
# At publishing, each after observing again; then it is the step's retry, or a person's.
ATTEMPTS = 5
# Seconds after which no attempt begins: five that wait for a silent server, five times, were half an hour.
ATTEMPTS_END = 60.0
# Seconds; a Retry-After that asks for more is waited for between two attempts of the step.
LONGEST_PAUSE = 60.0

T = TypeVar("T")

NO_TAG = "release-assets-asks-whether-it-may-write"
CUT = "\n\n… (cut here: GitHub takes no more than 125,000 characters)\n"


@dataclass(frozen=True)
class ReleaseAsset:
    """A file at a release. `state` is `uploaded` or `starter` (half-way); `digest` is `sha256:…` or None."""

    id: int
    name: str
    size: int
    state: str
    digest: str | None
    url: str


@dataclass(frozen=True)
class PublishedRelease:
    """A release as GitHub shows it, drafts too (`published_at` is None for those), times in ISO 8601."""

    id: int
    tag: str
    url: str
    name: str
    body: str
    draft: bool
    prerelease: bool
    assets: tuple[ReleaseAsset, ...]
    published_at: str | None
    upload_url: str


@dataclass(frozen=True)
class WantedAsset:
    """A file of ours that belongs to the release: its path, size in bytes, and sha256 in hex."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name it is uploaded under; GitHub may rewrite it."""
        return self.path.name


@dataclass(frozen=True)
class WantedRelease:
    """What a release shall be; `commit` is where GitHub would put the tag, should it have vanished."""

    tag: str
    commit: str
    name: str
    body: str
    prerelease: bool
    latest: bool
    assets: tuple[WantedAsset, ...]


@dataclass(frozen=True)
class ReleasePlan:
    """What is left to do, in this order."""

    create: bool
    delete: tuple[ReleaseAsset, ...]
    upload: tuple[WantedAsset, ...]
    publish: bool

    @property
    def is_done(self) -> bool:
        """Nothing is left."""
        return not (self.create or self.delete or self.upload or self.publish)


@dataclass(frozen=True)
class Page:
    """What the sensor keeps of one page of releases: its ETag ("" where there was none), and whether it was
    full, so that there may be another one after it."""

    etag: str
    full: bool


@dataclass(frozen=True)
class ReleasesAnswer:
    """The published releases on the pages that changed, and what to ask with the next time."""

    releases: tuple[PublishedRelease, ...]
    pages: tuple[Page, ...]


class TakenError(TransientError):
    """GitHub has such a thing already: an answer that was lost, or somebody else who was quicker."""


class MissingError(PermanentError):
    """GitHub does not show such a thing: it is not there, or not for this token."""


# Deciding


def fitting_body(body: str) -> str:
    """`body`, cut with a line that says so where it is longer than GitHub takes."""
    return body if len(body) <= BODY_LIMIT else body[: BODY_LIMIT - len(CUT)] + CUT


def same_name(ours: str, theirs: str) -> bool:
    """Whether an asset that GitHub calls `theirs` was uploaded as `ours`.

    GitHub puts one dot in place of a run of special characters, and does not say which those are: the `!` of
    an epoch is one, the `+` of a local version sometimes. So here all but letters, digits, - and _ are.
    """
    plain = [re.sub(r"[^A-Za-z0-9_-]+", ".", name).strip(".") for name in (ours, theirs)]
    return plain[0] == plain[1]


def release_plan(observed: PublishedRelease | None, wanted: WantedRelease) -> ReleasePlan:
    """What is to be done so that `observed` becomes `wanted`. Text that is there is kept, whoever wrote it.

    In a draft, which nobody relies on, wrong assets are replaced; in a published release only those that
    never arrived. Assets that we did not build stay.
    Raises ConflictError for other bytes in a published release.
    """
    if observed is None:
        return ReleasePlan(create=True, delete=(), upload=wanted.assets, publish=True)
    delete: list[ReleaseAsset] = []
    upload: list[WantedAsset] = []
    for asset in wanted.assets:
        theirs = [found for found in observed.assets if same_name(asset.name, found.name)]
        wrong = [found for found in theirs if _difference(asset, found)]
        delete += wrong
        if len(wrong) == len(theirs):
            upload.append(asset)
        for found in wrong:
            if not observed.draft and found.state == "uploaded":
                raise ConflictError(
                    f"The release {observed.url} has {one_line(found.name)} with other bytes: "
                    f"{_difference(asset, found)}.",
                    "It may have been downloaded, so it is not replaced. If it is wrong, delete it on "
                    "GitHub and materialize again; else release a new version.",
                )
    return ReleasePlan(create=False, delete=tuple(delete), upload=tuple(upload), publish=observed.draft)


def _difference(ours: WantedAsset, theirs: ReleaseAsset) -> str:
    """How an asset differs from our file, in words; "" where it does not, as far as GitHub tells."""
    if theirs.state != "uploaded":
        return f"it is only in state {theirs.state}"
    if theirs.size != ours.size:
        return f"{theirs.size} bytes, ours has {ours.size}"
    if theirs.digest is not None and theirs.digest != f"sha256:{ours.sha256}":
        return f"{theirs.digest}, ours is sha256:{ours.sha256}"
    return ""


# Observing


def connect(api_url: str, token: str | None) -> Requester:
    """PyGithub's requester for `api_url`, without any retry of its own; None as token reads public things."""
    return _Requester(
        auth=Auth.Token(token) if token else None,
        base_url=api_url.rstrip("/"),
        timeout=30,
        user_agent="release-assets",
        per_page=PAGE,
        verify=True,
        retry=None,
        pool_size=None,
        # GitHub asks for a second between writes of those who make many; a release is five.
        seconds_between_writes=None,
    )


def check_access(github: Requester, repository: str, *, token_env: str) -> None:
    """Ask whether the token may publish releases, with two requests that change nothing.

    The repository shows the role of the token's owner. What the token itself may shows in release notes:
    generating them needs `Contents: write`, as a release does, and GitHub saves them nowhere.
    Raises PermanentError where it may not, or the repository is archived; else as find_release does.
    """
    where = f"{github.base_url}: reading {repository}"
    with _in_our_words(github, f"reading {repository}", token_env):
        _, answer = github.requestJsonAndCheck("GET", _path(repository))
        role, archived = answer.get("permissions") or {}, bool(answer.get("archived"))
        scopes = {"repo"} if answer.get("private", True) else {"repo", "public_repo"}
        # An app's token has no role: all of it is false, also what it may.
        is_reader = bool(role.get("pull", True)) and not role.get("push", True)
    if archived:
        raise PermanentError(f"{where}: it is archived.", "Unarchive the repository in its settings.")
    remedy = f"Put a token with `Contents: write` for this repository into {token_env}."
    if is_reader:
        raise PermanentError(f"{where}: the token's owner may not write to it.", remedy)
    doing = f"asking whether the token may write releases of {repository}"
    with _in_our_words(github, doing, token_env):
        # Of a tag that is not there, since itself: whoever may ask gets a 422, and nothing is computed.
        nothing = {"tag_name": NO_TAG, "previous_tag_name": NO_TAG}
        url = f"{_path(repository)}/releases/generate-notes"
        status, headers, text = github.requestJson("POST", url, input=nothing)
        if status in (401, 403, 429) or status >= 500:
            raise Requester.createException(status, headers, _error_body(text))
    # GitHub Enterprise before 3.4 has no such notes. A classic token without the scope gets the same answer.
    granted = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",")}
    if status == 404 and "x-oauth-scopes" in headers and not granted & scopes:
        raise PermanentError(
            f"{github.base_url}: {doing}: GitHub answered 404, and the token has none of the scopes "
            f"{', '.join(sorted(scopes))}.",
            remedy,
        )


def find_release(
    github: Requester, repository: str, tag: str, *, token_env: str
) -> tuple[PublishedRelease | None, tuple[PublishedRelease, ...]]:
    """The release of `tag`, drafts included, and those that are there for the same tag beside it.

    A POST that was repeated leaves two: the published one is taken, else the oldest.
    Raises TransientError or PermanentError: an outage is not the absence of a release.
    """
    found = [
        release
        for release in _listed(github, f"{_path(repository)}/releases", _release, token_env)
        if release.tag == tag
    ]
    if not found:
        return None, ()
    best, *others = sorted(found, key=lambda release: (release.draft, release.id))
    return _with_assets(github, repository, best, token_env), tuple(others)


def published_releases(
    api_url: str, repository: str, token: str | None, pages: Sequence[Page], *, token_env: str
) -> ReleasesAnswer:
    """The published releases on all pages that changed since `pages`, which is what came back the last time.

    A page that did not change costs nothing of GitHub's primary limit. There is an ETag for each, since an
    old draft that is published late stands deep in the list. Raises as find_release does.
    """
    github = connect(api_url, token)
    releases: list[PublishedRelease] = []
    now: list[Page] = []
    url = f"{_path(repository)}/releases"
    doing = f"reading the releases of {repository}"
    with _in_our_words(github, doing, token_env):
        for number in _page_numbers(github, doing):
            before = pages[number - 1] if number <= len(pages) else None
            status, headers, text = github.requestJson(
                "GET",
                url,
                parameters={"per_page": PAGE, "page": number},
                headers={"If-None-Match": before.etag} if before is not None and before.etag else {},
            )
            if status == 304 and before is not None:
                now.append(before)
            elif status == 200:
                listed = [_release(entry) for entry in _entries(json.loads(text))]
                # Without their texts, which nobody needs: ten thousand of them are a gigabyte.
                releases += [replace(release, body="") for release in listed if not release.draft]
                now.append(Page(etag=headers.get("etag", ""), full=len(listed) >= PAGE))
            elif status >= 400:
                raise Requester.createException(status, headers, _error_body(text))
            else:
                raise ValueError(f"status {status} for what was not asked")
            if not now[-1].full:
                break
    return ReleasesAnswer(tuple(releases), tuple(now))


# Publishing


def publish_release(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    *,
    token_env: str,
    log: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[PublishedRelease, dict[str, float]]:
    """Make the release what is wanted: draft, assets, publish; whatever is there already is kept.

    Returns the release as observed at the end, and the seconds for `draft`, `assets` and `publish`. After a
    request whose outcome is not known, GitHub is looked at again before anything else is sent.
    Raises ConflictError or PermanentError at once, TransientError after `ATTEMPTS` attempts, or after the
    first that ends later than `ATTEMPTS_END`.
    """
    started = time.monotonic()
    seconds = {"draft": 0.0, "assets": 0.0, "publish": 0.0}
    # A list may not show yet what was made a moment ago, so a release that is known is asked for by its id.
    known: int | None = None
    may_have_others = False
    for attempt in range(ATTEMPTS):
        try:
            if known is None:
                observed, others = find_release(github, repository, wanted.tag, token_env=token_env)
                for other in others:
                    log(f"{wanted.tag} has another release: {_named(other)}")
                may_have_others |= bool(others)
            else:
                observed = _by_id(github, repository, known, token_env)
            if release_plan(observed, wanted).create:
                may_have_others = True  # a list may not show yet what somebody else drafts
                observed = _draft(github, repository, wanted, token_env, seconds, log)
            assert observed is not None  # noqa: S101  (else the plan was to create it)
            known = observed.id
            plan = release_plan(observed, wanted)
            if not plan.is_done:
                _complete(github, repository, observed, wanted, plan, token_env, seconds, log)
                observed = _by_id(github, repository, known, token_env)
            if release_plan(observed, wanted).is_done:
                if may_have_others:
                    _delete_our_other_drafts(github, repository, wanted, token_env, log)
                return observed, seconds
            problem = TransientError(
                f"{github.base_url}: {observed.url} is not complete, though GitHub took it all.", AGAIN
            )
        except TransientError as error:
            problem = error
            if isinstance(error, TakenError):
                known = None  # another release of the tag was published: that is the one
        except MissingError as error:
            if known is None:
                raise
            # A copy of GitHub's database that is late; or another daemon has published, and deleted ours.
            problem = TransientError(error.problem, AGAIN)
            known = known if attempt < 2 else None
        pause = max(2.0**attempt, problem.wait)
        is_over = time.monotonic() - started > ATTEMPTS_END
        if attempt == ATTEMPTS - 1 or is_over or pause > LONGEST_PAUSE:
            break
        log(f"{problem.problem} Looking again in {pause:.0f} s.")
        sleep(pause)
    raise problem


def _draft(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    token_env: str,
    seconds: dict[str, float],
    log: Callable[[str], None],
) -> PublishedRelease:
    """A new draft of the release, adding to `seconds`."""
    with _timed(seconds, "draft"), _in_our_words(github, f"drafting {wanted.tag}", token_env):
        log(f"drafting the release {wanted.tag} in {repository}")
        text = _text(None, wanted) | {"draft": True}
        _, answer = github.requestJsonAndCheck("POST", f"{_path(repository)}/releases", input=text)
        return _release(answer)


def _complete(
    github: Requester,
    repository: str,
    observed: PublishedRelease,
    wanted: WantedRelease,
    plan: ReleasePlan,
    token_env: str,
    seconds: dict[str, float],
    log: Callable[[str], None],
) -> None:
    """Do what the plan says with a release that is there, adding to `seconds`."""
    releases = f"{_path(repository)}/releases"
    with _timed(seconds, "assets"):
        for old in plan.delete:
            with _in_our_words(github, f"deleting the asset {one_line(old.name)} of {wanted.tag}", token_env):
                log(f"deleting {one_line(old.name)}, asset {old.id}, {old.size} bytes in state {old.state}")
                with contextlib.suppress(UnknownObjectException):  # gone already
                    github.requestJsonAndCheck("DELETE", f"{releases}/assets/{old.id}")
        for asset in plan.upload:
            with _in_our_words(github, f"uploading the asset {asset.name} of {wanted.tag}", token_env):
                log(f"attaching {asset.name}, {asset.size} bytes")
                _upload(github, observed.upload_url, asset)
    if plan.publish:
        with _timed(seconds, "publish"), _in_our_words(github, f"publishing {wanted.tag}", token_env):
            log(f"publishing the release {wanted.tag}")
            latest = "true" if wanted.latest and not wanted.prerelease else "false"
            text = _text(observed, wanted) | {"draft": False, "make_latest": latest}
            github.requestJsonAndCheck("PATCH", f"{releases}/{observed.id}", input=text)


def _delete_our_other_drafts(
    github: Requester,
    repository: str,
    wanted: WantedRelease,
    token_env: str,
    log: Callable[[str], None],
) -> None:
    """Delete drafts of the tag that nobody but us can have made: they have our title and our text.

    A draft whose answer was lost, or that a second daemon made at the same moment, would lie there for ever.
    """
    _, others = find_release(github, repository, wanted.tag, token_env=token_env)
    for other in others:
        if other.draft and (other.name, other.body) == (wanted.name, fitting_body(wanted.body)):
            with _in_our_words(github, f"deleting {_named(other)}", token_env):
                log(f"deleting what is left over of {wanted.tag}: {_named(other)}")
                with contextlib.suppress(UnknownObjectException):  # gone already
                    github.requestJsonAndCheck("DELETE", f"{_path(repository)}/releases/{other.id}")


def _text(observed: PublishedRelease | None, wanted: WantedRelease) -> dict[str, Any]:
    """What GitHub is told about the release; a title and a text that are there already are kept."""
    return {
        "tag_name": wanted.tag,
        "target_commitish": wanted.commit,
        "name": (observed.name if observed else "") or wanted.name,
        "body": (observed.body if observed else "") or fitting_body(wanted.body),
        "prerelease": wanted.prerelease,
    }


def _upload(github: Requester, upload_url: str, asset: WantedAsset) -> None:
    """Attach one file. PyGithub lets the token out to hosts of the API's own domain only."""
    with asset.path.open("rb") as file:
        github.requestMemoryBlobAndCheck(
            "POST",
            upload_url,
            parameters={"name": asset.name},
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(asset.size)},
            file_like=file,
        )


# Reading answers


def _by_id(github: Requester, repository: str, number: int, token_env: str) -> PublishedRelease:
    """A release as it is now."""
    with _in_our_words(github, f"reading release {number} of {repository}", token_env):
        _, answer = github.requestJsonAndCheck("GET", f"{_path(repository)}/releases/{number}")
        release = _release(answer)
    return _with_assets(github, repository, release, token_env)


def _with_assets(
    github: Requester, repository: str, release: PublishedRelease, token_env: str
) -> PublishedRelease:
    """The release with its whole list of assets, half-uploaded ones included."""
    url = f"{_path(repository)}/releases/{release.id}/assets"
    return replace(release, assets=tuple(_listed(github, url, _asset, token_env)))


def _listed(github: Requester, url: str, read: Callable[[Any], T], token_env: str) -> Iterator[T]:
    """The entries of a list, page by page, so that those that nobody keeps take no memory."""
    doing = f"reading {url}"
    for number in _page_numbers(github, doing):
        with _in_our_words(github, doing, token_env):
            _, page = github.requestJsonAndCheck("GET", url, parameters={"per_page": PAGE, "page": number})
            entries = [read(entry) for entry in _entries(page)]
        yield from entries
        if len(entries) < PAGE:
            break


def _page_numbers(github: Requester, doing: str) -> Iterator[int]:
    """1, 2, 3, … as far as GitHub's lists go. Raises TransientError when reading them takes too long."""
    deadline = time.monotonic() + LIST_SECONDS
    for number in range(1, PAGES + 1):
        if time.monotonic() > deadline:
            said = f"{number - 1} pages took longer than {LIST_SECONDS:.0f} s."
            raise TransientError(f"{github.base_url}: {doing}: {said}", AGAIN)
        yield number


def _entries(answer: Any) -> list[Any]:
    """A list out of GitHub's JSON; an answer that is none must not pass for an empty one."""
    if not isinstance(answer, list):
        raise TypeError(f"a list was asked for, not a {type(answer).__name__}")
    return answer


def _release(answer: Any) -> PublishedRelease:
    """A release out of GitHub's JSON. Raises KeyError, TypeError or ValueError where it is none."""
    return PublishedRelease(
        id=int(answer["id"]),
        tag=str(answer["tag_name"]),
        url=_link(answer["html_url"]),
        name=str(answer["name"] or ""),
        body=str(answer["body"] or ""),
        draft=bool(answer["draft"]),
        prerelease=bool(answer["prerelease"]),
        assets=tuple(_asset(asset) for asset in answer["assets"]),
        published_at=None if answer["published_at"] is None else str(answer["published_at"]),
        # A template: https://uploads.github.com/…/assets{?name,label}
        upload_url=str(answer["upload_url"]).partition("{")[0],
    )


def _asset(answer: Any) -> ReleaseAsset:
    """An asset out of GitHub's JSON; raises as _release does. Old assets have no digest."""
    digest = answer.get("digest")
    return ReleaseAsset(
        id=int(answer["id"]),
        name=str(answer["name"]),
        size=int(answer["size"]),
        state=one_line(str(answer["state"])),
        digest=None if digest is None else one_line(str(digest)),
        url=_link(answer["browser_download_url"]),
    )


def _link(url: Any) -> str:
    """A URL that people may be shown, and click on. Raises ValueError where it is none."""
    link = one_line(str(url))
    if not link.startswith(("https://", "http://")):
        raise ValueError(f"{link!r} is no link")
    return link


def _path(repository: str) -> str:
    """The API's path of `owner/name`."""
    return f"/repos/{quote(repository, safe='/')}"


def _named(release: PublishedRelease) -> str:
    """A release in words."""
    return f"{'draft' if release.draft else 'release'} {release.id}, {release.url}"


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the block takes to those of its stage, also when it fails."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] += time.monotonic() - started


# What can go wrong


@contextlib.contextmanager
def _in_our_words(github: Requester, doing: str, token_env: str) -> Iterator[None]:
    """Turn what PyGithub raises into an error of ours: nothing else leaves this module.

    The original is dropped, since it holds the whole answer, and that may echo the token.
    """
    where = f"{github.base_url}: {doing}"
    try:
        yield
    except GithubException as error:
        raise _error(error, where, token_env, _secrets(github)) from None
    except AssertionError as error:
        raise PermanentError(
            f"{where}: an answer points to an address outside the API, {one_line(str(error))}.",
            "Write the API's own address into api_url; the token is sent to no other.",
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        words = without(_secrets(github), f"{type(error).__name__}: {error}")
        raise TransientError(f"{where}: the answer makes no sense ({one_line(words)}).", AGAIN) from None


def _error(error: GithubException, where: str, token_env: str, secrets: Sequence[str]) -> ReleaseError:
    """What an answer of 400 and more means. Retry-After and rate limits come with 403 as well as with 429."""
    data = error.data if isinstance(error.data, dict) else {}
    details = [detail for detail in data.get("errors") or [] if isinstance(detail, dict)]
    words = [str(data.get("message") or data.get("data") or "without a word")]
    words += [" ".join(str(value) for value in detail.values()) for detail in details]
    said = one_line(without(secrets, "; ".join(words)))
    problem = f"{where}: GitHub answered {error.status}: {said}."
    headers = error.headers or {}
    pause = _pause(headers, datetime.now(UTC))
    if (
        isinstance(error, RateLimitExceededException)
        or error.status == 429
        or (error.status == 403 and pause)
    ):
        return TransientError(problem, AGAIN, wait=pause)
    if error.status in (401, 403):
        return PermanentError(
            problem,
            f"Check the token in {token_env}: is it valid, and may it write contents of this repository?",
        )
    if error.status == 404:
        return MissingError(
            problem,
            f"Check the repository's name in the YAML, and that the token in {token_env} can see it.",
        )
    codes = {detail.get("code") for detail in details}
    if error.status == 422 and (not codes or "already_exists" in codes):
        return TakenError(problem, AGAIN)
    kept = error_for_status(error.status, problem, "GitHub's words say what it refuses: change that first.")
    return TransientError(problem, AGAIN, wait=pause) if isinstance(kept, TransientError) else kept


def _pause(headers: Mapping[str, str], now: datetime) -> float:
    """For how many seconds GitHub asks to be left alone: Retry-After, or until its limit is reset; else 0."""
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal() and "retry-after" not in headers:
        return min(1e9, max(1.0, float(reset) - now.timestamp()))
    return retry_after(headers, now)


def _error_body(text: str) -> dict[str, Any]:
    """The JSON object of an error, or its text as PyGithub would wrap it."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(answer := json.loads(text), dict):
            return answer
    return {"data": text}


def _secrets(github: Requester) -> list[str]:
    """The token, to be kept out of every message."""
    return [github.auth.token] if github.auth is not None else []


# Connections


class _Read(RequestsResponse):
    """An answer that has been read already."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self._answer = answer

    def getheaders(self) -> ItemsView[str, str]:
        return self._answer.headers.items()

    def read(self) -> str:
        refuse_bomb(self._answer.body)
        return self._answer.body.decode(errors="replace")


def _read(connection: HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass) -> _Read:
    """Make the request that the connection holds, bounded in bytes and seconds."""
    url = f"{connection.protocol}://{connection.host}:{connection.port}{connection.url}"
    data: Any = connection.input
    size = os.fstat(data.fileno()).st_size if hasattr(data, "fileno") else 0
    answer = exchange(
        connection.verb,
        url,
        seconds=seconds_for(size),
        limit=ANSWER_LIMIT,
        headers=connection.headers,
        data=data,
    )
    # PyGithub would drop the query when it follows one, and ask again and again after a 202.
    if answer.status == 202:
        raise TransientError(f"{url} is still being worked on (202).", AGAIN)
    if 300 <= answer.status < 400 and answer.status != 304:
        target = one_line(answer.headers.get("location", "?"))
        raise PermanentError(
            f"{url} answered {answer.status}: it has moved to {target}.",
            "If the repository was renamed or moved, write its new name into the YAML.",
        )
    return _Read(answer)


class _HTTP(HTTPRequestsConnectionClass):
    """For the sandbox, and servers on loopback."""

    def getresponse(self) -> _Read:
        return _read(self)


class _HTTPS(HTTPSRequestsConnectionClass):
    """For api.github.com, uploads.github.com, and GitHub Enterprise."""

    def getresponse(self) -> _Read:
        return _read(self)


class _Requester(Requester):
    """PyGithub's requester, over the connections above."""


# On our own class, so that nobody else's use of PyGithub in the same process is changed.
_Requester.injectConnectionClasses(_HTTP, _HTTPS)
