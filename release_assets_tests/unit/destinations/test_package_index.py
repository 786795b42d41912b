"""The package index, against devpi where it can show the case and a scripted server where it cannot."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from packaging.version import Version

from release_assets.destinations.http import exchange
from release_assets.destinations.package_index import (
    IndexFile,
    download,
    files_of,
    missing_files,
    observe,
    refuse_closed_release,
    upload,
    upload_failure,
    wait_until_served,
)
from release_assets.errors import ConflictError, PermanentError, TransientError
from release_assets_tests.scripted_server import ScriptedServer, Told

JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
TOKEN = "pypi-scrtscrtscrtscrt"
WHEEL, SDIST = "sample_project-1.0-py3-none-any.whl", "sample_project-1.0.tar.gz"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def json_page(**files: str | None) -> Told:
    """A PEP 691 page that lists files by name, each with its sha256 or none."""
    listed = [
        {"filename": name, "url": f"/files/{name}", "hashes": {} if sha256 is None else {"sha256": sha256}}
        for name, sha256 in files.items()
    ]
    page = {"meta": {"api-version": "1.0"}, "name": "sample-project", "files": listed}
    return Told(body=json.dumps(page).encode(), headers=JSON)


def indexed(name: str, sha256: str | None = "a" * 64, *, yanked: bool = False) -> dict[str, IndexFile]:
    return {name: IndexFile(name, sha256, f"https://files.example/{name}", yanked)}


def sdist(folder: Path, filler: bytes = b"") -> Path:
    """A real, tiny sdist that twine and devpi take."""
    path = folder / SDIST
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {
            "PKG-INFO": b"Metadata-Version: 2.1\nName: sample-project\nVersion: 1.0\n",
            "filler": filler,
        }.items():
            member = tarfile.TarInfo(f"sample_project-1.0/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


# Deciding


def at(days: float) -> datetime:
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=days)


def on_page(name: str, uploaded: datetime | None) -> dict[str, IndexFile]:
    return {name: IndexFile(name, "a" * 64, f"https://files.example/{name}", yanked=False, uploaded=uploaded)}


@pytest.mark.parametrize(
    ("wanted", "observed", "window_days"),
    [
        ([WHEEL, SDIST], {}, 14),
        ([WHEEL, SDIST], on_page(WHEEL, at(1)), 14),
        ([WHEEL], on_page(WHEEL, at(0)), 14),
        ([WHEEL, SDIST], on_page(WHEEL, at(0)), None),
        ([WHEEL, SDIST], on_page(WHEEL, None), 14),
        ([WHEEL, SDIST], on_page("sample_project-0.9-py3-none-any.whl", at(0)), 14),
    ],
    ids=["new", "within-the-window", "complete", "no-window", "no-times", "another-version"],
)
def test_a_release_that_still_takes_files(
    wanted: list[str], observed: dict[str, IndexFile], window_days: int | None
) -> None:
    refuse_closed_release(Version("1.0"), wanted, observed, window_days=window_days, now=at(14.5))


def test_a_release_whose_window_closed_names_what_is_missing() -> None:
    with pytest.raises(
        PermanentError, match=f"lacks {SDIST}, and takes no new file of version 1.0"
    ) as caught:
        refuse_closed_release(
            Version("1.0"), [WHEEL, SDIST], on_page(WHEEL, at(0)), window_days=14, now=at(14.5)
        )
    assert "since 2026-11-15 00:00 UTC, 14 days after its first one. Nothing was tried." in str(caught.value)
    assert "raise the version" in caught.value.remedy


# Observing


def test_upload_times_are_read(server: ScriptedServer) -> None:
    listed = {
        "filename": WHEEL, "url": "/f", "hashes": {}, "size": 3, "upload-time": "2026-11-01T00:00:00.5Z"
    }  # fmt: skip
    page = {"meta": {"api-version": "1.1"}, "name": "sample-project", "versions": ["1.0"], "files": [listed]}
    server.answers(Told(body=json.dumps(page).encode(), headers=JSON))
    assert observe(server.url, "sample-project")[WHEEL].uploaded == at(0) + timedelta(milliseconds=500)


def test_a_json_page_is_read(server: ScriptedServer) -> None:
    server.answers(json_page(**{WHEEL: "AB" * 32, SDIST: None}))
    observed = observe(f"{server.url}/simple/", "Sample_Project")
    assert observed == {
        WHEEL: IndexFile(WHEEL, "ab" * 32, f"{server.url}/files/{WHEEL}", yanked=False),
        SDIST: IndexFile(SDIST, None, f"{server.url}/files/{SDIST}", yanked=False),
    }
    (request,) = server.seen
    assert request.path == "/simple/sample-project/"
    assert request.headers["cache-control"] == "no-cache"
    assert "application/vnd.pypi.simple.v1+json" in request.headers["accept"]
    assert "authorization" not in request.headers


def test_an_html_page_is_read_with_its_yanked_file(server: ScriptedServer) -> None:
    link = f'<a href="../../f/{WHEEL}#sha256={"c" * 64}" data-yanked="broken">{WHEEL}</a>'
    server.answers(
        Told(body=f"<!DOCTYPE html>{link}".encode(), headers={"Content-Type": "text/html; charset=utf-8"})
    )
    assert observe(f"{server.url}/simple", "sample-project") == {
        WHEEL: IndexFile(WHEEL, "c" * 64, f"{server.url}/f/{WHEEL}", yanked=True)
    }


def test_a_compressed_page_is_read(server: ScriptedServer) -> None:
    page = json_page(**{WHEEL: "a" * 64})
    server.answers(Told(body=gzip.compress(page.body), headers={**JSON, "Content-Encoding": "gzip"}))
    assert set(observe(server.url, "sample-project")) == {WHEEL}


def test_an_unknown_project_has_no_files(server: ScriptedServer) -> None:
    server.answers(Told(404))
    assert observe(server.url, "sample-project") == {}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_index_that_is_unwell_is_no_empty_index(server: ScriptedServer, status: int) -> None:
    server.answers(Told(status, reason="So it is"))
    with pytest.raises(TransientError) as caught:
        observe(server.url, "sample-project")
    assert caught.value.problem == f"{server.url}/sample-project/ answered {status} So it is."
    assert "materialize again" in caught.value.remedy


def test_a_refusal_is_permanent_and_names_the_setting(server: ScriptedServer) -> None:
    server.answers(Told(403))
    with pytest.raises(PermanentError, match="answered 403 Forbidden") as caught:
        observe(server.url, "sample-project")
    assert "read_token_env" in caught.value.remedy


@pytest.mark.parametrize(
    "told",
    [
        Told(body=b"\x00garbage", headers=JSON),
        Told(body=b"[" * 100_000, headers=JSON),
        Told(body=b'{"name": "x"}', headers=JSON),
        Told(body=b"%PDF", headers={"Content-Type": "application/pdf"}),
        Told(body=b"[]", headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}),
        Told(body=b"{}", headers=JSON, length=1000),
    ],
    ids=["garbage", "deep", "not-a-page", "other-type", "bad-gzip", "truncated"],
)
def test_an_answer_that_makes_no_sense_is_transient(server: ScriptedServer, told: Told) -> None:
    server.answers(told)
    with pytest.raises(TransientError, match="sample-project"):
        observe(server.url, "sample-project")


def test_nobody_listening_is_transient_and_says_so() -> None:
    with pytest.raises(TransientError, match=r"sample-project/ failed: .*refused"):
        observe("http://127.0.0.1:9", "sample-project")


def test_an_unending_page_is_not_read_to_its_end(server: ScriptedServer) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        server.drip(handler, b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 4_000_000)

    server.answers(flood)
    with pytest.raises(TransientError, match="more than 33554432 bytes"):
        observe(server.url, "sample-project")


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX-Slow: "])
def test_a_trickle_ends_in_the_stated_time(server: ScriptedServer, head: bytes) -> None:
    server.answers(lambda handler: server.drip(handler, head, b"x"))
    started = time.monotonic()
    with pytest.raises(TransientError, match="took longer than 1 s"):
        observe(server.url, "sample-project", seconds=1)
    assert time.monotonic() - started < 3


def test_a_redirect_is_followed(server: ScriptedServer) -> None:
    server.answers(Told(301, headers={"Location": "/elsewhere/"}), json_page(**{WHEEL: "a" * 64}))
    assert set(observe(server.url, "sample-project")) == {WHEEL}
    assert [request.path for request in server.seen] == ["/sample-project/", "/elsewhere/"]


def test_a_redirect_to_a_file_is_refused(server: ScriptedServer) -> None:
    server.answers(Told(302, headers={"Location": "file:///etc/passwd"}))
    with pytest.raises(PermanentError, match="redirects to file:///etc/passwd, which is not followed"):
        observe(server.url, "sample-project")


def test_a_redirect_in_a_circle_ends(server: ScriptedServer) -> None:
    server.answers(Told(302, headers={"Location": "/sample-project/"}))
    with pytest.raises(PermanentError, match="more than 5 times"):
        observe(server.url, "sample-project")


def test_a_header_that_http_forbids_is_refused_unseen(server: ScriptedServer) -> None:
    with pytest.raises(PermanentError, match="set its variable again") as caught:
        exchange("GET", server.url, seconds=5, limit=10, headers={"Authorization": "token scrt\nscrt"})
    assert "scrt" not in str(caught.value)


# Deciding


def test_missing_files_are_wheels_first() -> None:
    assert missing_files({SDIST: "a", WHEEL: "b"}, {}) == [WHEEL, SDIST]


def test_nothing_is_missing_when_our_bytes_are_served_or_yanked() -> None:
    observed = indexed(WHEEL, yanked=True) | indexed("sample_project-1.0-cp312-cp312-linux_x86_64.whl")
    assert missing_files({WHEEL: "a" * 64}, observed) == []


def test_other_bytes_under_our_name_are_a_conflict_of_both() -> None:
    with pytest.raises(ConflictError) as caught:
        missing_files({WHEEL: "b" * 64}, indexed(WHEEL))
    assert f"{WHEEL} with other bytes: sha256 {'a' * 64}, ours is {'b' * 64}." in caught.value.problem


def test_a_file_without_a_hash_cannot_be_taken_for_ours() -> None:
    with pytest.raises(PermanentError, match="without a sha256"):
        missing_files({WHEEL: "b" * 64}, indexed(WHEEL, None))


def test_files_of_a_version_are_compared_as_versions() -> None:
    post = "sample_project-1.0.post1.tar.gz"
    observed = indexed(WHEEL) | indexed(post) | indexed("sample_project-1.0.exe") | indexed("")
    assert set(files_of(Version("1.0.0"), observed)) == {WHEEL}
    assert set(files_of(Version("1.0-1"), observed)) == {post}


# Uploading


@pytest.mark.parametrize(
    ("status", "reason", "kind", "words"),
    [
        (400, "File already exists ('x', with blake2_256 hash 'y').", ConflictError, "File already exists"),
        (
            400,
            "This filename was previously used by a file that has since been deleted.",
            ConflictError,
            "name",
        ),
        (409, "Conflict", ConflictError, "409 Conflict"),
        (400, "Only one sdist may be uploaded per release.", PermanentError, "Only one sdist"),
        (403, "Invalid or non-existent authentication information.", PermanentError, "PYPI_TOKEN"),
        (401, None, PermanentError, "PYPI_TOKEN"),
        (403, "Read-only mode: Uploads are temporarily disabled.", TransientError, "status page"),
        (403, "New uploads are temporarily disabled.", TransientError, "status page"),
        (429, None, TransientError, "429 Too Many Requests"),
        (503, "Try later", TransientError, "503 Service Unavailable"),
        (404, None, PermanentError, "404 Not Found"),
        (301, None, PermanentError, "redirect"),
    ],
)
def test_a_refused_upload_is_named(
    server: ScriptedServer,
    tmp_path: Path,
    status: int,
    reason: str | None,
    kind: type[Exception],
    words: str,
) -> None:
    server.answers(Told(status, reason=reason, headers={"Location": "/other/"} if status == 301 else {}))
    with pytest.raises(kind) as caught:
        upload(f"{server.url}/legacy/", TOKEN, sdist(tmp_path), token_env="PYPI_TOKEN", log=lambda _: None)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert f"Uploading {SDIST} to {server.url}/legacy/" in str(caught.value)


def test_an_upload_never_shows_the_token_even_if_it_is_echoed(server: ScriptedServer, tmp_path: Path) -> None:
    echoed = base64.b64encode(f"__token__:{TOKEN}".encode()).decode()
    server.answers(Told(403, reason=f"Not with Basic {echoed} nor {TOKEN}"))
    lines: list[str] = []
    with pytest.raises(PermanentError) as caught:
        upload(server.url, TOKEN, sdist(tmp_path), token_env="PYPI_TOKEN", log=lines.append)
    assert server.seen[0].headers["authorization"] == f"Basic {echoed}"
    told = "\n".join([*lines, str(caught.value), str(caught.value.__cause__)])
    assert "403" in told
    assert TOKEN not in told
    assert base64.b64encode(TOKEN.encode()).decode().strip("=")[4:-4] not in told


def test_a_server_that_is_not_there_is_transient(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"the connection failed: .*refused"):
        upload("http://127.0.0.1:9/", TOKEN, sdist(tmp_path), token_env="PYPI_TOKEN", log=lambda _: None)


def test_a_server_without_a_response_is_transient(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(lambda handler: server.drip(handler, b"HTTP/1.0 200 OK\r\nX-Slow: ", b"x"))
    with pytest.raises(TransientError, match="twine was ended after 3 s, its time limit"):
        upload(server.url, TOKEN, sdist(tmp_path), token_env="PYPI_TOKEN", log=lambda _: None, timeout=3)


def test_a_file_that_twine_refuses_is_permanent_with_its_words(
    server: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / WHEEL
    path.write_bytes(b"no wheel")
    with pytest.raises(PermanentError, match=r"twine failed: zipfile.BadZipFile: File is not a zip file"):
        upload(server.url, TOKEN, path, token_env="PYPI_TOKEN", log=lambda _: None)
    assert server.seen == []


def test_a_certificate_that_cannot_be_verified_is_permanent() -> None:
    said = "requests.exceptions.SSLError: (Caused by SSLError(SSLCertVerificationError(1, 'unable to')))"
    failure = upload_failure(said, WHEEL, "https://index.example/", "PYPI_TOKEN")
    assert isinstance(failure, PermanentError)
    assert "REQUESTS_CA_BUNDLE" in failure.remedy


# Waiting


def test_the_wait_ends_when_a_stale_index_has_caught_up(server: ScriptedServer) -> None:
    server.answers(Told(503), json_page(), json_page(**{WHEEL: "a" * 64}))
    lines: list[str] = []
    served = wait_until_served(server.url, "sample-project", {WHEEL: "a" * 64}, timeout=30, log=lines.append)
    assert set(served) == {WHEEL}
    assert lines == [
        f"waiting for {server.url}: {server.url}/sample-project/ answered 503 Service Unavailable.",
        f"waiting for {server.url}: not served yet: {WHEEL}",
        f"{server.url} serves {WHEEL}, sha256 {'a' * 64}",
    ]


def test_the_wait_ends_with_what_was_seen_last(server: ScriptedServer) -> None:
    server.answers(json_page(**{SDIST: "a" * 64}))
    wanted = {WHEEL: "b" * 64, SDIST: "a" * 64}
    with pytest.raises(TransientError, match=f"after 1 s: not served yet: {WHEEL}\n"):
        wait_until_served(server.url, "sample-project", wanted, timeout=1, log=lambda _: None)


def test_the_wait_ends_at_once_on_other_bytes(server: ScriptedServer) -> None:
    server.answers(json_page(**{WHEEL: "a" * 64}))
    with pytest.raises(ConflictError, match="other bytes"):
        wait_until_served(server.url, "sample-project", {WHEEL: "b" * 64}, timeout=30, log=lambda _: None)


# Downloading


def served_at(server: ScriptedServer, name: str, sha256: str | None) -> IndexFile:
    return IndexFile(name, sha256, f"{server.url}/{WHEEL}", yanked=False)


def test_a_download_is_verified_and_named(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(Told(body=b"bytes"))
    path = download(served_at(server, WHEEL, sha(b"bytes")), tmp_path)
    assert path.read_bytes() == b"bytes"
    assert list(tmp_path.iterdir()) == [tmp_path / WHEEL]


def test_a_download_with_other_bytes_leaves_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(Told(body=b"other"))
    with pytest.raises(PermanentError, match=f"sha256 {sha(b'other')}, but .* promises {sha(b'bytes')}"):
        download(served_at(server, WHEEL, sha(b"bytes")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_as_large_as_the_index_accepts(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(Told(body=b"bytes"), Told(body=b"bytes"))
    with pytest.raises(TransientError, match="more than 4 bytes"):
        download(served_at(server, WHEEL, sha(b"bytes")), tmp_path, limit=4)
    assert download(served_at(server, WHEEL, sha(b"bytes")), tmp_path, limit=5).read_bytes() == b"bytes"


def test_a_truncated_download_is_transient(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(Told(body=b"byt", length=5))
    with pytest.raises(TransientError):
        download(served_at(server, WHEEL, sha(b"bytes")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_is_permanent(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers(Told(404))
    with pytest.raises(PermanentError, match="answered 404"):
        download(served_at(server, WHEEL, sha(b"bytes")), tmp_path)


@pytest.mark.parametrize(
    "name", ["../../evil-1.0.tar.gz", "/evil-1.0.tar.gz", "a/b-1.0-py3-none-any.whl", "..", "notes.txt"]
)
def test_a_name_that_could_leave_the_folder_is_refused(
    server: ScriptedServer, tmp_path: Path, name: str
) -> None:
    with pytest.raises(PermanentError, match="not the name of an sdist or a wheel"):
        download(served_at(server, name, sha(b"bytes")), tmp_path)
    assert server.seen == []


# A real index


def test_a_page_in_read_only_mode_is_asked_for_again(server: ScriptedServer) -> None:
    server.answers(Told(403, reason="read-only mode"))
    with pytest.raises(TransientError, match="answered 403 read-only mode"):
        observe(server.url, "sample-project")
