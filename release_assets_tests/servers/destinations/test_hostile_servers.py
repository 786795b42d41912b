"""Every hostile server in `servers/` against every way in which a destination is asked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from release_assets.destinations import bounds, git, github, http, package_index, registry
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import environment, run
from release_assets.text import printable
from release_assets_tests.hostile_server import CASES, SERVERS, HostileServer, hostile_server
from release_assets_tests.paths import ROOT
from release_assets_tests.secret_forms import forms_of
from release_assets_tests.unit.destinations.test_package_index import sdist

TOKEN = "pypi-scrtAgEIcHlwaS5vcmcCJDNhYWFhYWFhLWJi"
WHEEL = "sample_project-1.0-py3-none-any.whl"
DIGEST = f"sha256:{hashlib.sha256(b'wanted').hexdigest()}"
MANIFEST = registry.Manifest(b"{}", registry.OCI_MANIFEST)
SECONDS = 1.0  # in place of the minutes that people wait
LATEST = 25.0  # seconds; an exchange ends after 1, a twine after 6, and the machine may be busy
LONGEST = 2000  # characters of an error's problem: some put two things of a server into one sentence


@dataclass
class Asked:
    """A client, and the result of its request."""

    server: HostileServer
    folder: Path
    said: list[str] = field(default_factory=list)  # to the step's log
    error: BaseException | None = None
    seconds: float = 0.0

    @property
    def registry(self) -> registry.Registry:
        return registry.Registry(
            registry.Repository(self.server.host, "owner/sample"),
            username="robot",
            token=TOKEN,
            username_env="DOCKER_USERNAME",
            token_env="DOCKER_TOKEN",
        )

    @property
    def remote(self) -> str:
        return f"{self.server.url}/owner/sample.git"


def _download(asked: Asked) -> object:
    file = package_index.IndexFile(WHEEL, DIGEST.partition(":")[2], f"{asked.server.url}/{WHEEL}", False)
    return package_index.download(file, asked.folder, seconds=SECONDS)


def _upload(asked: Asked) -> None:
    path = sdist(asked.folder)
    package_index.upload(
        f"{asked.server.url}/legacy/", TOKEN, path, token_env="PYPI_TOKEN", log=asked.said.append, timeout=6
    )


def _publish(asked: Asked) -> object:
    (asked.folder / WHEEL).write_bytes(b"wheel")
    wheel = github.WantedAsset(asked.folder / WHEEL, 5, hashlib.sha256(b"wheel").hexdigest())
    wanted = github.WantedRelease("v1.0", "c" * 40, "v1.0", "text", False, True, (wheel,))
    return github.publish_release(
        github.connect(asked.server.url, TOKEN), "owner/sample", wanted,
        token_env="GITHUB_TOKEN", log=asked.said.append, sleep=lambda _: None,
    )  # fmt: skip


WAYS: dict[str, Callable[[Asked], object]] = {
    "index-observe": lambda asked: package_index.observe(asked.server.url, "sample-project", seconds=SECONDS),
    "index-check-access": lambda asked: package_index.check_access(
        f"{asked.server.url}/legacy/", TOKEN, token_env="PYPI_TOKEN"
    ),
    "index-upload": _upload,
    "index-download": _download,
    "github-check-access": lambda asked: github.check_access(
        github.connect(asked.server.url, TOKEN), "owner/sample", token_env="GITHUB_TOKEN"
    ),
    "github-published": lambda asked: github.published_releases(
        asked.server.url, "owner/sample", TOKEN, [], token_env="GITHUB_TOKEN"
    ),
    "github-publish": _publish,
    "registry-manifest": lambda asked: asked.registry.manifest("1.0"),
    "registry-tags": lambda asked: asked.registry.tags(),
    "registry-blob": lambda asked: asked.registry.blob(DIGEST),
    "registry-check-access": lambda asked: asked.registry.check_access(),
    "registry-put": lambda asked: asked.registry.put_manifest("1.0", MANIFEST),
    "git-tags": lambda asked: git.observe_tags(asked.remote),
    "git-fetch": lambda asked: git.Mirror(asked.remote, asked.folder / "mirrors").fetch("c" * 40),
}


def short_waits(patch: pytest.MonkeyPatch) -> None:
    """Wait for seconds where the code waits for minutes."""
    replaced = replace(
        bounds.BOUNDS,
        file_seconds=SECONDS,
        page_seconds=SECONDS,
        registry_seconds=SECONDS,
        registry_list_seconds=SECONDS,
        git_look_seconds=SECONDS,
        git_fetch_seconds=SECONDS,
        github_list_seconds=SECONDS,
        github_attempts_seconds=0.0,
    )
    patch.setattr(bounds, "BOUNDS", replaced)


def ask(case: str, way: str, folder: Path) -> Asked:
    """Ask a server of the case's, as the way does."""
    folder.mkdir(parents=True)
    with hostile_server(case) as server:
        asked = Asked(server, folder)
        started = time.monotonic()
        try:
            WAYS[way](asked)
        except BaseException as error:
            asked.error = error
        asked.seconds = time.monotonic() - started
    return asked


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Asked]]:
    """Return the result of each case and way; most of them wait, so they are asked at the same time."""
    root = tmp_path_factory.mktemp("hostile")
    pairs = [(case, way) for case in CASES for way in WAYS]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(12) as pool:
        short_waits(patch)
        found = pool.map(lambda pair: ask(pair[0], pair[1], root / "-".join(pair)), pairs)
        yield dict(zip(pairs, found, strict=True))


