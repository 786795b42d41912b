"""Uploading with twine, and what its failures mean. Nothing but twine ever sees the token."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from release_assets import process
from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, CERTIFICATE, CERTIFICATE_REMEDY, seconds_for
from release_assets.destinations.package_index.answers import CLOSED, CLOSED_REMEDY, for_status
from release_assets.destinations.package_index.login import USER
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets.text import one_line, printable, without

# Warehouse's and others' ways to say that a name or its bytes are taken.
_TAKEN = re.compile(r"already exists?|already been used|previously used", re.IGNORECASE)
_BROKEN = re.compile(
    r"requests\.exceptions\.(ConnectionError|ProxyError|SSLError|ChunkedEncodingError|\w*Timeout)\b.*"
)


def upload(
    upload_url: str,
    token: str,
    path: Path,
    *,
    token_env: str | None,
    log: Callable[[str], None],
    timeout: float | None = None,
    username: str = USER,
    certificate: str | None = None,
    attestation: Path | None = None,
) -> None:
    """Upload one file with `twine upload`, and give its failure a name.

    `token_env` is the variable that the token came from, for the words of an error; None is a minted one.
    `timeout` is seconds for all of it; None allows for a slow line. `username` goes with the token.
    `certificate` is a PEM file with a client certificate and its key. `attestation` is a file next to `path`,
    which is uploaded with it. Returns when twine reports success: only observing proves it.
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
            TWINE_USERNAME=username,
            TWINE_PASSWORD=token,
            TWINE_REPOSITORY_URL=upload_url,
        )
        argv = ["twine", "--no-color", "upload", "--non-interactive", "--disable-progress-bar"]
        argv += ["--client-cert", certificate] if certificate is not None else []
        argv += ["--attestations"] if attestation is not None else []
        argv += ["--", str(path), *([str(attestation)] if attestation is not None else [])]
        log(f"uploading {path.name} to {upload_url}")
        try:
            process.run(
                argv,
                env=env,
                timeout=timeout,
                secrets=[token],
                on_line=lambda line: _say(log, without([token], line)),
                limits=process.Limits(memory=bounds.BOUNDS.twine_memory_bytes),
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


def upload_failure(said: str, filename: str, upload_url: str, token_env: str | None) -> ReleaseError:
    """Return the error that the end of twine's output means.

    twine 7 prints `HTTPError: 400 Bad Request from URL` and, below it, the reason phrase, where PyPI puts
    the reason in words; a connection that broke shows as a traceback of requests.
    """
    what = f"Uploading {filename} to {upload_url}"
    text = " ".join(printable(said).split())
    http = re.search(r"HTTPError: (?P<status>\d{3}) (?P<words>.*)", text)
    if http is None:
        if CERTIFICATE.search(text):
            return PermanentError(f"{what}: the certificate cannot be verified.", CERTIFICATE_REMEDY)
        if broken := _BROKEN.search(text):
            return TransientError(f"{what}: the connection failed: {one_line(broken[0])}", AGAIN)
        lines = [one_line(line) for line in printable(said).strip().splitlines()]
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
    if status == 403 and CLOSED.search(text):
        return TransientError(problem, CLOSED_REMEDY)
    if status in (401, 403):
        return PermanentError(
            problem,
            f"Check the token in {token_env}: is it set for this index, not expired, and allowed to upload "
            "this project?"
            if token_env
            else "Check at the index whether this job is a registered publisher of this very project.",
        )
    return for_status(status, problem, "See the index's words above.")


def _say(log: Callable[[str], None], line: str) -> None:
    """Pass on a line of twine's, unless it is blank."""
    if said := one_line(line):
        log(f"twine: {said}")
