"""GitLab as a host of releases.

It is long because one class has all the methods of ReleaseHost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.gitlab.api import PAGE, Api, TakenError
from release_assets.destinations.gitlab.plan import (
    BODY_LIMIT,
    GitLabPlan,
    PackageFile,
    fitting_body,
    linked_file,
    release_plan,
    uploaded_name,
)
from release_assets.destinations.http import AGAIN, parsed_json
from release_assets.destinations.http.kept import KeptConnection
from release_assets.destinations.releases import (
    Page,
    PublishedRelease,
    ReleaseAsset,
    ReleasesAnswer,
    WantedAsset,
    WantedRelease,
)
from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line

PACKAGE = "releases"  # the generic package of all files; its versions are the tags
DEVELOPER = 30  # GitLab's number of the role that may write releases
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True)
class GitLabReleases:
    """The releases of one project; without a token, what anybody may see of them."""

    api_url: str
    project: str
    token: str | None = field(repr=False)
    token_env: str
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    body_limit = BODY_LIMIT

    @property
    def _api(self) -> Api:
        return Api(self.api_url.rstrip("/"), self.project, self.token, self.token_env)

    def check_access(self) -> None:
        """See ReleaseHost."""
        api, doing = self._api, f"reading {self.project}"
        project = api.send("GET", "", doing)
        try:
            archived = bool(project["archived"])
            granted = project.get("permissions") or {}
            levels = [int((granted.get(name) or {}).get("access_level") or 0) for name in granted]
        except MALFORMED as error:
            raise api.nonsense(doing, str(error)) from None
        if archived:
            raise PermanentError(
                f"{self.api_url}: {doing}: it is archived.", "Unarchive the project in its settings."
            )
        # A job's token is shown no role.
        if levels and max(levels) < DEVELOPER:
            raise PermanentError(
                f"{self.api_url}: {doing}: the token's role is {max(levels)}; expected {DEVELOPER} "
                "(Developer) or more.",
                f"Create a token with the role Developer, and put it into {self.token_env}.",
            )

    def find_release(self, tag: str) -> PublishedRelease | None:
        """See ReleaseHost. There are no drafts."""
        return self._release(tag, self._files(tag))

    def is_complete(self, wanted: WantedRelease) -> bool:
        """See ReleaseHost."""
        files = self._files(wanted.tag)
        return release_plan(self._release(wanted.tag, files), files, wanted).is_done

    def is_published(self, tag: str) -> bool:
        """See ReleaseHost."""
        return self._api.get(_release_path(tag), f"reading the release {tag}") is not None

    def generated_notes(self, tag: str, previous: str | None) -> str:  # noqa: ARG002
        """See ReleaseHost. GitLab generates none, and no project can ask for them."""
        return ""

    def publish_release(
        self, wanted: WantedRelease, log: Callable[[str], None]
    ) -> tuple[PublishedRelease, dict[str, float], tuple[str, ...]]:
        """See ReleaseHost. Observes again after each attempt; raises ConflictError for other bytes."""
        started = time.monotonic()
        seconds = {"assets": 0.0, "publish": 0.0}
        problem = TransientError(
            f"{self.api_url}: {self.project} has no complete release {wanted.tag}.", AGAIN
        )
        for attempt in range(bounds.BOUNDS.github_attempts):
            try:
                files = self._files(wanted.tag)
                plan = release_plan(self._release(wanted.tag, files), files, wanted)
                if not plan.is_done:
                    self._act(plan, wanted, seconds, log)
                    files = self._files(wanted.tag)
                observed = self._release(wanted.tag, files)
                if observed is not None and release_plan(observed, files, wanted).is_done:
                    return observed, seconds, ()
            except TransientError as error:
                problem = error
            pause = max(2.0**attempt, problem.wait)
            is_over = time.monotonic() - started > bounds.BOUNDS.github_attempts_seconds
            last = attempt == bounds.BOUNDS.github_attempts - 1
            if last or is_over or pause > bounds.BOUNDS.github_pause_seconds:
                break
            log(f"{problem.problem} Looking again in {pause:.0f} s.")
            self.sleep(pause)
        raise problem

    def published_releases(
        self, pages: Sequence[Page], connection: KeptConnection | None = None, turn: int | None = None
    ) -> ReleasesAnswer:
        """See ReleaseHost. A page that did not change is not sent again; newest releases come first."""
        api, doing = self._api, f"reading the releases of {self.project}"
        answers: dict[int, Any] = {}

        def ask(number: int) -> Any:
            if number not in answers:
                etag = pages[number - 1].etag if number <= len(pages) else ""
                answers[number] = api.ask(
                    "GET",
                    f"/releases?per_page={PAGE}&page={number}",
                    seconds=60.0,
                    headers={"If-None-Match": etag} if etag else {},
                    connection=connection,
                )
            return answers[number]

        if turn is not None and pages:
            others = [2 + turn % (len(pages) - 1)] if len(pages) > 1 else []
            if all(ask(number).status == 304 for number in (1, *others)):
                return ReleasesAnswer((), tuple(pages))
        releases: list[PublishedRelease] = []
        now: list[Page] = []
        for number in range(1, bounds.BOUNDS.github_pages + 1):
            answer = ask(number)
            if answer.status == 304 and number <= len(pages):
                now.append(pages[number - 1])
            elif answer.status == 200:
                try:
                    entries = parsed_json(answer.body)
                    if not isinstance(entries, list):
                        raise TypeError("expected a list")
                    releases += [
                        self._parsed(entry, ()) for entry in entries if not entry.get("upcoming_release")
                    ]
                except MALFORMED as error:
                    raise api.nonsense(doing, str(error)) from None
                now.append(Page(answer.headers.get("etag", ""), full=len(entries) >= PAGE))
            else:
                raise api.error(answer, doing)
            if not now[-1].full:
                break
        return ReleasesAnswer(tuple(releases), tuple(now))

    def _release(self, tag: str, files: Sequence[PackageFile]) -> PublishedRelease | None:
        doing = f"reading the release {tag}"
        found = self._api.get(_release_path(tag), doing)
        if found is None:
            return None  # a project that is not visible has no files to be read, and failed there
        try:
            return self._parsed(found, files)
        except MALFORMED as error:
            raise self._api.nonsense(doing, str(error)) from None

    def _parsed(self, found: Mapping[str, Any], files: Sequence[PackageFile]) -> PublishedRelease:
        """Return a release out of GitLab's JSON; raises one of MALFORMED where it is none."""
        tag = str(found["tag_name"])
        links = (found.get("assets") or {}).get("links") or []
        return PublishedRelease(
            id=0,  # a release is named by its tag
            tag=tag,
            url=_address(found["_links"]["self"]),
            name=str(found.get("name") or ""),
            body=str(found.get("description") or ""),
            draft=False,
            prerelease=False,
            assets=tuple(self._asset(link, tag, files) for link in links),
            published_at=None if found.get("released_at") is None else str(found["released_at"]),
            upload_url="",
        )

    def _asset(self, link: Mapping[str, Any], tag: str, files: Sequence[PackageFile]) -> ReleaseAsset:
        package = unquote(urlsplit(f"{self.api_url.rstrip('/')}{self._api.path}{_package_path(tag)}").path)
        url = _address(link["url"])
        file = linked_file(url, package, files)
        return ReleaseAsset(
            id=int(link["id"]),
            name=str(link["name"]),
            size=file.size if file is not None else 0,
            state="uploaded",
            digest=f"sha256:{file.sha256}" if file is not None else None,
            url=_address(link.get("direct_asset_url") or url),
        )

    def _files(self, tag: str) -> tuple[PackageFile, ...]:
        """Return the files of the tag's package, with every upload of a name."""
        return tuple(self._each_file(tag))

    def _each_file(self, tag: str) -> Iterator[PackageFile]:
        api, doing = self._api, f"reading the files of {tag}"
        version = package_version(tag)
        query = f"package_type=generic&package_name={PACKAGE}&package_version={quote(version, safe='')}"
        try:
            for package in api.listed(f"/packages?{query}", doing):
                if (package["name"], package["version"]) != (PACKAGE, version):
                    continue  # an older GitLab ignores package_version
                number = int(package["id"])
                for file in api.listed(f"/packages/{number}/package_files", doing):
                    yield PackageFile(
                        number,
                        int(file["id"]),
                        str(file["file_name"]),
                        int(file["size"]),
                        str(file["file_sha256"]),
                    )
        except MALFORMED as error:
            raise api.nonsense(doing, str(error)) from None

    def _act(
        self,
        plan: GitLabPlan,
        wanted: WantedRelease,
        seconds: dict[str, float],
        log: Callable[[str], None],
    ) -> None:
        api, tag = self._api, wanted.tag
        started = time.monotonic()
        for file in plan.delete:
            log(f"deleting {one_line(file.name)}, {file.size} bytes, to which no release links")
            path = f"/packages/{file.package}/package_files/{file.id}"
            api.send("DELETE", path, f"deleting {one_line(file.name)}")
        for asset in plan.upload:
            log(f"uploading {asset.name}, {asset.size} bytes")
            path = f"{_package_path(tag)}/{quote(uploaded_name(asset.name))}"
            api.upload(path, asset.path, f"uploading {asset.name}")
        seconds["assets"] += time.monotonic() - started
        started = time.monotonic()
        try:
            if plan.create:
                log(f"publishing the release {tag}")
                body = {
                    "tag_name": tag,
                    "ref": wanted.commit,
                    "name": wanted.name,
                    "description": fitting_body(wanted.body),
                    "assets": {"links": [self._link(tag, asset) for asset in wanted.assets]},
                }
                api.send("POST", "/releases", f"publishing {tag}", body)
            for asset in plan.link:
                log(f"linking {asset.name}")
                doing = f"linking {asset.name} to {tag}"
                api.send("POST", f"{_release_path(tag)}/assets/links", doing, self._link(tag, asset))
        except TakenError as error:
            log(f"{error.problem} It is looked at again.")
        finally:
            seconds["publish"] += time.monotonic() - started

    def _link(self, tag: str, asset: WantedAsset) -> dict[str, str]:
        name = uploaded_name(asset.name)
        return {
            "name": name,
            "url": f"{self.api_url.rstrip('/')}{self._api.path}{_package_path(tag)}/{quote(name)}",
            "direct_asset_path": f"/{name}",
            "link_type": "package",
        }


def package_version(tag: str) -> str:
    """Return a tag as the version of a generic package, which has letters, digits and . _ + - only."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._+-") else "-" for c in tag)


def _package_path(tag: str) -> str:
    return f"/packages/generic/{PACKAGE}/{quote(package_version(tag), safe='')}"


def _release_path(tag: str) -> str:
    return f"/releases/{quote(tag, safe='')}"


def _address(url: Any) -> str:
    """Return a URL that people may be shown. Raises ValueError where it is none."""
    address = one_line(str(url), 2000)
    if not address.startswith(("https://", "http://")):
        raise ValueError(f"{address[:100]!r} is not an address")
    return address