# Where a hostile answer may be a good one for who asked, and what makes that harmless.
WRITTEN = "a success is believed: what is there is observed afterwards, from the consumer's side"
READABLE = "it can be read: what is in it is looked at where it is used"
SAYS_NO = "a 400 is how an index answers a form without a file once it has taken the token"
FOUND_OUT = "nothing is sent or published before the releases have been read, and that fails"
SUCCESSES = (
    "deep-json", "echo-200", "hostile-content-type", "hostile-names", "huge-integers", "many-nothings",
    "millions-of-nothings", "millions-of-tags", "links-that-are-code", "negative-length", "no-text",
    "pages-without-end", "upload-url-elsewhere", "wrong-types",
)  # fmt: skip
HARMLESS = {
    **{(case, way): WRITTEN for case in SUCCESSES for way in ("index-upload", "registry-put")},
    **{(case, "github-check-access"): FOUND_OUT for case in SUCCESSES},
    ("echo-400", "index-check-access"): SAYS_NO,
    ("hostile-words", "index-check-access"): SAYS_NO,
    ("wrong-types-in-an-error", "index-check-access"): SAYS_NO,
    ("pack-without-end", "index-check-access"): SAYS_NO,
    ("hostile-names", "index-observe"): READABLE,
    ("hostile-names", "registry-manifest"): READABLE,
    ("many-nothings", "registry-manifest"): READABLE,
    ("pages-without-end", "registry-manifest"): READABLE,
    ("hostile-names", "github-published"): READABLE,
    ("upload-url-elsewhere", "registry-check-access"): WRITTEN,
    ("links-that-are-code", "registry-check-access"): WRITTEN,
    ("upload-url-elsewhere", "github-published"): READABLE,
    ("pack-without-end", "git-tags"): READABLE,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_a_hostile_server_is_given_up_in_words(
    outcomes: dict[tuple[str, str], Asked], case: str, way: str
) -> None:
    asked = outcomes[case, way]
    assert asked.seconds < LATEST
    assert [line for line in asked.said if not is_harmless(line)] == []
    error = asked.error
    if error is None:
        assert (case, way) in HARMLESS
        return
    assert isinstance(error, ReleaseError), repr(error)[:1000]
    assert is_harmless(str(error).replace("\n", " "))
    assert asked.server.host in error.problem or asked.server.elsewhere in error.problem
    assert error.__cause__ is None or not forms_in(str(error.__cause__))
    wait = error.wait if isinstance(error, TransientError) else 0.0
    assert datetime.now(UTC) + timedelta(seconds=wait) > datetime(2026, 1, 1, tzinfo=UTC)


def is_harmless(words: str) -> bool:
    """Return True for words to show to anybody: one line, printable, not too long, without the token."""
    return words.isprintable() and len(words) < LONGEST and not forms_in(words)


def forms_in(words: str) -> set[str]:
    """The forms of the token in some words, as well with what drives terminals taken out of them."""
    return {form for form in forms_of(TOKEN) if form in words or form in printable(words)}


def test_every_folder_is_a_case() -> None:
    assert {folder.name for folder in SERVERS.iterdir() if folder.is_dir()} == set(CASES)


def test_credentials_go_nowhere_else(outcomes: dict[tuple[str, str], Asked]) -> None:
    redirected = [asked for asked in outcomes.values() if asked.server.seen_elsewhere]
    assert redirected  # some redirects are followed, so this can fail
    for asked in redirected:
        for request in asked.server.seen_elsewhere:
            assert "authorization" not in request.headers
            assert not forms_in(repr(request))


def test_another_machine_is_not_even_tried_over_plain_http(
    outcomes: dict[tuple[str, str], Asked],
) -> None:
    """A request would wait: documentation's addresses lead nowhere. So it ends at once, with a reason."""
    for way in ("index-observe", "index-download", "registry-manifest", "registry-tags", "registry-blob"):
        asked = outcomes["redirect-to-plain-http", way]
        assert "redirects to http://192.0.2.1:9/here, which is not" in str(asked.error)
        assert len(asked.server.seen) == 1
    for way in ("github-check-access", "github-published", "github-publish"):
        assert "has moved to http://192.0.2.1:9/here" in str(outcomes["redirect-to-plain-http", way].error)
    for way in ("git-tags", "git-fetch"):
        assert "returned error: 301" in str(outcomes["redirect-to-plain-http", way].error)
    assert "192.0.2.1:9/here" in str(outcomes["redirect-to-plain-http", "index-upload"].error)


def test_hostile_names_lead_nowhere(tmp_path: Path) -> None:
    with hostile_server("hostile-names") as server:
        files = package_index.observe(server.url, "sample-project", seconds=LATEST)
        assert len(files) > 5
        for file in files.values():
            with pytest.raises(PermanentError, match="is not the name of an sdist or a wheel") as caught:
                package_index.download(file, tmp_path, seconds=LATEST)
            assert is_harmless(caught.value.problem)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "case", ["silence", "header-without-end", "continue-without-end", "trailers-without-end", "trickle"]
)
def test_an_exchange_that_is_given_up_leaves_no_thread(case: str) -> None:
    """A sensor sends requests every few seconds: what stays behind adds up."""
    with hostile_server(case) as server:
        with pytest.raises(TransientError, match=r"took longer than 0 s|took longer than 1 s"):
            package_index.observe(server.url, "sample-project", seconds=0.5)
        deadline = time.monotonic() + 1.0
        while exchanges() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert exchanges() == []


