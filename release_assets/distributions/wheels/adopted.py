"""Wheels that another machine builds: awaited by name, all of them, and copied when they are there."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.version import Version
from pypi_simple import parse_links_stream

from release_assets.destinations import bounds, github
from release_assets.destinations.http import get, seconds_for
from release_assets.destinations.package_index.answers import raise_for_status
from release_assets.destinations.package_index.difference import version_of
from release_assets.distributions.file_names import shown
from release_assets.errors import PermanentError, TransientError
from release_assets.rules.wheel_tags import matches
from release_assets.text import one_line

Copy = Callable[[Path], Path]  # copies a file into a folder, and returns its path
POLL_SECONDS = 15.0
SAY_SECONDS = 600.0
LARGEST = 2 * 1000**3  # bytes of a wheel on a page, which does not say its size


@dataclass(frozen=True)
class Awaited:
    """The file that each declared pattern stands for."""

    found: Mapping[str, str]  # pattern: file name
    missing: Sequence[str]  # patterns


def awaited(patterns: Sequence[str], names: Sequence[str], version: Version) -> Awaited:
    """Return which of the names each pattern stands for; names of other versions do not count.

    Raises PermanentError where a pattern matches several files, or two patterns match the same one: then
    nobody could tell how many wheels were declared.
    """
    ours = [name for name in names if name.endswith(".whl") and version_of(name) == version]
    matched = matches(patterns, ours, str(version))
    for pattern, files in matched.items():
        if len(files) > 1:
            raise PermanentError(
                f"the pattern {pattern!r} of adopted wheels matches {len(files)} files: "
                + ", ".join(files[:5]),
                "Write one pattern for each file, or remove the file that does not belong there.",
            )
    found = {pattern: files[0] for pattern, files in matched.items() if files}
    for pattern, file in found.items():
        other = next(one for one in found if found[one] == file)
        if other != pattern:
            raise PermanentError(
                f"the patterns {other!r} and {pattern!r} of adopted wheels match the same file: {file}",
                "Write one pattern for each file.",
            )
    return Awaited(found, [pattern for pattern in patterns if pattern not in found])


def wait_for_wheels(
    patterns: Sequence[str],
    version: Version,
    look: Callable[[], Mapping[str, Copy]],
    *,
    where: str,
    seconds: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Copy]:
    """Return how to copy each declared wheel, once all are there.

    `look` returns what is there now; `where` is the place in words. A look that fails for now is repeated.
    Raises PermanentError with what is missing after `seconds`.
    """
    end, told, told_at = clock() + seconds, "", float("-inf")
    while True:
        problem: TransientError | None = None
        try:
            there = look()
            state = awaited(patterns, list(there), version)
            if not state.missing:
                return [there[state.found[pattern]] for pattern in patterns]
            words = f"{len(state.missing)} of {len(patterns)} wheels are not in {where}: "
            words += ", ".join(state.missing)
        except TransientError as error:
            problem = error
            words = error.problem
        now = clock()
        if now >= end:
            if problem is not None:
                raise problem
            raise PermanentError(
                f"{words}, after {seconds / 60:.0f} minutes",
                "Let the other machine upload them, then materialize again: nothing was published. Or take "
                "the patterns out of package.wheels in the project's defs.yaml.",
            )
        if words != told or now - told_at >= SAY_SECONDS:
            say(f"{words}; waiting for {(end - now) / 60:.0f} more minutes")
            told, told_at = words, now
        sleep(min(POLL_SECONDS, max(end - now, 0.0)))


def wheels_in_folder(folder: Path) -> dict[str, Copy]:
    """Return the whole wheels in a folder; one that is still being written is not there yet."""
    try:
        files = [file for file in folder.iterdir() if file.suffix == ".whl"]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PermanentError(
            f"{folder} cannot be read: {error.strerror}", "Let the user of Dagster's runs read it."
        ) from None

    # The end of a zip file holds its table of contents.
    return {
        file.name: partial(_copied, file)
        for file in files
        if file.is_file() and shown(file.name) == file.name and zipfile.is_zipfile(file)
    }


def _copied(file: Path, to: Path) -> Path:
    return Path(shutil.copyfile(file, to / file.name))


def wheels_on_page(url: str) -> dict[str, Copy]:
    """Return the wheels that a page links: a simple page, or what a web server shows of a folder.

    Raises TransientError or PermanentError; a page that is missing has none yet.
    """
    answer = get(url, headers={}, seconds=bounds.BOUNDS.page_seconds, limit=bounds.BOUNDS.page_bytes)
    if answer.status == 404:
        return {}
    raise_for_status(answer, "Check `location` of the adopted wheels in the project's defs.yaml.")
    if (tags := answer.body.count(b"<")) > bounds.BOUNDS.page_tags:
        raise PermanentError(
            f"{one_line(url)} has {tags} tags, and more than {bounds.BOUNDS.page_tags} are not read",
            "Let `location` name a page of this release alone: `{tag}` is replaced in it.",
        )
    found: dict[str, Copy] = {}
    for link in parse_links_stream([answer.body], answer.url):
        parts = urlsplit(link.url)
        name = unquote(parts.path.rpartition("/")[2])
        if name.endswith(".whl") and shown(name) == name and parts.scheme in {"http", "https"}:
            found[name] = partial(_downloaded, url, link.url, name)
    return found


def _downloaded(page: str, url: str, name: str, folder: Path) -> Path:
    """Download a file that a page links. Raises TransientError or PermanentError."""
    if urlsplit(page).scheme == "https" and urlsplit(url).scheme != "https":
        raise PermanentError(
            f"{one_line(page)} links {one_line(url)}, which is not encrypted", "Serve the files over https."
        )
    to = folder / name
    with to.open("wb") as sink:
        answer = get(url, headers={}, seconds=seconds_for(LARGEST), limit=LARGEST, sink=sink)
    raise_for_status(answer, f"Check that {one_line(page)} still serves this file.")
    return to


def wheels_in_draft(
    api_url: str, repository: str, tag: str, *, token: str, token_env: str
) -> dict[str, Copy]:
    """Return the wheels that are attached to the release of a tag on GitHub, a draft or not.

    Raises as github.find_release does.
    """
    release, _ = github.find_release(github.connect(api_url, token), repository, tag, token_env=token_env)
    assets = release.assets if release is not None else ()
    return {
        asset.name: partial(
            github.download_asset, api_url, repository, asset, token=token, token_env=token_env
        )
        for asset in assets
        if asset.state == "uploaded" and asset.name.endswith(".whl") and shown(asset.name) == asset.name
    }
