"""The package index: what its simple page holds, uploading to it, and waiting until pip would find our files.

The simple page is the truth here, since it is what pip reads; an upload's own answer proves nothing. Every
exchange with a server is bounded in bytes and in seconds, and nothing but twine ever sees the token.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from pydantic import ValidationError
from pypi_simple import ACCEPT_JSON_PREFERRED, ProjectPage
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential_jitter

from release_assets import process
from release_assets.destinations.http import (
    AGAIN,
    CERTIFICATE,
    CERTIFICATE_REMEDY,
    MEBIBYTE,
    Answer,
    exchange,
    get,
    one_line,
    parsed_json,
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

CLOSED_REMEDY = "Its operators have closed it for now: watch its status page, then materialize again."
PAGE_LIMIT = 32 * MEBIBYTE  # of a simple page; the largest on PyPI are a few MiB
FILE_LIMIT = 100 * MEBIBYTE  # PyPI's limit of one file
PARTS = 500_000  # of a simple page's JSON, each looked at by pydantic; the largest on PyPI have 200,000
TAGS = 200_000  # of HTML in a simple page; the largest on PyPI have a quarter
LIMITS = process.Limits(memory=512 * MEBIBYTE)  # of twine
PAGE_SECONDS = 60.0  # for a whole simple page, redirects included


@dataclass(frozen=True)
class IndexFile:
    """One file of a project, as its simple page shows it. `sha256` is lower-case hex, None if not served."""

    filename: str
    sha256: str | None
    url: str
    yanked: bool
    uploaded: datetime | None = None  # PEP 700's upload-time, None where the index does not say it


# What is there


def observe(simple_url: str, project: str, *, seconds: float = PAGE_SECONDS) -> dict[str, IndexFile]:
    """The files that the index serves for `project`, by file name; {} where it does not know the project.

    Asks as pip does (PEP 691 JSON or PEP 503 HTML), past the caches that obey. `seconds` bounds all of it.
    Raises TransientError where the answer is missing or makes no sense, PermanentError on other 4xx.
    """
    url = f"{simple_url.rstrip('/')}/{canonicalize_name(project)}/"
    headers = {"Accept": ACCEPT_JSON_PREFERRED, "Cache-Control": "no-cache"}
    answer = get(url, headers=headers, seconds=seconds, limit=PAGE_LIMIT)
    if answer.status == 404:
        return {}
    _raise_for_status(answer, "Check the index's simple_url in the project's YAML.")
    try:
        page = _parsed(answer, project)
    # The parsers fail on garbage in many ways (ValueError, RecursionError, their own), none of them ours.
    except Exception as error:
        # Some repeat the whole page, and pydantic has a paragraph for each mistake in it.
        said = f"{error.error_count()} mistakes" if isinstance(error, ValidationError) else str(error)
        raise TransientError(
            f"{one_line(url)} answered {answer.status} with something that is no simple page: "
            f"{one_line(said)}",
            f"{AGAIN} If it lasts, check the index's simple_url in the project's YAML.",
        ) from None
    return {
        package.filename: IndexFile(
            filename=package.filename,
            sha256=_sha256(package.digests.get("sha256")),
            url=package.url,
            yanked=package.is_yanked,
            uploaded=package.upload_time,
        )
        for package in page.packages
    }


def files_of(version: Version, observed: Mapping[str, IndexFile]) -> dict[str, IndexFile]:
    """Those of the observed files that are an sdist or a wheel of `version`; other names are passed over."""
    return {name: file for name, file in observed.items() if _version_of(name) == version}


def missing_files(wanted: Mapping[str, str], observed: Mapping[str, IndexFile]) -> list[str]:
    """The names of `wanted` (name: sha256) that are still to be uploaded, wheels first, as twine does.

    Files that we did not build are nobody's conflict; a yanked file of ours is there all the same.
    Raises ConflictError for other bytes under our name, PermanentError where the index shows no sha256.
    """
    for name, sha256 in wanted.items():
        file = observed.get(name)
        if file is None:
            continue
        if file.sha256 is None:
            raise PermanentError(
                f"The index serves {name} without a sha256 ({one_line(file.url)}), so it cannot be compared "
                "with ours.",
                "Use an index whose simple page carries sha256 hashes, as PyPI and devpi do.",
            )
        if file.sha256 != sha256:
            raise ConflictError(
                f"The index serves {name} with other bytes: sha256 {file.sha256}, ours is {sha256}.",
                "A file name can never be used for other bytes: find out who uploaded it "
                f"({one_line(file.url)}), then release a new version.",
            )
    absent = [name for name in wanted if name not in observed]
    return sorted(absent, key=lambda name: (not name.endswith(".whl"), name))


def refuse_closed_release(
    version: Version,
    wanted: Collection[str],
    observed: Mapping[str, IndexFile],
    *,
    window_days: int | None,
    now: datetime,
) -> None:
    """Raise PermanentError where files of `wanted` are missing that the index will not take any more.

    PyPI takes no new file of a release that is older than 14 days, counted from its first file.
    """
    theirs = files_of(version, observed)
    missing = sorted(name for name in wanted if name not in theirs)
    times = [file.uploaded for file in theirs.values() if file.uploaded is not None]
    if window_days is None or not missing or not times:
        return
    closed = min(times) + timedelta(days=window_days)
    if now > closed:
        raise PermanentError(
            f"The index lacks {', '.join(missing)}, and takes no new file of version {version} since "
            f"{closed:%Y-%m-%d %H:%M} UTC, {window_days} days after its first one. Nothing was tried.",
            "This version stays as it is there: raise the version, commit, and push a new tag.",
        )


# Sending


def upload(
    upload_url: str,
    token: str,
    path: Path,
    *,
    token_env: str,
    log: Callable[[str], None],
    timeout: float | None = None,
) -> None:
    """Upload one file with `twine upload`, and give its failure a name.

    `token_env` is the variable that the token came from, for the words of an error. `timeout` is seconds
    for all of it; None allows for a slow line. Returns when twine says done: only observing proves it.
    Raises ConflictError, TransientError (observe, then try again) or PermanentError.
    """
    if timeout is None:
        timeout = seconds_for(path.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="release-assets-twine-") as home:
        env = process.environment(
            HOME=home,  # no ~/.pypirc, no ~/.netrc
            PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
            # Lines are else broken at 80 characters, in the middle of a reason, or of an echoed token: half a
            # secret would not be recognized. http.client reads no longer reason than 64 KiB.
            COLUMNS="70000",
            TWINE_USERNAME="__token__",
            TWINE_PASSWORD=token,
            TWINE_REPOSITORY_URL=upload_url,
        )
        argv = [
            *("twine", "--no-color", "upload", "--non-interactive", "--disable-progress-bar", "--"),
            str(path),
        ]
        log(f"uploading {path.name} to {upload_url}")
        try:
            process.run(
                argv,
                env=env,
                timeout=timeout,
                secrets=[token],
                on_line=lambda line: _say(log, without([token], line)),
                limits=LIMITS,
            )
        except process.CommandFailedError as error:
            if isinstance(error, process.CommandTimedOutError):
                failure: ReleaseError = TransientError(
                    f"Uploading {path.name} to {upload_url}: twine {error.reason}.", AGAIN
                )
            else:
                said = without([token], "\n".join(error.tail)) or f"twine {error.reason}"
                failure = upload_failure(said, path.name, upload_url, token_env)
            raise failure from None  # it has the server's words as they came


def check_access(upload_url: str, token: str, *, token_env: str) -> None:
    """Ask whether the token may upload, by an upload that lacks its file: it changes nothing.

    Indexes look at the token before they look at the form, and answer 400 for the form. Raises
    PermanentError for a refused token or an address that is no upload API, TransientError as observe does.
    """
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    answer = exchange(
        "POST",
        upload_url,
        seconds=PAGE_SECONDS,
        limit=MEBIBYTE,
        headers={
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        data=b"%3Aaction=file_upload&protocol_version=1",
    )
    said = f"POST {upload_url}: {answer.status} {one_line(without([token], answer.reason))}"
    if answer.status in {401, 403} and _CLOSED.search(answer.reason):
        raise TransientError(f"{said}.", CLOSED_REMEDY)
    if answer.status in {401, 403}:
        raise PermanentError(
            f"{said}.", f"Check the token in {token_env}: is it valid for this index and project?"
        )
    if answer.status >= 500 or answer.status == 429:
        raise TransientError(f"{said}.", AGAIN, wait=retry_after(answer.headers, datetime.now(UTC)))
    if answer.status in {404, 405} or answer.status < 400:
        raise PermanentError(f"{said}: that is no upload API.", "Check the index's upload_url in the YAML.")


def upload_failure(said: str, filename: str, upload_url: str, token_env: str) -> ReleaseError:
    """What the end of twine's output means, as the error to raise.

    twine 7 prints `HTTPError: 400 Bad Request from URL` and, below it, the reason phrase, where PyPI puts
    the reason in words; a connection that broke shows as a traceback of requests.
    """
    what = f"Uploading {filename} to {upload_url}"
    text = " ".join(_plain(said).split())
    http = re.search(r"HTTPError: (?P<status>\d{3}) (?P<words>.*)", text)
    if http is None:
        if CERTIFICATE.search(text):
            return PermanentError(f"{what}: the certificate cannot be verified.", CERTIFICATE_REMEDY)
        if broken := _BROKEN.search(text):
            return TransientError(f"{what}: the connection failed: {one_line(broken[0])}", AGAIN)
        lines = [one_line(line) for line in _plain(said).strip().splitlines()]
        if "MemoryError" in lines:
            return TransientError(f"{what}: the index answered more than twine can read.", AGAIN)
        # A traceback says it in its last line.
        words = lines[-1] if "Traceback (most recent call last):" in lines else "\n".join(lines[-10:])
        return PermanentError(f"{what}: twine failed: {words}", "Check the file with `twine check`.")
    status, problem = int(http["status"]), f"{what}: {one_line(http['status'] + ' ' + http['words'])}"
    if status == 409 or (status == 400 and _TAKEN.search(text)):
        return ConflictError(
            problem,
            "The index will never take these bytes under this name. Compare what it serves with the stored "
            "file; if it is not ours, release a new version.",
        )
    if status == 403 and _CLOSED.search(text):
        return TransientError(problem, CLOSED_REMEDY)
    if status in (401, 403):
        return PermanentError(
            problem,
            f"Check the token in {token_env}: is it set for this index, not expired, and allowed to upload "
            "this project?",
        )
    return _for_status(status, problem, "See the index's words above.")


def wait_until_served(
    simple_url: str,
    project: str,
    wanted: Mapping[str, str],
    *,
    timeout: float,
    log: Callable[[str], None],
) -> dict[str, IndexFile]:
    """Wait until the simple page serves every file of `wanted` (name: sha256); return those files.

    `timeout` is seconds; at least one look is taken. PyPI's page is cached and may be stale for minutes, so
    looks are 1 to 15 s apart, and one that fails does not end the wait.
    Raises ConflictError on other bytes at once, TransientError when time is over, with what was seen last.
    """
    deadline = time.monotonic() + timeout
    seen = ""

    def look() -> dict[str, IndexFile] | None:
        nonlocal seen
        try:
            left = max(1.0, deadline - time.monotonic())
            observed = observe(simple_url, project, seconds=min(PAGE_SECONDS, left))
            missing = missing_files(wanted, observed)
            now = f"not served yet: {', '.join(missing)}" if missing else ""
        except TransientError as error:
            observed, missing, now = {}, list(wanted), error.problem
        if now and now != seen:
            log(f"waiting for {simple_url}: {now}")
        seen = now
        return None if missing else {name: observed[name] for name in wanted}

    pause = wait_exponential_jitter(initial=1, max=15, jitter=1)
    try:
        served = Retrying(
            stop=stop_after_delay(timeout),
            # Never past the deadline, so that the last look is the one at its end.
            wait=lambda state: min(pause(state), max(0.0, deadline - time.monotonic())),
            retry=retry_if_result(lambda served: served is None),
        )(look)
    except RetryError:
        raise TransientError(
            f"{simple_url} does not serve {project} completely after {timeout:.0f} s: {seen}",
            "The upload was accepted; its page may be stale. Materialize again: nothing is uploaded twice.",
        ) from None
    assert served is not None  # noqa: S101  (else it would have been tried again)
    for name, file in served.items():
        log(f"{simple_url} serves {name}, sha256 {file.sha256}{', but it is yanked' if file.yanked else ''}")
    return served


def download(file: IndexFile, to: Path, *, seconds: float | None = None) -> Path:
    """Download a file into the folder `to`, under its own name; return its path.

    It appears there only whole and with the sha256 that the index promised. `seconds` bounds all of it.
    Raises PermanentError for a name that is no sdist's or wheel's, or other bytes; else as observe does.
    """
    # A name with a separator could leave the folder: packaging looks at a wheel's parts, not at a path.
    if _version_of(file.filename) is None or not re.fullmatch(r"[\w.+!-]{1,200}", file.filename):
        raise PermanentError(
            f"{one_line(file.filename)!r} is no name of an sdist or a wheel.",
            "The index's page is damaged or hostile: do not release from it before that is understood.",
        )
    if file.sha256 is None:
        raise PermanentError(
            f"The index serves {file.filename} without a sha256, so its bytes cannot be verified.",
            "Use an index whose simple page carries sha256 hashes, as PyPI and devpi do.",
        )
    if seconds is None:
        seconds = seconds_for(FILE_LIMIT)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=to) as folder:
        part = Path(folder) / "part"
        with part.open("wb") as sink:
            answer = get(file.url, headers={}, seconds=seconds, limit=FILE_LIMIT, sink=sink)
        _raise_for_status(answer, "Check that the index still serves this file.")
        with part.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        if sha256 != file.sha256:
            raise PermanentError(
                f"{one_line(file.url)} has sha256 {sha256}, but the index's page promises {file.sha256}.",
                "Do not use this file: compare it with the stored one, and tell the index's operators.",
            )
        return part.replace(to / file.filename)


# Words


# Warehouse's and others' ways to say that a name or its bytes are taken.
_TAKEN = re.compile(r"already exists?|already been used|previously used", re.IGNORECASE)
_CLOSED = re.compile(r"read.?only|temporarily disabled", re.IGNORECASE)
_BROKEN = re.compile(
    r"requests\.exceptions\.(ConnectionError|ProxyError|SSLError|ChunkedEncodingError|\w*Timeout)\b.*"
)


def _raise_for_status(answer: Answer, remedy: str) -> None:
    """Raise unless the answer is a 200."""
    if answer.status == 200:
        return
    problem = f"{one_line(answer.url)} answered {answer.status} {one_line(answer.reason)}".rstrip() + "."
    if answer.status < 400:
        raise TransientError(problem, AGAIN)
    if answer.status == 403 and _CLOSED.search(answer.reason):
        raise TransientError(problem, CLOSED_REMEDY)
    wait = retry_after(answer.headers, datetime.now(UTC))
    raise _for_status(answer.status, problem, remedy, wait=wait)


def _for_status(status: int, problem: str, remedy: str, *, wait: float = 0.0) -> ReleaseError:
    """The error for a status of 400 and more; `remedy` is for those that stay as they are."""
    error = error_for_status(status, problem, remedy)
    return TransientError(problem, AGAIN, wait=wait) if isinstance(error, TransientError) else error


def _parsed(answer: Answer, project: str) -> ProjectPage:
    """The simple page in the answer. Raises whatever its parsers do."""
    content_type, _, _ = answer.headers.get("content-type", "not said").partition(";")
    match content_type.strip().lower():
        case "application/vnd.pypi.simple.v1+json":
            return ProjectPage.from_json_data(parsed_json(answer.body, PARTS), answer.url)
        case "application/vnd.pypi.simple.v1+html" | "text/html":
            # The parser takes a kilobyte of memory for each, however short it is.
            if (tags := answer.body.count(b"<")) > TAGS:
                raise ValueError(f"it has {tags} tags, and more than {TAGS} are not read")
            return ProjectPage.from_html(project, answer.body, answer.url)
    raise ValueError(f"its content type is {content_type}")


def _version_of(filename: str) -> Version | None:
    """The version in the name of a wheel or an sdist; None where it is neither."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _sha256(served: str | None) -> str | None:
    """A hash in the page as lower-case hex; None where it is none."""
    return served.lower() if served is not None and re.fullmatch(r"[0-9a-fA-F]{64}", served) else None


def _plain(text: str) -> str:
    """`text` without the terminal's colours and without the blanks that rich fills its lines with."""
    return "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines())


def _say(log: Callable[[str], None], line: str) -> None:
    """Pass on a line of twine's, unless it is blank."""
    if plain := _plain(line).strip():
        log(f"twine: {one_line(plain)}")