def exchanges() -> list[threading.Thread]:
    """Our threads that talk to a server."""
    return [thread for thread in threading.enumerate() if thread.name == "exchange"]


def test_a_pack_that_does_not_end_leaves_nothing_on_the_disk(
    outcomes: dict[tuple[str, str], Asked],
) -> None:
    asked = outcomes["pack-without-end", "git-fetch"]
    assert "was ended after 1 s" in str(asked.error)
    assert any(request.method == "POST" for request in asked.server.seen)  # so the pack did begin
    objects = [path for path in asked.folder.rglob("objects/**/*") if path.is_file()]
    assert [path for path in objects if path.stat().st_size > 100_000] == []


@pytest.mark.parametrize("asked", ["9" * 5000, "999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_rest_of_centuries_still_makes_a_date(asked: str) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert now + timedelta(days=365) < now + timedelta(seconds=http.retry_after({"retry-after": asked}, now))


@pytest.mark.parametrize("asked", ["-5", "soon", "", "NaN", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_rest_of_nothing_is_none(asked: str) -> None:
    assert http.retry_after({"retry-after": asked}, datetime(2026, 11, 1, tzinfo=UTC)) == 0.0


# Memory

GLUTTONS = [
    "body-without-end", "gzip-bomb", "gzip-in-gzip-bomb", "headers-without-end", "status-line-without-end",
    "many-nothings", "millions-of-nothings", "millions-of-tags", "pages-without-end",
]  # fmt: skip
MEBIBYTES = 500  # of which 64 are an answer of GitHub's, and twice that what is decompressed at once
CHILDS_MEBIBYTES = 700  # git and twine have limits of their own

# A process of its own: what the tests before have used would hide it. The servers stay in ours.
EATER = """
import json, resource, sys
from pathlib import Path
import pytest
from release_assets_tests.servers.destinations.test_hostile_servers import WAYS, Asked, short_waits
from release_assets_tests.hostile_server import HostileServer

def most():
    # Not RUSAGE_SELF, which begins with what the process that started us has used.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return [int(status["VmHWM"].split()[0]) // 1024, children // 1024]

before, eaten = most(), {}
with pytest.MonkeyPatch.context() as patch:
    short_waits(patch)
    for case, port in json.loads(sys.argv[1]).items():
        for way, ask in WAYS.items():
            folder = Path(sys.argv[2], case, way)
            folder.mkdir(parents=True)
            try:
                ask(Asked(HostileServer(port, ""), folder))
            except Exception:
                pass
            eaten[f"{case} {way}"] = most()
print(json.dumps([before, eaten]))
"""


def test_no_answer_fills_the_memory(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ports = {case: stack.enter_context(hostile_server(case)).port for case in GLUTTONS}
        said = run(
            [sys.executable, "-c", EATER, json.dumps(ports), str(tmp_path)],
            env=environment(PYTHONPATH=str(ROOT)),
            timeout=240,
        )
    before, eaten = json.loads(said)
    assert len(eaten) == len(GLUTTONS) * len(WAYS)
    print(said)
    own, childs = max(own for own, _ in eaten.values()) - before[0], max(child for _, child in eaten.values())
    assert own < MEBIBYTES, said
    assert childs < CHILDS_MEBIBYTES, said
